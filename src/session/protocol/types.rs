//! The version of protocol and journal, and types that commands, messages and events share.

use serde::{Deserialize, Serialize};

/// Version of this protocol and of the journal's events.
pub const VERSION: u32 = 1;

/// Number of a candidate within its session, from 0, in the order of proposal. Baselines
/// (the sources, the base, the uniform merge, the global grid) come first.
pub type CandidateId = u64;

/// The status of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The session has been created; nothing is measured yet.
    #[default]
    New,
    Running,
    Paused,
    Stopped,
    Finished,
}
