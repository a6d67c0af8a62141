//! Bytes of packed weights, without packing any. A weight's features and types come in; the bytes that `matrix` and `rows`
//! allocate for it go out. `footprint` calls it.

use super::format::Format;
use super::matrix::{PANEL, packed_bytes, padded};
use super::rows::Table;
use super::simd::Line;
use crate::checkpoint::Dtype;
use crate::lm::shape::Features;

/// Bytes of a matrix whose parts are stored in `types`. Parts of different types make all of it f32, unless the backend
/// `rounds` all weights to bfloat16.
pub(crate) fn matrix_bytes(outs: &[Features], ins: Features, types: &[Dtype], rounds: bool) -> usize {
    let mut formats = types.iter().map(|dtype| Format::of(*dtype, rounds));
    let first = formats.next().unwrap_or(Format::F32);
    let format = if formats.all(|format| format == first) { first } else { Format::F32 };
    packed_bytes(outs, ins, format)
}

/// Bytes of an embedding that is not the head too.
pub(crate) const fn table_bytes(vocab: usize, hidden: usize, dtype: Dtype, rounds: bool) -> usize {
    Table::bytes(vocab, hidden, Format::of(dtype, rounds))
}

/// Bytes of a norm.
pub(crate) const fn vector_bytes(width: usize) -> usize {
    padded(Features::one(width)) * size_of::<Line>()
}

/// Bytes of the bias of a matrix.
pub(crate) fn bias_bytes(outs: &[Features]) -> usize {
    outs.iter().map(|b| padded(*b)).sum::<usize>().next_multiple_of(PANEL) * size_of::<Line>()
}
