//! Which elements of a task vector stay by the rules of mergekit's `sparsify.py`: the largest, the largest without
//! outliers, or random ones. A task vector comes in; one byte per element goes out, 0 or 1. `run::select` calls it.
//!
//! Sorts are stable: among equal magnitudes the lowest flat index comes first. `kernels::trim` finds the largest
//! elements faster if no list is needed.

use std::ops::Range;

use rayon::prelude::*;

use crate::checkpoint::Dtype;

use super::mt19937::Mt19937;
use super::torch_sum;
use crate::merge::kernels::block::CHUNK_LEN;
use crate::merge::kernels::mask::{self, Key};
use crate::merge::kernels::selection::{Cut, magnitude};
use crate::merge::kernels::task_vector::TaskVector;
use crate::merge::kernels::trim::kept_count;
use crate::merge::kernels::{cast, round};

/// Where random numbers come from.
pub(crate) enum Draw<'a> {
    /// One stream for the whole merge.
    Stream(&'a mut Mt19937),
    /// A number for each (seed, tensor, source, element).
    Hash(Key),
}

impl TaskVector<'_> {
    /// Selects the elements at `positions` of the order by `key`, then flat index.
    fn window(&self, positions: Range<usize>, key: impl Fn(f32) -> u32 + Sync) -> Vec<u8> {
        let n = self.len();
        if positions.is_empty() {
            return vec![0; n];
        }
        let mut keys = vec![0_u64; n];
        keys.par_chunks_mut(CHUNK_LEN).enumerate().for_each(|(chunk, keys)| {
            let mut values = vec![0.0; keys.len()];
            self.read(chunk * CHUNK_LEN, &mut values);
            for ((i, k), v) in (chunk * CHUNK_LEN..).zip(keys.iter_mut()).zip(values) {
                *k = u64::from(key(v)) << 32 | i as u64;
            }
        });
        let mut order = keys.clone();
        let (_, &mut first, above) = order.select_nth_unstable(positions.start);
        let last = match positions.len() - 1 {
            0 => first,
            more => *above.select_nth_unstable(more - 1).1,
        };
        keys.into_par_iter().map(|key| u8::from((first..=last).contains(&key))).collect()
    }

    /// Keeps the max(1, ⌊density·n⌋) largest magnitudes; none at density ≤ 0.
    pub(crate) fn largest(&self, density: f64) -> Vec<u8> {
        let count = if density <= 0.0 { 0 } else { kept_count(density, self.len()).min(self.len()) };
        self.window(0..count, |v| !magnitude(v))
    }

    /// The list of elements that a cut keeps.
    pub(crate) fn kept_by(&self, cut: Cut) -> Vec<u8> {
        let mut out = vec![0; self.len()];
        out.par_chunks_mut(CHUNK_LEN).enumerate().for_each(|(chunk, out)| {
            let mut values = vec![0.0; out.len()];
            self.read(chunk * CHUNK_LEN, &mut values);
            for ((i, o), v) in (chunk * CHUNK_LEN..).zip(out).zip(values) {
                let m = magnitude(v);
                *o = u8::from(m > cut.key || m == cut.key && i <= cut.last);
            }
        });
        out
    }

    /// breadcrumbs: keeps ⌊density·n⌋ elements below the ⌊gamma·n⌋ largest magnitudes. If the density requires it,
    /// fewer of the largest are left out.
    pub(crate) fn without_outliers(&self, density: f64, gamma: f64) -> Vec<u8> {
        let n = self.len();
        let count = ((density * n as f64) as usize).min(n);
        let top = (gamma * n as f64) as usize;
        let bottom = (n - count).saturating_sub(top);
        self.window(bottom..bottom + count, magnitude)
    }

    /// DARE: keeps each element with probability `density`.
    pub(crate) fn at_random(&self, density: f64, draw: Draw<'_>) -> Vec<u8> {
        let n = self.len();
        // f16 draws are made in f32.
        let rounded = if self.work == Dtype::BF16 { round::bf16(density as f32) } else { density as f32 };
        match draw {
            Draw::Stream(stream) => stream.bernoulli(rounded, n),
            Draw::Hash(key) => {
                let below = if density > 0.0 { mask::threshold(density) } else { 0 };
                (0..n).map(|i| u8::from(number(key, i) < below)).collect()
            }
        }
    }

    /// DELLA: keeps each element with a probability that grows with the rank of its magnitude in its row, from density
    /// − ε to density + ε; a vector is one row. In a row of one element, for which mergekit divides by zero, the
    /// probability is the density.
    pub(crate) fn by_rank(&self, density: f64, epsilon: f64, columns: usize, mut draw: Draw<'_>) -> Vec<u8> {
        let n = self.len();
        // f16 is computed and drawn in f32.
        let ranks = if self.work == Dtype::BF16 { Dtype::BF16 } else { Dtype::F32 };
        let r = |x: f32| cast::to(ranks, x);
        // Ranks are counted after rounding to the work type.
        let rank = |i: usize| r(r(i as f32) + 1.0);
        let (lowest, highest) = (rank(0), rank(columns.saturating_sub(1)));
        let span = r(highest - lowest);
        let (floor, epsilon) = (r((density - epsilon) as f32), epsilon as f32);
        let chance = |i: usize| {
            let share = r(r(rank(i) - lowest) / span).clamp(0.0, 1.0);
            if columns == 1 { density as f32 } else { r(floor + r(r(share * 2.0) * epsilon)) }
        };
        let chances: Vec<f32> = (0..columns).map(chance).collect();
        let mut out = vec![0; n];
        let row_chances = |row: usize| {
            let mut values = vec![0.0; columns];
            self.read(row * columns, &mut values);
            let mut order: Vec<u64> =
                (0_u64..).zip(&values).map(|(i, v)| u64::from(magnitude(*v)) << 32 | i).collect();
            order.sort_unstable();
            for (rank, key) in order.iter().enumerate() {
                values[(key & 0xffff_ffff) as usize] = chances[rank];
            }
            values
        };
        let rows = out.chunks_mut(columns.max(1)).enumerate();
        match &mut draw {
            Draw::Stream(stream) => rows.for_each(|(row, out)| {
                for (o, p) in out.iter_mut().zip(row_chances(row)) {
                    *o = u8::from(stream.uniform() < p);
                }
            }),
            &mut Draw::Hash(key) => rows.par_bridge().for_each(|(row, out)| {
                for ((i, o), p) in (row * columns..).zip(out.iter_mut()).zip(row_chances(row)) {
                    *o = u8::from(number(key, i) < mask::threshold(f64::from(p)));
                }
            }),
        }
        out
    }

    /// The factor that gives the kept elements the Σ|δ| of all elements; `None` if either sum is nearly zero. Sums are
    /// in torch's order.
    pub(crate) fn rescale(&self, keep: &[u8]) -> Option<f32> {
        // f16 is summed in f32.
        let r = |x: f32| if self.work == Dtype::BF16 { round::bf16(x) } else { x };
        let before = torch_sum::sum(self.len(), |at, out| {
            self.read(at, out);
            for v in out.iter_mut() {
                *v = v.abs();
            }
        });
        let after = torch_sum::sum(self.len(), |at, out| {
            self.read(at, out);
            for (v, keep) in out.iter_mut().zip(&keep[at..]) {
                *v = if *keep == 0 { 0.0 } else { v.abs() };
            }
        });
        let (before, after) = (r(before), r(after));
        (before >= 1e-7 && after >= 1e-7).then(|| r(before / after))
    }
}

/// The 16-bit number of an element under a counter-based mask (see `mask`).
fn number(key: Key, i: usize) -> u32 {
    let pair = key.at(i >> 1).pair((i >> 1) as u32);
    if i & 1 == 0 { pair & 0xffff } else { pair >> 16 }
}
