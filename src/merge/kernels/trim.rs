//! The k largest magnitudes of a task vector for any k, without sorting for each candidate. A task vector comes in, a
//! [`Cut`] goes out; the pool's `TensorCache` keeps one [`Trim`] per task vector.
//!
//! A magnitude is the bit pattern of |δ| as f32, which sorts like |δ|. A bfloat16 task vector uses only the upper 15
//! bits, so a histogram of them gives the exact threshold for *any* density; elements equal to the threshold are kept
//! in flat order until k are kept. For an f32 task vector the histogram finds the bin, and the k-th element is selected
//! within it.

use std::cmp::Reverse;
use std::ops::Range;

use rayon::prelude::*;

use super::block::BLOCK_LEN;
use super::dispatch::for_every_width;
use super::selection::{Cut, magnitude};
use super::task_vector::TaskVector;
use crate::checkpoint::Dtype;

/// Tensors with at most this many elements store their full sort order instead of a histogram.
pub(super) const MAX_SORTED: usize = 1 << 16;
/// Elements counted by one histogram: at most what a 16-bit counter can hold. Half as many would double the memory,
/// twice as many would double the search for a cut.
pub(super) const PIECE_LEN: usize = 31 * BLOCK_LEN;
/// 8 bits of exponent and the first 7 of the mantissa.
const BINS: usize = 1 << 15;

/// Bins from the least to the greatest magnitude of a piece of a bfloat16 task vector. Normal weights (deviation .02)
/// give 1,420 if the source is the base with noise of .001, 1,240 with .0002, and 1,730 if it is another draw.
const USUAL_BINS: usize = 1450;

/// Made once per task vector; answers any density.
pub(crate) enum Trim {
    /// Flat indices, largest magnitude first, equal ones in flat order.
    Order(Vec<u32>),
    Histogram(Histogram),
}

/// Number of elements with each magnitude, without zeros.
pub(crate) struct Histogram {
    all: Counts<usize>,
    /// Counts for each piece of [`PIECE_LEN`] elements.
    pieces: Vec<Counts<u16>>,
}

/// Counts of the bins from `first` on; all others are 0.
struct Counts<T> {
    first: usize,
    counts: Box<[T]>,
}

impl<T: Copy + Default> Counts<T> {
    /// Copies the bins in `used`. All other bins must be 0, except the first, which counts the zeros and is left out.
    fn new(bins: &[T], used: Range<usize>) -> Self {
        Self { first: used.start, counts: bins[used].into() }
    }

    fn of(&self, bin: usize) -> T {
        bin.checked_sub(self.first).and_then(|i| self.counts.get(i)).copied().unwrap_or_default()
    }
}

/// `max(1, ⌊density · n⌋)`, mergekit's count of kept elements.
pub(crate) fn kept_count(density: f64, n: usize) -> usize {
    ((density * n as f64) as usize).clamp(1, n.max(1))
}

impl Trim {
    pub(crate) fn new(delta: &TaskVector<'_>) -> Self {
        if delta.len() <= MAX_SORTED {
            let mut keys = Vec::with_capacity(delta.len());
            delta.for_each(0..delta.len(), |i, v| keys.push((Reverse(magnitude(v)), i as u32)));
            keys.sort_unstable();
            return Self::Order(keys.into_iter().map(|(_, i)| i).collect());
        }
        let pieces: Vec<Counts<u16>> = (0..delta.len().div_ceil(PIECE_LEN))
            .into_par_iter()
            .map_init(|| vec![0_u16; BINS], |counts, piece| count(delta, piece, counts))
            .collect();
        let first = pieces.iter().map(|p| p.first).min().unwrap_or(1);
        let end = pieces.iter().map(|p| p.first + p.counts.len()).max().unwrap_or(1);
        let mut all = vec![0_usize; BINS];
        for piece in &pieces {
            for (n, c) in all[piece.first..].iter_mut().zip(&piece.counts) {
                *n += usize::from(*c);
            }
        }
        let mut all = Counts::new(&all, first..end.max(first));
        // From here on, an entry counts the elements in its bin and in all bins above.
        let mut sum = 0;
        for n in all.counts.iter_mut().rev() {
            sum += *n;
            *n = sum;
        }
        Self::Histogram(Histogram { all, pieces })
    }

