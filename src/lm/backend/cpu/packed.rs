//! Bytes of packed weights, without packing any. A weight's features and types come in; the bytes of its panels, as
//! `matrix` makes them, go out. `footprint` calls it.

use super::matrix::{PANEL, padded};
use super::simd::{LANES, lines};
use crate::checkpoint::Dtype;
use crate::lm::shape::Features;

/// Input features are padded to this in a format of 16 bits.
const NARROW_DEPTH: usize = 32;

/// Bytes of a matrix whose parts are stored in `types`. One part in f32 makes all of it f32, unless the backend
/// `rounds` all weights to bfloat16.
pub(crate) fn matrix_bytes(outs: &[Features], ins: Features, types: &[Dtype], rounds: bool) -> usize {
    let outputs = outs.iter().map(|b| padded(*b)).sum::<usize>().next_multiple_of(PANEL) * LANES;
    let depth = padded(ins) * LANES;
    if !rounds && types.contains(&Dtype::F32) {
        outputs * depth * 4
    } else {
        outputs * depth.next_multiple_of(NARROW_DEPTH) * 2
    }
}

/// Bytes of an embedding that is not the head too.
pub(crate) const fn table_bytes(vocab: usize, hidden: usize, dtype: Dtype, rounds: bool) -> usize {
    let number = if rounds { 2 } else { dtype.size() };
    vocab * lines(hidden) * LANES * number
}

/// Bytes of a norm or a bias.
pub(crate) fn vector_bytes(features: &[Features]) -> usize {
    features.iter().map(|f| padded(*f)).sum::<usize>() * LANES * 4
}
