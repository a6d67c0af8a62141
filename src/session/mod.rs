//! A session: one evolution run from start to finish. Commands of clients come in, events go out. The engine (`engine`)
//! runs it, its journal (`journal`) keeps every event, and [`state::SessionState`] is what the events say. The faces
//! `cli` and `workbench` speak to it by `protocol`.

pub mod client;
pub mod config;
pub mod engine;
pub mod evolve;
pub mod home;
pub mod job;
pub mod journal;
pub mod json_line;
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
