//! Σ|δ| of a task vector before and after its drop mask, in one pass. DARE multiplies the kept elements by the quotient
//! of the two sums. `run::select` and the tests of `mask_table` call it.

use std::ops::Range;

use super::block::{BLOCK_LEN, Block, load};
use super::dispatch::for_every_width;
use super::exact_grid::ExactGrid;
use super::selection::Selection;
use super::task_vector::{TaskVector, subtract};

/// Sums of |δ| before and after masking over `range`, whose start is a multiple of [`BLOCK_LEN`]. Each |δ|
/// is rounded to a multiple of the grid's unit first.
pub(crate) fn mask_l1(
    of: &TaskVector<'_>,
    selection: &Selection,
    grid: ExactGrid,
    range: Range<usize>,
) -> (f64, f64) {
    #[cfg(target_arch = "x86_64")]
    if let Some((before, after, rest)) = whole_blocks(of, selection, grid, range.clone()) {
        // Both ways are exact, so the sums are equal.
        let (more, kept) = by_blocks(of, selection, grid, rest);
        return (before + more, after + kept);
    }
    by_blocks(of, selection, grid, range)
}

/// The sums over the whole blocks of `range` in AVX-512 instructions, and the rest of `range`. `None` if sums of whole
/// units would not be exact.
#[cfg(target_arch = "x86_64")]
fn whole_blocks(
    of: &TaskVector<'_>,
    selection: &Selection,
    grid: ExactGrid,
    range: Range<usize>,
) -> Option<(f64, f64, Range<usize>)> {
    use super::avx512::{self, sums};
    use crate::checkpoint::Dtype;

    let (&Selection::Hashed { key, below, .. }, Some((unit, exponents))) = (selection, grid.unit()) else {
        return None;
    };
    let stored = [of.base, of.source].iter().all(|view| view.dtype == Dtype::BF16);
    let scale = (1.0 / unit) as f32;
    if !(of.is_bf16() && stored && sums::is_exact(exponents) && scale.is_normal() && avx512::available()) {
        return None;
    }
    let end = range.start + range.len() / BLOCK_LEN * BLOCK_LEN;
    let bytes = 2 * range.start..2 * end;
    let data = (&of.base.data[bytes.clone()], &of.source.data[bytes]);
    // SAFETY: `available` found every instruction that the pass needs on this CPU.
    let (all, kept) = unsafe { sums::sums(data, (key, below), range.start, scale) };
    Some((all as f64 * unit, kept as f64 * unit, end..range.end))
}

for_every_width! {
    /// [`mask_l1`] without AVX-512 instructions.
    fn by_blocks(
        of: &TaskVector<'_>,
        selection: &Selection,
        grid: ExactGrid,
        range: Range<usize>,
    ) -> (f64, f64) => pass;
}

#[inline(always)]
#[allow(clippy::inline_always)] // into the copies for wide vectors
pub(super) fn pass(
    of: &TaskVector<'_>,
    selection: &Selection,
    grid: ExactGrid,
    range: Range<usize>,
) -> (f64, f64) {
    let mut base: Block = [0.0; BLOCK_LEN];
    let mut values: Block = [0.0; BLOCK_LEN];
    let mut sums = (0.0, 0.0);
    for at in range.clone().step_by(BLOCK_LEN) {
        let n = BLOCK_LEN.min(range.end - at);
        if n < BLOCK_LEN {
            (base, values) = ([0.0; BLOCK_LEN], [0.0; BLOCK_LEN]);
        }
        load(&of.base, at, &mut base[..n]);
        load(&of.source, at, &mut values[..n]);
        subtract(of.work, &base, &mut values);
        sums.0 += abs_sum(&values, grid);
        selection.apply(at, &mut values);
        sums.1 += abs_sum(&values, grid);
    }
    sums
}

/// Σ|v| in f64, in eight interleaved sums so that the loop vectorises; the order is fixed.
#[inline(always)]
#[allow(clippy::inline_always)]
fn abs_sum(values: &Block, grid: ExactGrid) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for eight in values.as_chunks::<8>().0 {
        for (lane, v) in lanes.iter_mut().zip(eight) {
            *lane += grid.round(f64::from(v.abs()));
        }
    }
    lanes.iter().sum()
}
