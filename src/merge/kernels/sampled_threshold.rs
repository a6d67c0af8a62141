//! The cut of a bfloat16 task vector that is trimmed only once: a sample estimates the magnitude of the threshold, and
//! a count of all elements finds it exactly. The pool's `TensorCache` calls it if there is only one merge.
//!
//! A histogram increments one of 2¹⁵ counters for each element, one after the other. One TIES merge of a 680 MB model
//! with two sources takes 2.5 s of CPU time with histograms and 0.6 s without. For a single density, the counters near
//! the threshold suffice: vector instructions count the elements at and above each of a few magnitudes there. If the
//! k-th largest is not among these magnitudes, the sample was misleading, and the histogram is made.

use std::ops::Range;

use rayon::prelude::*;

use super::block::BLOCK_LEN;
use super::dispatch::for_every_width;
use super::exponents::ExponentRange;
use super::selection::Cut;
use super::task_vector::TaskVector;
use super::trim::{MAX_SORTED, PIECE_LEN, Trim, in_flat_order, piece_range};

/// Most magnitudes whose elements are counted.
const MAX_BOUNDS: usize = 12;
/// The sample takes one of this many blocks.
const SAMPLE_EVERY: usize = 64;
/// Minimum number of sampled blocks; in smaller tensors a larger share is sampled.
const MIN_SAMPLE_BLOCKS: usize = 32;

/// For each magnitude of a window: the number of elements at or above it.
type AtLeast = [u32; MAX_BOUNDS + 1];

/// The cut for one `k` of a task vector that is trimmed once. `exponents` are those of base and source, if known.
pub(crate) fn cut_once(k: usize, delta: &TaskVector<'_>, exponents: Option<ExponentRange>) -> Cut {
    let quick = if delta.is_bf16() && delta.len() > MAX_SORTED { cut(delta, k, exponents) } else { None };
    quick.unwrap_or_else(|| Trim::new(delta).cut(k, delta))
}

/// The cut that keeps the `k` largest magnitudes, or `None` if the sample was misleading. `exponents` are those of base
/// and source together, if known.
fn cut(delta: &TaskVector<'_>, k: usize, exponents: Option<ExponentRange>) -> Option<Cut> {
    let n = delta.len();
    let (first, bins) = window(delta, k)?;
    let pieces: Vec<AtLeast> = (0..n.div_ceil(PIECE_LEN))
        .into_par_iter()
        .map(|piece| count_from(delta, piece_range(piece, n), first, bins, exponents))
        .collect();
    let all = |i: usize| pieces.iter().map(|p| p[i] as usize).sum::<usize>();
    // The largest magnitude in the window with at least `k` elements at or above it.
    let i = (0..usize::from(bins)).rev().find(|i| all(*i) >= k)?;
    let above = all(i + 1);
    if above >= k {
        return None;
    }
    let bin = usize::from(first) + i;
    if bin == 0 {
        // The kept elements include zeros: it makes no difference which zeros are kept.
        return Some(Cut { key: 0, last: n });
    }
    let pieces = pieces.iter().map(|p| (p[i] - p[i + 1]) as usize).enumerate();
    Some(in_flat_order(delta, bin, k - above, pieces))
}

/// For each magnitude from `first` to `first + bins`, counts the elements of `range` at or above it. `exponents` are
/// those of base and source together, if known.
fn count_from(
    delta: &TaskVector<'_>,
    range: Range<usize>,
    first: u16,
    bins: u16,
    exponents: Option<ExponentRange>,
) -> AtLeast {
    let mut counts = [0; MAX_BOUNDS + 1];
    let mut rest = range.clone();
    #[cfg(target_arch = "x86_64")]
    {
        use super::avx512::{self, sums};
        use crate::checkpoint::Dtype;
        if avx512::available()
            && exponents.is_some_and(sums::is_exact)
            && [delta.base, delta.source].iter().all(|view| view.dtype == Dtype::BF16)
        {
            let bytes = 2 * range.start..2 * range.end;
            let (base, source) = (&delta.base.data[bytes.clone()], &delta.source.data[bytes]);
            // SAFETY: `available` found every instruction that it needs on this CPU.
            rest.start = range.end - unsafe { sums::at_least(base, source, first, &mut counts) };
        }
    }
    let _ = exponents;
    delta.each_block(rest, |_, block| {
        for (count, bin) in counts.iter_mut().zip(first..=first + bins) {
            *count += at_least(block, bin);
        }
    });
    counts
}

for_every_width! {
    /// Number of `bins` that are at least `bin`. At most [`BLOCK_LEN`] bins are allowed.
    fn at_least(bins: &[u16], bin: u16) -> u32 => at_least_pass;
}

