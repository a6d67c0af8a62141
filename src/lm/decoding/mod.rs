//! From prompts to answers, and from continuations to their likelihoods, over a loaded decoder.

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

pub use generate::generate;
pub use likelihood::{Likelihood, likelihoods};
pub use options::{Finish, Generated, Options, Stream, Timing};
pub use sampler::candidates;
