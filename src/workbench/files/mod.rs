//! Files that the workbench reads and writes: those that a person names, and the hand work kept for the next
//! start.

pub mod desk;
mod keep;
pub mod write;
mod written;
