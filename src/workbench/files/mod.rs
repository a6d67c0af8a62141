//! Files that the workbench reads and writes: the files that the user names, and the hand work kept for the next
//! start.

pub mod desk;
mod keep;
pub mod write;
mod written;
