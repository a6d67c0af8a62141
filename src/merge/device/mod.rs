//! Merging on a CUDA card. A pool and a recipe come in; merged tensors go straight into the memory of the
//! decoder that runs on the card. `session` calls [`Resident`], in tests on an emulated card.
//!
//! `launch` describes a task for the kernel, `queue` starts the kernel (`merge.cu`) for one tensor, `resident` keeps
//! base and sources on the card.

pub(crate) mod launch;
pub(crate) mod queue;
mod resident;

pub(crate) use resident::{Begun, Candidate, Resident};
