//! Running a model: prompts come in as token ids, answers go out.
//!
//! [`Decoder::load`] takes a checked config and anything that has tensors by name (a checkpoint,
//! a merge); [`Decoder::refresh`] rewrites some layer groups in place for the next candidate;
//! [`Decoder::load_path`] and [`Decoder::set_path`] run layers of several models in any order;
//! [`generate`] decodes many sequences at once, each token the likeliest, drawn, or the best of
//! several beams; [`likelihoods`] says how likely given continuations are. An answer never depends on
//! its neighbours, the batch size, the order or the number of threads.
//!
//! One code path (`model`) runs on any backend; what differs between devices is in `ops` and
//! its implementations: `cpu`, `cuda`, and `composed` for reference.

mod backend;
#[doc(hidden)]
pub mod bench;
mod decoder;
mod decoding;
mod device;
mod engine;
mod error;
#[cfg(any(feature = "cuda", test))]
mod made_on_device;
mod model;
mod path;
mod probe;
mod rope;
mod shape;
#[cfg(test)]
mod tests;
mod text;

pub use crate::task::{Decoding, EarlyStopping};
#[cfg(any(feature = "cuda", test))]
pub(crate) use backend::cuda::Make;
pub use decoder::Decoder;
pub use decoding::{
    Finish, Generated, Likelihood, Options, Stream, Timing, candidates, generate, likelihoods,
};
pub use device::{Device, Picked, pick};
pub use error::LmError;
pub use path::{Part, PathStep};
pub use probe::StepUnits;
pub use text::{ChatTemplate, Message, Pair, Reader, TextStream, Tokenizer};
