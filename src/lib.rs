//! Yosegi evolves model merges: an evolution strategy searches for the recipe that merges
//! several fine-tunes of one base into a model with an ability that none of them has.
//!
//! The rooms, from the ground up; each imports only from rooms below it:
//!
//! | room | holds |
//! |---|---|
//! | [`limits`] | every bound on what a file may ask for, and reading files within those bounds |
//! | [`memory`] | how much memory this process can still take |
//! | [`progress`] | how far long work has come, and whether it should end |
//! | [`picture`] | a picture: bounds, decoding to RGB |
//! | [`checkpoint`] | a model on disk: where it is, what it is made of, its tensors |
//! | [`recipe`] | a whole merge as data |
//! | [`task`] | what good means: questions, prompts, scores |
//! | [`search`] | which candidates to try next |
//! | `gpu` | a CUDA card: memory, kernels, one queue |
//! | [`merge`] | recipe + checkpoints → tensors |
//! | [`lm`] | running a model |
//! | [`evaluate`] | recipe or model and tasks → answers, scores, cost |
//! | [`session`] | one evolution run: protocol, engine, worker, journal |
//! | [`cli`], [`workbench`] | the two user interfaces to the session's protocol |
//!
//! `bench`, with the feature of that name, holds what `benches/gpu.rs` measures.
//!
//! Two modules serve all rooms: [`text`] makes text from outside safe to print, and [`toml_text`] reads the TOML that
//! people write.

#[macro_use]
mod print;

#[cfg(any(all(feature = "bench", feature = "cuda"), test))]
pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod error;
pub mod evaluate;
#[cfg(any(feature = "cuda", test))]
mod gpu;
pub mod limits;
pub mod lm;
pub mod locale;
pub mod memory;
pub mod merge;
pub mod picture;
pub mod progress;
pub mod recipe;
pub mod search;
pub mod session;
pub mod task;
pub mod text;
pub mod toml_text;
#[cfg(feature = "workbench")]
pub mod workbench;
