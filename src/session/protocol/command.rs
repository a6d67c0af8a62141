//! What a client may ask of the engine, as requests with a number. Clients write them; the engine's `requests` carries
//! them out.

use serde::{Deserialize, Serialize};

use super::types::CandidateId;
use crate::evaluate::Target;
use crate::recipe::Recipe;
use crate::task::Split;

/// A command with the number that its reply carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the sender; the reply repeats it.
    pub id: u64,
    /// What to do.
    pub command: Command,
}

/// What a face may ask of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// First word of a connection.
    Hello { version: u32 },
    /// Models on this machine and what fits together.
    Models { base: Option<String> },
    /// One model by its reference, fetched where needed, with its fit to a base.
    Model {
        reference: String,
        base: Option<String>,
        /// Only as it is on this machine: nothing is fetched, and what can't be read is listed with
        /// the reason.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        here: bool,
    },
    /// How far fine-tunes lie from their base, layer group by layer group.
    Distances { base: String, sources: Vec<String> },
    /// The questions of a split of a task.
    Questions { task: String, split: Split },
    /// All sessions in the home folder.
    Sessions,
    /// Start a session from a config's text. `name` defaults to the config's.
    Start { config: String, name: Option<String> },
    /// Take up a session that was paused, stopped or killed.
    Resume { session: String },
    /// Stop after the candidate in flight; the session stays resumable at once.
    Pause { session: String },
    /// End the session now; it can still be resumed later.
    Stop { session: String },
    /// Let a session that is over go on, up to this many evaluations in all.
    Extend { session: String, budget: u64 },
    /// Evaluate a hand-made recipe as a candidate of the session.
    Inject { session: String, recipe: Box<Recipe> },
    /// Which training questions stream their answers while candidates are evaluated.
    Watch { session: String, questions: Vec<usize> },
    /// Events of a session from sequence number `since`: the past, a boundary, then live ones.
    Subscribe { session: String, since: u64 },
    /// No more events of that session.
    Unsubscribe { session: String },
    /// The stored answers of a candidate or baseline on a split.
    Answers { session: String, candidate: CandidateId, split: Split },
    /// Merge this recipe and answer the given questions of a task now; a newer `Try` on the same
    /// connection replaces one that has not finished. Streams [`super::Live::TryToken`] and ends
    /// with [`super::Reply::Answers`].
    Try { target: Target, task: String, split: Split, questions: Vec<usize> },
    /// Stop the engine once nothing runs.
    Shutdown,
}
