//! The requests that a client may send to the engine, each with a number. Clients write them; the engine's `requests`
//! carries them out.

use serde::{Deserialize, Serialize};

use super::types::CandidateId;
use crate::evaluate::Target;
use crate::recipe::Recipe;
use crate::task::Split;

/// A command with the number that its reply carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; the reply repeats it.
    pub id: u64,
    /// What the engine should do.
    pub command: Command,
}

/// The commands of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// The first command on a connection.
    Hello { version: u32 },
    /// Lists the models on this machine and which of them fit together.
    Models { base: Option<String> },
    /// Describes one model by its reference, downloading it if needed, and says whether it fits a base.
    Model {
        reference: String,
        base: Option<String>,
        /// Use only files on this machine: nothing is downloaded, and a model that can't be read is listed with the
        /// reason.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        here: bool,
    },
    /// How far fine-tunes are from their base, for each layer group.
    Distances { base: String, sources: Vec<String> },
    /// The questions of a task's split.
    Questions { task: String, split: Split },
    /// What a session of this config would read, ask and store; with `measure`, how long it would take, after timing two
    /// candidates. A newer request of a client replaces an older one.
    Plan {
        config: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        measure: bool,
    },
    /// The plan that was asked for is no longer wanted.
    DropPlan,
    /// All sessions in the home folder.
    Sessions,
    /// Starts a session from a config's text. `name` defaults to the config's.
    Start { config: String, name: Option<String> },
    /// Resumes a session that was paused, stopped or killed.
    Resume { session: String },
    /// Pauses after the current candidate; the session can be resumed at once.
    Pause { session: String },
    /// Ends the session now; it can still be resumed later.
    Stop { session: String },
    /// Lets a finished session continue, up to this many evaluations in total.
    Extend { session: String, budget: u64 },
    /// Evaluates a hand-made recipe as a candidate of the session.
    Inject { session: String, recipe: Box<Recipe> },
    /// Sets the training questions whose answers are streamed while candidates are evaluated.
    Watch { session: String, questions: Vec<usize> },
    /// Sends the events of a session from sequence number `since` on: past events, a boundary message, then live
    /// events.
    Subscribe { session: String, since: u64 },
    /// Sends no more events of that session.
    Unsubscribe { session: String },
    /// The stored answers of a candidate or baseline on a split.
    Answers { session: String, candidate: CandidateId, split: Split },
    /// Merges this recipe and answers the given questions of a task now. A newer `Try` on the same connection replaces
    /// one that has not finished. The answers stream as [`super::Live::TryToken`], and the reply is
    /// [`super::Reply::Answers`].
    Try { target: Target, task: String, split: Split, questions: Vec<usize> },
    /// Gives up what this client waits for: its try, a session that is being opened, distances, a model from the hub.
    /// The reply to each is [`super::Reply::Superseded`] or an error.
    GiveUp,
    /// Ends the engine as soon as nothing runs.
    Shutdown,
}
