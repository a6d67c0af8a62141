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

mod answer;
mod batch;
mod beam;
#[doc(hidden)]
pub mod bench;
mod chat;
mod choose;
mod composed;
mod cpu;
#[cfg(any(feature = "cuda", test))]
mod cuda;
mod decoder;
mod device;
mod engine;
mod error;
mod fill;
mod generate;
mod grow;
mod likelihood;
mod memory;
mod model;
mod ops;
mod pair;
mod path;
mod probe;
mod reader;
mod rope;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod token_limits;
mod tokenizer;

pub use crate::task::{Decoding, EarlyStopping};
pub use chat::{ChatTemplate, Message};
pub use choose::candidates;
#[cfg(any(feature = "cuda", test))]
pub(crate) use cuda::Make;
pub use decoder::Decoder;
pub use device::{Device, Picked, pick};
pub use error::LmError;
pub use generate::{Finish, Generated, Options, Stream, Timing, generate};
pub use likelihood::{Likelihood, likelihoods};
pub use pair::Pair;
pub use path::{Part, PathStep};
pub use probe::StepUnits;
pub use reader::Reader;
pub use text::TextStream;
pub use tokenizer::Tokenizer;
