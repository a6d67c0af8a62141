//! The workbench without a terminal: keys in, frames out.

mod editing;
pub mod fixture;
mod hostile;
mod keys;
mod notes;
mod pictures;
mod replay;
pub mod snapshots;
mod words;
