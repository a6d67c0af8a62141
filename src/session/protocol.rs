//! What the faces and the engine say to each other: plain data, no tensors.
//!
//! A face sends [`Request`]s and receives [`Message`]s, one JSON document a line over a Unix
//! socket, or the same values over a channel inside one process. [`Event`]s are stored in the
//! journal and are the same for two runs with one seed; whatever depends on the clock travels
//! beside them in the [`Record`]. [`Live`] things are sent and forgotten.

mod event;

use serde::{Deserialize, Serialize};

pub use self::event::{Begin, Candidate, Event, Gene, Off, Origin, Outcome, Record};
use super::journal::Trouble;
use crate::checkpoint::ModelSummary;
pub use crate::evaluate::{Answer, Answers, Cost, Score, SplitScore, Target, TaskScore};
pub use crate::merge::{Distances, Pair};
use crate::recipe::Recipe;
pub use crate::task::{Detail, Split};

/// Version of this protocol and of the journal's events.
pub const VERSION: u32 = 1;

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
    /// connection replaces one that has not finished. Streams [`Live::TryToken`] and ends
    /// with [`Reply::Answers`].
    Try { target: Target, task: String, split: Split, questions: Vec<usize> },
    /// Stop the engine once nothing runs.
    Shutdown,
}

/// What the engine sends.
// Most of what is sent is events: a box for each would save no memory that counts.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Message {
    /// Answer to the request `id`.
    Reply { id: u64, reply: Reply },
    /// One stored event of a session.
    Event { session: String, record: Record },
    /// All past events have been sent; what follows is live.
    Boundary { session: String, next: u64 },
    /// Sent and forgotten.
    Live { session: Option<String>, live: Live },
}

/// Answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Done,
    Hello {
        version: u32,
        pid: u32,
        device: String,
    },
    Models(Vec<ModelSummary>),
    Distances(Distances),
    Questions(Vec<WatchedQuestion>),
    Sessions(Vec<SessionRow>),
    Started {
        session: String,
    },
    Answers(Answers),
    /// A newer `Try` took this one's place.
    Superseded,
    /// One clear sentence: what, where, what to do.
    Error(String),
}

/// Number of a candidate within its session, from 0, in the order of proposal. Baselines
/// (the sources, the base, the uniform merge, the global grid) come first.
pub type CandidateId = u64;

/// One line of the sessions list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    pub name: String,
    pub status: Status,
    pub evaluations: u64,
    pub budget: u64,
    pub generation: u64,
    pub best_train: Option<f64>,
    pub best_test: Option<f64>,
    /// Milliseconds since the Unix epoch of the last event.
    pub updated_ms: u64,
    /// It stopped because its process was killed, not because somebody asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// What is the matter with its journal, if anything is; the rest of the row is what could be read of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Trouble>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Created; nothing measured yet.
    #[default]
    New,
    Running,
    Paused,
    Stopped,
    Finished,
}

/// Sent while it happens, never stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "live", rename_all = "snake_case")]
pub enum Live {
    /// More text of a watched question's answer.
    Token { candidate: CandidateId, question: usize, text: String },
    /// The question and gold answer of a watched question, sent when watching starts.
    Watching { questions: Vec<WatchedQuestion> },
    /// Questions done of the candidate in flight.
    Progress { candidate: CandidateId, done: u64, of: u64 },
    /// More text of the answer to a `Try` request.
    TryToken { request: u64, question: usize, text: String },
    /// Rates over the last seconds.
    Rate {
        candidates_per_hour: f64,
        tokens_per_second: f64,
        eta_s: Option<f64>,
        memory_bytes: u64,
        device: String,
    },
    /// A process runs the session: from the start of a subscription on, or again.
    Runs { pid: u32 },
    /// The run ended without an event: its process was killed, the journal could not be written,
    /// or the engine was told to go. The session can be resumed.
    Halted {
        reason: String,
        /// Its process is gone without a word.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        killed: bool,
    },
    /// The last word to a client that did not read what it was sent: it may connect again and go
    /// on from its last sequence number.
    LetGo { reason: String },
    /// For the log overlay.
    Log {
        /// `info`, `note`, `warn` or `error`.
        level: String,
        text: String,
        /// When it was said first, milliseconds since the Unix epoch: who connects is told the past.
        #[serde(default)]
        at_ms: u64,
    },
}

/// A question shown while its answers stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchedQuestion {
    pub index: usize,
    pub question: String,
    pub gold: String,
}