    /// Bytes of what a fine-tune's task vector of `n` elements needs, about. Independent models need a fifth more, small
    /// changes less.
    pub(crate) fn usual_bytes(n: usize, work: Dtype) -> usize {
        if n <= MAX_SORTED {
            return n * size_of::<u32>();
        }
        let bins = if work == Dtype::F32 { 2 * USUAL_BINS } else { USUAL_BINS };
        bins * (n.div_ceil(PIECE_LEN) * size_of::<u16>() + size_of::<usize>())
    }

    /// Bytes of this one.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        match self {
            Self::Order(order) => order.len() * size_of::<u32>(),
            Self::Histogram(Histogram { all, pieces }) => {
                let counts: usize = pieces.iter().map(|piece| piece.counts.len()).sum();
                counts * size_of::<u16>() + all.counts.len() * size_of::<usize>()
            }
        }
    }

    /// The cut that keeps exactly `k` elements, 1 ≤ k ≤ n. If zeros would be among them, the cut keeps all elements:
    /// the result is the same.
    pub(crate) fn cut(&self, k: usize, delta: &TaskVector<'_>) -> Cut {
        match self {
            Self::Order(order) => match order.get(k - 1) {
                Some(&last) => Cut { key: magnitude(delta.get(last as usize)), last: last as usize },
                None => Cut { key: 0, last: 0 },
            },
            Self::Histogram(histogram) => histogram.cut(k, delta),
        }
    }
}

/// Number of elements of a piece in each bin. `counts` is scratch, all zeros before and after.
fn count(delta: &TaskVector<'_>, piece: usize, counts: &mut [u16]) -> Counts<u16> {
    // Zeros count as the largest value here, so that `least` is the smallest non-zero bin.
    let (mut least, mut most) = (0x7fff, 0);
    delta.each_block(piece_range(piece, delta.len()), |_, bins| {
        for bin in bins {
            counts[usize::from(*bin)] += 1;
        }
        // 15 bits: signed comparisons work, and every vector instruction set has them.
        for bin in bins {
            least = least.min((bin.wrapping_sub(1) & 0x7fff) as i16);
            most = most.max(*bin as i16);
        }
    });
    let first = if most == 0 { 1 } else { least as usize + 1 };
    let used = first..first.max(most as usize + 1);
    let out = Counts::new(counts, used.clone());
    counts[used].fill(0);
    counts[0] = 0;
    out
}

impl Histogram {
    fn cut(&self, k: usize, delta: &TaskVector<'_>) -> Cut {
        // The largest bin with at least `k` elements in it and above.
        let bins = self.all.counts.partition_point(|n| *n >= k);
        if bins == 0 {
            return Cut { key: 0, last: delta.len() };
        }
        let bin = self.all.first + bins - 1;
        let above = self.all.of(bin + 1);
        let pieces = self.pieces.iter().map(|p| usize::from(p.of(bin))).enumerate();
        if delta.is_bf16() {
            in_flat_order(delta, bin, k - above, pieces)
        } else {
            by_size(delta, bin, k - above, pieces)
        }
    }
}

/// The cut at the `need`-th element of a bin in flat order; all elements of the bin have the same magnitude. `pieces`
/// are the bin's counts.
pub(crate) fn in_flat_order(
    delta: &TaskVector<'_>,
    bin: usize,
    mut need: usize,
    pieces: impl Iterator<Item = (usize, usize)>,
) -> Cut {
    let mut cut = Cut { key: (bin as u32) << 16, last: delta.len() };
    for (piece, count) in pieces {
        if need > count {
            need -= count;
            continue;
        }
        delta.each_block(piece_range(piece, delta.len()), |at, bins| {
            let here = if need > 0 { count_equal(bins, bin as u16) } else { 0 };
            if need > here {
                need -= here;
            } else if need > 0 {
                let mut equal = bins.iter().enumerate().filter(|(_, b)| usize::from(**b) == bin);
                cut.last = at + equal.nth(need - 1).map_or(0, |(i, _)| i);
                need = 0;
            }
        });
        break;
    }
    cut
}

for_every_width! {
    /// Number of `bins` equal to `bin`. At most [`BLOCK_LEN`] bins are allowed.
    fn count_equal(bins: &[u16], bin: u16) -> usize => count_equal_pass;
}

