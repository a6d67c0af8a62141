//! What the engine sends to its clients: replies to their requests, stored events, and live messages, which nothing
//! stores.

use serde::{Deserialize, Serialize};

use super::event::Record;
use super::types::{CandidateId, Status};
use crate::checkpoint::ModelSummary;
use crate::evaluate::Answers;
use crate::merge::Distances;
use crate::session::journal::Trouble;

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

/// Answer to a [`super::Command`].
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