#[inline(always)]
#[allow(clippy::inline_always)] // into the copies for wide vectors
fn at_least_pass(bins: &[u16], bin: u16) -> u32 {
    u32::from(bins.iter().fold(0_u16, |n, b| n + u16::from(*b >= bin)))
}

/// The window in which the k-th largest should be: its first magnitude and its number of magnitudes.
fn window(delta: &TaskVector<'_>, k: usize) -> Option<(u16, u16)> {
    let blocks = delta.len() / BLOCK_LEN;
    let step = (blocks / MIN_SAMPLE_BLOCKS).clamp(1, SAMPLE_EVERY);
    let mut sample: Vec<u16> = Vec::with_capacity((blocks / step + 1) * BLOCK_LEN);
    for at in (0..blocks).step_by(step).map(|block| block * BLOCK_LEN) {
        delta.each_block(at..at + BLOCK_LEN, |_, bins| sample.extend_from_slice(bins));
    }
    let share = k as f64 / delta.len() as f64;
    let size = sample.len() as f64;
    // Four standard deviations if the elements were independent, plus a margin because they are not.
    let margin = 4.0 * (share * (1.0 - share) / size).sqrt() + 0.002;
    let place = |share: f64| ((1.0 - share) * size).clamp(0.0, size - 1.0) as usize;
    let at = place(share);
    if sample.is_empty() {
        return None;
    }
    let (below, &mut middle, above) = sample.select_nth_unstable(at);
    let low = match place(share + margin) {
        place if place < at => *below.select_nth_unstable(place).1,
        _ => middle,
    };
    let high = match place(share - margin) {
        place if place > at => *above.select_nth_unstable(place - at - 1).1,
        _ => middle,
    };
    let half = (MAX_BOUNDS / 2) as u16;
    let first = low.max(middle.saturating_sub(half));
    let last = high.min(first + MAX_BOUNDS as u16 - 1);
    Some((first, last - first + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::merge::kernels::trim::kept_count;

    fn noise(mut state: u32) -> impl FnMut() -> f32 {
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        }
    }

    /// Compares cuts at many densities: those that the sample finds equal the histogram's.
    fn agreed(values: &[f32]) -> usize {
        let bytes = |x: f32| half::bf16::from_f32(x).to_le_bytes();
        let base: Vec<u8> = (0..values.len()).flat_map(|i| bytes([0.0, 0.5, -3.0][i % 3])).collect();
        let source: Vec<u8> =
            values.iter().enumerate().flat_map(|(i, v)| bytes([0.0, 0.5, -3.0][i % 3] + v)).collect();
        let shape = [values.len()];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let delta = TaskVector { base: view(&base), source: view(&source), work: Dtype::BF16 };
        let exponents = ExponentRange::of_bf16(&base).and(ExponentRange::of_bf16(&source));
        let trim = Trim::new(&delta);
        let densities = [1e-9, 0.01, 0.2, 0.37, 0.5, 0.63, 0.9, 0.99, 0.999_999, 1.0];
        let found = densities.iter().filter(|density| {
            let k = kept_count(**density, values.len());
            let wanted = trim.cut(k, &delta);
            let cuts = [None, Some(exponents)].map(|exponents| super::cut(&delta, k, exponents));
            assert_eq!(cuts[0], cuts[1]);
            assert!(cuts[0].is_none_or(|cut| cut == wanted), "{density}: {cuts:?} {wanted:?}");
            cuts[0].is_some()
        });
        found.count()
    }

    #[test]
    fn the_sampled_cut_is_the_histograms() {
        let mut noise = noise(3);
        let n = 4 * PIECE_LEN + 77;
        let smooth: Vec<f32> = (0..n).map(|_| noise() + noise() + noise()).collect();
        assert!(agreed(&smooth) >= 8);
        // Like a bfloat16 fine-tune: few distinct magnitudes, a third of them zero.
        let coarse: Vec<f32> = smooth.iter().map(|v| (v * 3.0).round() / 1024.0).collect();
        assert!(agreed(&coarse) >= 9);
        assert_eq!(agreed(&vec![0.25; n]), 10);
        assert_eq!(agreed(&vec![0.0; n]), 10);
    }

    #[test]
    fn a_misleading_sample_is_seen() {
        // The sampled blocks differ from the others.
        let n = 64 * MIN_SAMPLE_BLOCKS * BLOCK_LEN;
        let step = (n / BLOCK_LEN / MIN_SAMPLE_BLOCKS).clamp(1, SAMPLE_EVERY);
        let mut noise = noise(7);
        let odd: Vec<f32> = (0..n)
            .map(|i| if (i / BLOCK_LEN).is_multiple_of(step) { noise() } else { 1e-3 * noise() })
            .collect();
        assert!(agreed(&odd) <= 3);
    }
}
