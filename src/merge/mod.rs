//! Recipe + checkpoints → tensors. A [`Pool`] holds the mapped base and sources; a recipe comes
//! in, and a [`Merged`] set of tensors goes out, or an ordinary checkpoint on disk.
//!
//! One pass per tensor: base and sources are read once, task vectors live only in registers, the
//! result is written once. Rounding follows mergekit 0.1.5 to the bit (see `kernel`).

mod align;
mod delta;
#[cfg(any(feature = "cuda", test))]
mod device;
mod dispatch;
mod distance;
mod error;
mod export;
mod extent;
mod factor;
mod finite;
mod fold;
#[cfg(target_arch = "x86_64")]
mod fused;
mod group;
mod guess;
mod kernel;
mod known;
#[cfg(test)]
mod laws;
mod mask;
mod merged;
mod methods;
mod order;
mod plan;
mod pool;
mod prune;
#[cfg(any(feature = "cuda", test))]
mod random;
mod resolve;
mod round;
mod run;
mod shares;
#[cfg(target_arch = "x86_64")]
mod tally;
#[cfg(test)]
mod tests;
mod trim;
mod twister;
mod vocab;
#[cfg(target_arch = "x86_64")]
mod wide;
mod work;

pub use align::{Activations, Alignment, LayerActivations, LayerAlignment, align, aligned};
#[cfg(any(feature = "cuda", test))]
pub(crate) use device::{Candidate, OnCard, Refused, Resident};
pub use distance::{Distances, Pair, distances};
pub use error::MergeError;
pub use export::{
    Extent, Measured, Options, Outline, Shard, Written, export, export_folded, read_size, write_checkpoint,
};
pub use fold::{FoldStep, Folded, Folding, fold};
pub use merged::{MergeStats, Merged};
pub use pool::Pool;
#[cfg(any(feature = "cuda", test))]
pub(crate) use random::Random;
pub use vocab::with_template;
