//! One cut of a bfloat16 task vector, for one k: a guess from a sample that a count of all elements proves.
//!
//! A histogram adds to one of 2¹⁵ counters an element, one after the other. Where only one density is
//! asked for, it is enough to know the counters near the threshold: a sample says where that is, and
//! vectors count the elements at and above each of a few magnitudes there. If the k-th largest is not
//! among them, the guess was wrong, and the caller takes the histogram.

use std::ops::Range;

use rayon::prelude::*;

use super::dispatch;
use super::exponents::Extent;
use super::kernel::BLOCK;
use super::task_vector::Delta;
use super::trim::{Cut, PIECE, in_flat_order, piece_range};

/// Magnitudes whose elements are counted at most.
pub(crate) const MOST: usize = 12;
/// Of so many blocks one is looked at for the guess.
const EVERY: usize = 64;
/// Least blocks of a sample: tensors with fewer elements are looked at more closely.
const LEAST: usize = 32;

/// Elements with at least each magnitude of a window.
pub(crate) type AtLeast = [u32; MOST + 1];

/// The cut that keeps the `k` largest magnitudes, or `None` if the guess was wrong. `extent`: of base and
/// source together, where it is known.
pub(crate) fn cut(delta: &Delta<'_>, k: usize, extent: Option<Extent>) -> Option<Cut> {
    let n = delta.len();
    let (first, bins) = window(delta, k)?;
    let pieces: Vec<AtLeast> = (0..n.div_ceil(PIECE))
        .into_par_iter()
        .map(|piece| dispatch::tally(delta, piece_range(piece, n), first, bins, extent))
        .collect();
    let all = |i: usize| pieces.iter().map(|p| p[i] as usize).sum::<usize>();
    // The window's largest magnitude that has, with all above, at least `k`.
    let i = (0..usize::from(bins)).rev().find(|i| all(*i) >= k)?;
    let above = all(i + 1);
    if above >= k {
        return None;
    }
    let bin = usize::from(first) + i;
    if bin == 0 {
        // Zeros are among them: it makes no difference which.
        return Some(Cut { key: 0, last: n });
    }
    let pieces = pieces.iter().map(|p| (p[i] - p[i + 1]) as usize).enumerate();
    Some(in_flat_order(delta, bin, k - above, pieces))
}

/// Elements of `range` with at least each magnitude from `first` to `first + bins`, without a special
/// instruction.
pub(crate) fn tally(delta: &Delta<'_>, range: Range<usize>, first: u16, bins: u16, counts: &mut AtLeast) {
    delta.each_block(range, |_, block| {
        for (count, bin) in counts.iter_mut().zip(first..=first + bins) {
            *count += dispatch::at_least(block, bin);
        }
    });
}

/// First magnitude and number of magnitudes among which the k-th largest should be.
fn window(delta: &Delta<'_>, k: usize) -> Option<(u16, u16)> {
    let blocks = delta.len() / BLOCK;
    let step = (blocks / LEAST).clamp(1, EVERY);
    let mut sample: Vec<u16> = Vec::with_capacity((blocks / step + 1) * BLOCK);
    for at in (0..blocks).step_by(step).map(|block| block * BLOCK) {
        delta.each_block(at..at + BLOCK, |_, bins| sample.extend_from_slice(bins));
    }
    let share = k as f64 / delta.len() as f64;
    let size = sample.len() as f64;
    // Four standard deviations, were the elements independent, and a little for those that are not.
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
    let half = (MOST / 2) as u16;
    let first = low.max(middle.saturating_sub(half));
    let last = high.min(first + MOST as u16 - 1);
    Some((first, last - first + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::merge::kernels::trim::{Trim, kept};

    fn noise(mut state: u32) -> impl FnMut() -> f32 {
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        }
    }

    /// Cuts at many densities: those that the guess finds, all of them the histogram's.
    fn agreed(values: &[f32]) -> usize {
        let bytes = |x: f32| half::bf16::from_f32(x).to_le_bytes();
        let base: Vec<u8> = (0..values.len()).flat_map(|i| bytes([0.0, 0.5, -3.0][i % 3])).collect();
        let source: Vec<u8> =
            values.iter().enumerate().flat_map(|(i, v)| bytes([0.0, 0.5, -3.0][i % 3] + v)).collect();
        let shape = [values.len()];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let delta = Delta { base: view(&base), source: view(&source), narrow: true };
        let extent = Extent::of_bf16(&base).and(Extent::of_bf16(&source));
        let trim = Trim::new(&delta);
        let densities = [1e-9, 0.01, 0.2, 0.37, 0.5, 0.63, 0.9, 0.99, 0.999_999, 1.0];
        let found = densities.iter().filter(|density| {
            let k = kept(**density, values.len());
            let wanted = trim.cut(k, &delta);
            let cuts = [None, Some(extent)].map(|extent| super::cut(&delta, k, extent));
            assert_eq!(cuts[0], cuts[1]);
            assert!(cuts[0].is_none_or(|cut| cut == wanted), "{density}: {cuts:?} {wanted:?}");
            cuts[0].is_some()
        });
        found.count()
    }

    #[test]
    fn the_guess_is_the_histograms_cut() {
        let mut noise = noise(3);
        let n = 4 * PIECE + 77;
        let smooth: Vec<f32> = (0..n).map(|_| noise() + noise() + noise()).collect();
        assert!(agreed(&smooth) >= 8);
        // As of a bfloat16 fine-tune: few magnitudes, a third zeros.
        let coarse: Vec<f32> = smooth.iter().map(|v| (v * 3.0).round() / 1024.0).collect();
        assert!(agreed(&coarse) >= 9);
        assert_eq!(agreed(&vec![0.25; n]), 10);
        assert_eq!(agreed(&vec![0.0; n]), 10);
    }

    #[test]
    fn a_wrong_guess_is_seen() {
        // The blocks that a sample looks at are unlike the others.
        let n = 64 * LEAST * BLOCK;
        let step = (n / BLOCK / LEAST).clamp(1, EVERY);
        let mut noise = noise(7);
        let odd: Vec<f32> =
            (0..n).map(|i| if (i / BLOCK).is_multiple_of(step) { noise() } else { 1e-3 * noise() }).collect();
        assert!(agreed(&odd) <= 3);
    }
}
