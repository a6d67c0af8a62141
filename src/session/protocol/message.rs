//! The engine's messages to its clients: replies to their requests, stored events, and live messages, which are never
//! stored. The engine writes them; clients read them.

use serde::{Deserialize, Serialize};

use super::event::Record;
use super::types::{CandidateId, Status};
use crate::checkpoint::ModelSummary;
use crate::evaluate::{Answers, ImageRef};
use crate::merge::Distances;
use crate::progress::Headway;
use crate::session::journal::Trouble;
use crate::session::plan::RunPlan;

/// A message of the engine.
// Most messages are events, so boxing them would save no memory.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Message {
    /// The reply to request `id`.
    Reply { id: u64, reply: Reply },
    /// One stored event of a session.
    Event { session: String, record: Record },
    /// All past events have been sent; the following ones are live.
    Boundary { session: String, next: u64 },
    /// A live message, which is not stored.
    Live { session: Option<String>, live: Live },
}

/// The reply to a [`super::Command`].
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
    Plan(Box<RunPlan>),
    Started {
        session: String,
    },
    Answers(Answers),
    /// A newer `Try` has replaced this one, or the client has given it up.
    Superseded,
    /// One clear sentence: what failed, where, and what to do.
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
    /// The session stopped because its process was killed, not on request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The problem with its journal, if there is one. The other columns show what could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Trouble>,
}

/// Messages about the present moment, never stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "live", rename_all = "snake_case")]
pub enum Live {
    /// More text of a watched question's answer.
    Token { candidate: CandidateId, question: usize, text: String },
    /// The question and gold answer of a watched question, sent when watching starts.
    Watching { questions: Vec<WatchedQuestion> },
    /// The number of questions that the current candidate has answered.
    Progress { candidate: CandidateId, done: u64, of: u64 },
    /// How far the reading, merging or loading of models has come: for what the client waits for, or (with a session)
    /// for its current candidate.
    Headway(Headway),
    /// More text of the answer to a `Try` request.
    TryToken { request: u64, question: usize, text: String },
    /// Rates over the last minute.
    Rate {
        candidates_per_hour: f64,
        tokens_per_second: f64,
        eta_s: Option<f64>,
        memory_bytes: u64,
        device: String,
    },
    /// A process runs the session. Sent at the start of a subscription, or when a process takes it up again.
    Runs { pid: u32 },
    /// The run ended without an event: its process was killed, the journal could not be written, or the engine was told
    /// to end. The session can be resumed.
    Halted {
        reason: String,
        /// The session's process ended without a message.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        killed: bool,
    },
    /// The last message to a client that did not read its messages. The client may connect again and continue from its
    /// last sequence number.
    LetGo { reason: String },
    /// A line for the log overlay.
    Log {
        /// `info`, `note`, `warn` or `error`.
        level: String,
        text: String,
        /// When the line was first logged, in milliseconds since the Unix epoch: a new client also receives earlier
        /// lines.
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
    /// Its pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageRef>,
}
