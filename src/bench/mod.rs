//! What `benches/gpu.rs` measures, and the random models that it merges.
//!
//! It stands here because it uses the card's kernels directly, and so that a test can run it at a tiny size on an
//! emulated card. Only the `bench` feature and tests compile it.

pub mod gpu;
mod random_models;
