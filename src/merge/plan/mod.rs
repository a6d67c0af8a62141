//! From a recipe to a plan: which tensors come out, from which inputs, with which parameters.

pub(crate) mod planned;
pub(crate) mod pool;
mod resolve;
pub(crate) mod tensor_cache;

pub use pool::Pool;
