//! Running a model: prompts come in as token ids, answers and likelihoods go out.
//!
//! [`Decoder::load`] takes a checked config and tensors by name (a checkpoint, a merge); [`Decoder::refresh`]
//! rewrites some layer groups in place for the next candidate; [`Decoder::load_path`] and
//! [`Decoder::set_path`] run layers of several models in any order. [`generate`] decodes many sequences at
//! once, greedily, by sampling or by beam search; [`likelihoods`] scores given continuations. An answer never
//! depends on its neighbours, the batch size, the order or the number of threads.
//!
//! | folder | holds |
//! |---|---|
//! | `text` | tokenizer, chat template, text as tokens arrive |
//! | `decoding` | generation and likelihoods: batches, sampler, beam search |
//! | `model` | weights, the path of blocks, the forward pass: one code path for all devices |
//! | `vision` | from a picture to rows of a prompt: a LLaVA model's processor, tower and projector |
//! | `backend` | the operations of each device: CPU, CUDA, candle |
//!
//! A model family is a row of `checkpoint::config::family`, from which `shape` and `model::load` follow; a backend is
//! a folder of `backend` and a row of `engine`; a device's name is in `device`.

mod backend;
#[cfg(feature = "bench")]
pub mod bench;
mod decoder;
mod decoding;
mod device;
mod engine;
mod error;
mod footprint;
mod image_rows;
#[cfg(any(feature = "cuda", test))]
mod made_on_device;
mod model;
#[cfg(test)]
mod packed_tests;
mod path;
mod rope;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod unit_outputs;
mod vision;

pub use crate::task::{Decoding, EarlyStopping};
pub use decoder::Decoder;
pub use decoding::{
    Finish, Generated, GenerationEvent, Likelihood, Options, Sampling, Timing, generate, likelihoods,
};
pub use device::{Device, Picked, Precision, bf16_instructions, pick};
pub use error::LmError;
pub use footprint::{SequenceBytes, Sequences, WeightBytes, sequence_bytes, weight_bytes};
pub use image_rows::{ImageFeatures, ImageRows};
#[cfg(any(feature = "cuda", test))]
pub(crate) use model::MakeTensor;
pub use path::{PathModel, PathStep};
pub use text::{ChatTemplate, Continuation, Message, Reader, TextStream, Tokenizer};
pub use unit_outputs::StepUnits;
pub use vision::VisionModel;
