//! A session: one evolution run from start to finish. Commands of clients come in, events go out. The engine (`engine`)
//! runs the session, its journal (`journal`) stores every event, and [`state::SessionState`] is computed from the
//! events. The faces `cli` and `workbench` talk to the engine through `protocol`.

pub mod client;
pub mod config;
pub mod engine;
pub mod evolve;
pub mod home;
pub mod job;
pub mod journal;
pub mod json_line;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod resume_check;
pub mod signals;
pub mod state;
#[cfg(test)]
mod toy;
pub mod worker;

pub use client::{Client, CommandSender};
pub use engine::{Engine, WorkerKind};
pub use home::Home;
