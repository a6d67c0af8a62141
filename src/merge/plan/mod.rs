//! Plans: a recipe and a pool come in; a list of output tensors with their inputs and parameters goes out. `merged`,
//! the exports and `device` execute a plan.
//!
//! `pool` holds the open checkpoints, `tensor_cache` what earlier candidates found out about each tensor, `resolve`
//! makes the `planned` tensors of a recipe. `vision` and `vocabulary` have the
//! rules for models of text and LLaVA models together.

pub(crate) mod planned;
pub(crate) mod pool;
mod resolve;
mod settings;
pub(crate) mod tensor_cache;
mod vision;
mod vocabulary;

pub use pool::Pool;
