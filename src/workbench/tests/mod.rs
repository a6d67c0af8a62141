//! The workbench without a terminal: keys in, frames out.

pub mod fixture;
mod snapshots;
