//! One evolution run from start to finish. Commands come in, events go out; the journal of
//! events is the only truth and every view is a fold over it.

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
