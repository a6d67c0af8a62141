//! From a recipe and a pool to a plan: which tensors come out, from which inputs, with which parameters. `merged`, the
//! exports and the card carry a plan out.
//!
//! `pool` holds the open checkpoints, `tensor_cache` what is known of each tensor from earlier candidates, `resolve`
//! works a recipe out into the `planned` tensors.

pub(crate) mod planned;
pub(crate) mod pool;
mod resolve;
pub(crate) mod tensor_cache;

pub use pool::Pool;