#[inline(always)]
#[allow(clippy::inline_always)] // into the copies for wide vectors
fn count_equal_pass(bins: &[u16], bin: u16) -> usize {
    usize::from(bins.iter().fold(0_u16, |n, b| n + u16::from(*b == bin)))
}

/// The cut at the `need`-th largest element of a bin of f32 magnitudes; ties in flat order.
fn by_size(
    delta: &TaskVector<'_>,
    bin: usize,
    need: usize,
    pieces: impl Iterator<Item = (usize, usize)>,
) -> Cut {
    let mut inside = Vec::new();
    for (piece, count) in pieces {
        if count > 0 {
            inside.reserve(count);
            delta.for_each(piece_range(piece, delta.len()), |i, v| {
                if bin_of(v) == bin {
                    inside.push((Reverse(magnitude(v)), i));
                }
            });
        }
    }
    let (_, (key, last), _) = inside.select_nth_unstable(need - 1);
    Cut { key: key.0, last: *last }
}

fn bin_of(value: f32) -> usize {
    (magnitude(value) >> 16) as usize
}

pub(crate) fn piece_range(piece: usize, n: usize) -> Range<usize> {
    piece * PIECE_LEN..n.min((piece + 1) * PIECE_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TensorView;
    use crate::merge::kernels::round;

    /// The elements that a stable descending sort would keep.
    fn by_sorting(values: &[f32], k: usize) -> Vec<bool> {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by_key(|i| Reverse(magnitude(values[*i])));
        let mut keep = vec![false; values.len()];
        order[..k].iter().for_each(|i| keep[*i] = true);
        keep
    }

    #[test]
    fn cuts_like_a_stable_sort() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        // Above MAX_SORTED, the histogram is used; the cut crosses several pieces.
        for (n, narrow) in [
            (1, true),
            (3000, true),
            (3000, false),
            (MAX_SORTED + 77, true),
            (MAX_SORTED + 77, false),
            (9 * PIECE_LEN + 5, true),
        ] {
            let mut value = |i: usize| if i % 16 == 5 { 0.0 } else { noise() * noise() };
            let values: Vec<f32> =
                (0..n).map(&mut value).map(|v| if narrow { round::bf16(v) } else { v }).collect();
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let zeros = vec![0; bytes.len()];
            let shape = [n];
            let view = |data| TensorView { dtype: Dtype::F32, shape: &shape, data };
            let work = if narrow { Dtype::BF16 } else { Dtype::F32 };
            let delta = TaskVector { base: view(&zeros), source: view(&bytes), work };
            let trim = Trim::new(&delta);
            for density in [1e-9, 0.1, 0.37, 0.5, 0.9, 0.9999, 1.0] {
                let k = kept_count(density, n);
                let cut = trim.cut(k, &delta);
                let wanted = by_sorting(&values, k);
                for (i, v) in values.iter().enumerate() {
                    let m = magnitude(*v);
                    let keep = m > cut.key || m == cut.key && i <= cut.last;
                    assert!(m == 0 || keep == wanted[i], "n {n} narrow {narrow} density {density} at {i}");
                }
            }
        }
    }

    #[test]
    fn the_usual_bytes_are_those_of_a_fine_tune() {
        let mut state = 1_u32;
        // The sum of twelve uniform numbers is nearly normal.
        let mut normal = || {
            let draw = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 16_777_216.0 - 0.5
            };
            (0..12).map(draw).sum::<f32>()
        };
        for n in [5000, 5 * PIECE_LEN] {
            let base: Vec<f32> = (0..n).map(|_| round::bf16(0.02 * normal())).collect();
            let source: Vec<f32> = base.iter().map(|b| round::bf16(b + 0.001 * normal())).collect();
            let bytes = |values: &[f32]| -> Vec<u8> {
                values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect()
            };
            let (base, source, shape) = (bytes(&base), bytes(&source), [n]);
            let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
            let delta = TaskVector { base: view(&base), source: view(&source), work: Dtype::BF16 };
            let (usual, real) = (Trim::usual_bytes(n, Dtype::BF16) as f64, Trim::new(&delta).bytes() as f64);
            assert!((usual / real - 1.0).abs() < 0.15, "{n}: {usual} for {real}");
        }
    }
}
