//! One evolution run from start to finish. Commands come in, events go out; the journal of
//! events is the only truth and every view is a fold over it.

pub mod align;
pub mod asked;
pub mod client;
pub mod config;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod evolve;
pub mod fold;
#[cfg(any(feature = "cuda", test))]
#[doc(hidden)]
pub mod gpu_bench;
pub mod home;
pub mod job;
pub mod journal;
pub mod journey;
mod kitchen;
pub mod line;
pub mod list;
pub mod lock;
mod parts;
pub mod place;
mod player;
pub mod prints;
pub mod protocol;
pub mod report;
pub mod route;
pub mod signals;
pub mod stages;
pub mod state;
pub mod supply;
pub mod tasks;
pub mod text;
#[cfg(test)]
mod toy;
pub mod worker;

pub use client::{Client, CommandSender};
pub use engine::{Engine, WorkerKind};
pub use error::{BadInput, Interrupted, is_bad_input};
pub use home::Home;
