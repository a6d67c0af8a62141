//! Generation and likelihoods over a loaded decoder.
//!
//! `generate` and `likelihood` are the two ways in. Each thread of a generation runs a `batch` of live
//! `sequence`s; a sequence grows by the `sampler` or by `beam` search, and its `answer` says when it ends.

mod answer;
mod batch;
pub(super) mod batch_size;
mod beam;
mod generate;
mod job;
mod likelihood;
mod options;
mod prefix;
mod sampler;
mod sequence;
pub(super) mod split;

pub use generate::generate;
pub use likelihood::{Likelihood, likelihoods};
pub use options::{Finish, Generated, GenerationEvent, Options, Timing};
pub use sampler::Sampling;
