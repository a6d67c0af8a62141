//! The workbench without a terminal: keys come in, frames go out. `fixture` gives the sessions that the tests share.

mod desk;
mod editing;
pub mod fixture;
mod hostile;
mod japanese;
mod keys;
mod notes;
mod pictures;
mod replay;
mod saving;
pub mod snapshots;
