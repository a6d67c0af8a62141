//! The workbench without a terminal: keys in, frames out.

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
