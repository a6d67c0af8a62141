//! Merging. A [`Pool`] of mapped checkpoints and a recipe come in; a [`Merged`] set of tensors goes out, or an ordinary
//! checkpoint on disk ([`export()`]). `cli` and `evaluate` call it.
//!
//! `plan` turns a recipe into one planned tensor per output tensor; `run` merges a planned tensor with `methods` and
//! the passes of `kernels`. `parity` exists only to reproduce mergekit, `device` merges on a CUDA card. `vocab` and
//! `align` adapt sources to each other beforehand, `fold_scales` turns a path into an ordinary decoder, `distance`
//! measures task vectors.
//!
//! One pass per tensor: base and sources are read once, task vectors exist only in registers, the result is written
//! once. Rounding follows mergekit 0.1.5 to the bit (see `kernels::passes`).

mod align;
#[cfg(any(feature = "cuda", test))]
mod device;
mod distance;
mod error;
mod export;
mod fold_scales;
mod footprint;
mod kernels;
mod merged;
mod methods;
mod parity;
mod plan;
#[cfg(test)]
mod properties;
mod remerge;
mod run;
#[cfg(test)]
mod tests;
mod vocab;

pub use align::{Activations, Alignment, LayerActivations, LayerAlignment, align, aligned};
#[cfg(any(feature = "cuda", test))]
pub(crate) use device::{Begun, Candidate, Resident};
pub use distance::{Distances, Pair, distances};
pub use error::MergeError;
pub use export::{
    ExportPlan, Measured, Options, Shard, TensorHeader, Written, export, export_folded, path_vision_giver,
    read_size, write_checkpoint,
};
pub use fold_scales::{FoldStep, Folded, Folding, fold_scales};
pub use footprint::Footprint;
pub use merged::{Merged, WINDOW_BYTES};
pub use plan::Pool;
pub use remerge::{MergeStats, Remerge};
pub use vocab::with_template;

/// `bench` uses this to queue merges of models that are not in a pool.
#[cfg(any(all(feature = "bench", feature = "cuda"), test))]
pub(crate) mod for_bench {
    pub(crate) use super::device::{launch::Launch, queue};
    pub(crate) use super::kernels::{
        mask::{Key, threshold},
        round,
        selection::Selection,
        task::{Combine, Input, Task},
    };
}
