//! Merging on a CUDA card. A pool and a recipe come in; merged tensors are written straight into the weights of the
//! decoder on the card. `session` calls [`Resident`]; tests use an emulated card.
//!
//! `launch` describes a task for the kernel, `queue` starts the kernel (`merge.cu`) for one tensor, `resident` keeps
//! base and sources in the card's memory.

pub(crate) mod launch;
pub(crate) mod queue;
mod resident;

pub(crate) use resident::{Begun, Candidate, Resident};
