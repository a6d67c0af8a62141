//! A model on disk: where it lies, what it is made of, its tensors. References such as
//! `zoo:ja`, a folder, or `org/name@revision` come in; memory-mapped tensors, a checked
//! configuration and a summary in words go out.

mod summary;

pub use summary::{Fit, ModelSummary};
