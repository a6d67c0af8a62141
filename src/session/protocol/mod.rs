//! The data that clients and the engine exchange. It holds no tensors.
//!
//! A client sends [`Request`]s and receives [`Message`]s, one JSON document a line over a Unix socket, or the same
//! values over a channel inside one process. [`Event`]s are stored in the journal and are equal for two runs with the
//! same seed. Values that depend on the clock are stored beside them in the [`Record`]. [`Live`] messages are never
//! stored.

mod command;
mod event;
mod message;
mod types;

pub use command::{Command, Request};
pub use event::{Begin, Candidate, Event, Gene, Off, Origin, Outcome, Record};
pub use message::{Live, Message, Reply, SessionRow, WatchedQuestion};
pub use types::{CandidateId, Status, VERSION};

pub use crate::evaluate::{Answer, Answers, Cost, ImageRef, Score, SplitScore, Target, TaskScore};
pub use crate::merge::{Distances, Pair};
pub use crate::session::plan::{PlannedStage, PlannedTime, RunPlan};
pub use crate::task::{Detail, Split};
