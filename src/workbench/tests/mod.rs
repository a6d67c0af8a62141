//! The workbench without a terminal: keys come in, frames go out. `fixture` gives the sessions that the tests share.

mod desk;
mod editing;
pub mod fixture;
mod hostile;
mod japanese;
mod keys;
mod long_work;
mod notes;
mod plan;
mod replay;
mod saving;
mod screenshots;
mod seen;
pub mod snapshots;
