//! "The k largest magnitudes" for any k, without sorting per candidate.
//!
//! A magnitude is the bit pattern of |δ| as f32, which orders like |δ|. For a bfloat16 task vector
//! only its upper 15 bits are in use, so a histogram of them gives the exact threshold for *any*
//! density; elements equal to the threshold are kept in flat order until k are. For an f32 task
//! vector the histogram finds the bin, and the k-th element is selected within it.

use std::cmp::Reverse;

use super::delta::Delta;

/// Tensors up to this many elements keep their whole order instead of a histogram.
const SMALL: usize = 1 << 16;
/// Elements that one histogram counts.
const BLOCK: usize = 1 << 20;
/// 8 bits of exponent and the first 7 of the mantissa.
const BINS: usize = 1 << 15;

/// What is kept of a task vector: all above `key`, and those equal to it up to flat index `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) key: u32,
    pub(super) last: usize,
}

/// Made once per task vector; answers any density.
pub(super) enum Trim {
    /// Flat indices, largest magnitude first, equal ones in flat order.
    Order(Vec<u32>),
    /// One histogram of magnitudes per block of elements.
    Histogram(Vec<u32>),
}

#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn magnitude(value: f32) -> u32 {
    value.to_bits() & 0x7fff_ffff
}

/// `max(1, ⌊density · n⌋)`, mergekit's count of kept elements.
pub(super) fn kept(density: f64, n: usize) -> usize {
    ((density * n as f64) as usize).clamp(1, n.max(1))
}

impl Trim {
    pub(super) fn new(delta: &Delta<'_>) -> Self {
        if delta.len() <= SMALL {
            let mut keys = Vec::with_capacity(delta.len());
            delta.for_each(0..delta.len(), |i, v| keys.push((Reverse(magnitude(v)), i as u32)));
            keys.sort_unstable();
            return Self::Order(keys.into_iter().map(|(_, i)| i).collect());
        }
        let mut bins = vec![0; BINS * delta.len().div_ceil(BLOCK)];
        for (block, bins) in bins.chunks_mut(BINS).enumerate() {
            delta.for_each(block_range(block, delta.len()), |_, v| bins[bin(v)] += 1);
        }
        Self::Histogram(bins)
    }

    /// Where to cut so that exactly `k` elements are kept, 1 ≤ k ≤ n.
    pub(super) fn cut(&self, k: usize, delta: &Delta<'_>) -> Cut {
        let bins = match self {
            Self::Order(order) => {
                let Some(last) = order.get(k - 1).map(|i| *i as usize) else {
                    return Cut { key: 0, last: 0 };
                };
                return Cut { key: magnitude(delta.get(last)), last };
            }
            Self::Histogram(bins) => bins,
        };
        let mut bin_of_cut = BINS;
        let mut above = 0;
        let mut inside = 0;
        while bin_of_cut > 0 && above + inside < k {
            above += inside;
            bin_of_cut -= 1;
            inside = bins.iter().skip(bin_of_cut).step_by(BINS).map(|&n| n as usize).sum();
        }
        let mut need = k - above;
        let blocks = bins.iter().skip(bin_of_cut).step_by(BINS).map(|&n| n as usize).enumerate();
        if delta.narrow {
            // Every element of the bin has the same magnitude: find the `need`-th in flat order.
            for (block, count) in blocks {
                if need > count {
                    need -= count;
                    continue;
                }
                let range = block_range(block, delta.len());
                let last = delta.position(range, |v| {
                    need -= usize::from(bin(v) == bin_of_cut);
                    need == 0
                });
                return Cut { key: (bin_of_cut as u32) << 16, last };
            }
            return Cut { key: (bin_of_cut as u32) << 16, last: delta.len() };
        }
        let mut candidates = Vec::with_capacity(inside);
        for (block, count) in blocks {
            if count > 0 {
                delta.for_each(block_range(block, delta.len()), |i, v| {
                    if bin(v) == bin_of_cut {
                        candidates.push((Reverse(magnitude(v)), i));
                    }
                });
            }
        }
        let (_, (key, last), _) = candidates.select_nth_unstable(need - 1);
        Cut { key: key.0, last: *last }
    }
}

fn bin(value: f32) -> usize {
    (magnitude(value) >> 16) as usize
}

fn block_range(block: usize, n: usize) -> std::ops::Range<usize> {
    block * BLOCK..n.min((block + 1) * BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::merge::round;

    /// What a stable descending sort keeps.
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
        // Above SMALL the histogram is used; BLOCK is crossed thrice.
        for (n, narrow) in [
            (1, true),
            (3000, true),
            (3000, false),
            (SMALL + 77, true),
            (SMALL + 77, false),
            (3 * BLOCK + 5, true),
        ] {
            let values: Vec<f32> =
                (0..n).map(|_| noise() * noise()).map(|v| if narrow { round::bf16(v) } else { v }).collect();
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let zeros = vec![0; bytes.len()];
            let shape = [n];
            let view = |data| TensorView { dtype: Dtype::F32, shape: &shape, data };
            let delta = Delta { base: view(&zeros), source: view(&bytes), narrow };
            let trim = Trim::new(&delta);
            for density in [1e-9, 0.1, 0.37, 0.5, 0.9, 0.9999] {
                let k = kept(density, n);
                let cut = trim.cut(k, &delta);
                let wanted = by_sorting(&values, k);
                for (i, v) in values.iter().enumerate() {
                    let m = magnitude(*v);
                    let keep = m > cut.key || m == cut.key && i <= cut.last;
                    assert_eq!(keep, wanted[i], "n {n} narrow {narrow} density {density} at {i}");
                }
            }
        }
    }
}
