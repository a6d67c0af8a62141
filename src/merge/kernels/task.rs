//! The input of a pass: one tensor's base and sources, which elements of each task vector stay, and how they are
//! combined. `run` makes a [`Task`]; `fill`, `overflow`, the AVX-512 pass and the card's kernel read it.

use crate::checkpoint::TensorView;

use super::exponents::ExponentRange;
use super::selection::Selection;

/// One source's part in a merge of one tensor.
#[derive(Clone)]
pub(crate) struct Input<'a> {
    pub(crate) source: TensorView<'a>,
    /// Already rounded to the work type (f32 for linear).
    pub(crate) weight: f32,
    pub(crate) selection: Selection,
}

/// How the inputs are combined.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Combine {
    /// Weighted mean of the sources; the base is not read.
    Linear,
    /// Weighted sum of task vectors.
    Sum { consensus: bool, lambda: f32 },
}

/// The complete merge of one tensor.
pub(crate) struct Task<'a> {
    pub(crate) base: TensorView<'a>,
    pub(crate) inputs: Vec<Input<'a>>,
    /// Whether the work type is bfloat16; else it is f32.
    pub(crate) narrow: bool,
    pub(crate) combine: Combine,
    /// Whether the sum is divided by the sum of the weights that count.
    pub(crate) normalize: bool,
    /// Exponents of base and sources together, if all are bfloat16 and were checked. The AVX-512 pass needs them.
    pub(crate) exponents: Option<ExponentRange>,
}
