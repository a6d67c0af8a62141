//! What share of Σ|δ| a drop mask keeps, for any density.
//!
//! DARE multiplies what is kept by Σ|δ| / Σ|δ·mask|. The counter mask keeps an element iff its 16-bit
//! number is below the density, so one table of sums by that number answers every density of
//! every later candidate; it is made when a second density is asked for.
//!
//! Sums must not depend on which way they were made, so they are made exact: every |δ| is rounded
//! to a multiple of a unit so small that it does not matter (2⁻²⁵ of the largest or less), yet so
//! large that f64 holds the sum of all without rounding, in any order.

use std::sync::{Mutex, PoisonError};

use super::exponents::Extent;
use super::mask::Key;
use super::task_vector::Delta;

/// Numbers that a mask distinguishes.
const NUMBERS: usize = 1 << 16;
/// Tensors up to this many elements are summed up anew each time.
const SMALL: usize = 1 << 16;

/// Rounds to multiples of a power of two, by adding and taking away what leaves no lower digits.
#[derive(Clone, Copy)]
pub(crate) struct Grid {
    shift: f64,
    /// Of the values whose differences are summed up.
    extent: Extent,
}

/// The shift in units: what is added to it keeps its whole part alone.
const WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;

impl Grid {
    /// Leaves everything as it is.
    pub(crate) const NONE: Self = Self { shift: 0.0, extent: Extent::NONE };

    /// For sums of `n` differences of values of this extent.
    pub(crate) fn new(extent: Extent, n: usize) -> Self {
        let bits = (usize::BITS - n.leading_zeros()) as i32;
        // Differences are below 2^(most + 2 − 127), sums below 2^bits as much, which is 2⁵³ units.
        let unit = 2_f64.powi(i32::from(extent.most) + 2 - 127 + bits - 53);
        Self { shift: unit * WHOLE, extent }
    }

    /// The unit and the values' extent; `None` where there is no grid.
    pub(crate) fn unit(self) -> Option<(f64, Extent)> {
        (self.shift > 0.0).then_some((self.shift / WHOLE, self.extent))
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn round(self, x: f64) -> f64 {
        (x + self.shift) - self.shift
    }
}

/// What is known of one task vector's sums.
#[derive(Default)]
pub(crate) struct Shares(Mutex<Known>);

#[derive(Default)]
enum Known {
    #[default]
    Nothing,
    /// Some density was asked for under this key.
    Asked(Key),
    /// Σ|δ| of the elements with a number below the index, as f32.
    All(Key, Box<[f32]>),
}

impl Shares {
    /// Σ|δ| of all elements, and of those whose number is below `below`; `None` at the first call
    /// with a key, or if it is as easy to sum them up.
    pub(crate) fn get(&self, delta: &Delta<'_>, grid: Grid, key: Key, below: u32) -> Option<(f32, f32)> {
        if delta.len() <= SMALL || !delta.narrow {
            return None;
        }
        // A table is put there whole, so a panic elsewhere leaves nothing half done.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Known::Asked(k) if k == key => *known = Known::All(key, sums(delta, grid, key)),
            Known::All(k, _) if k == key => {}
            _ => {
                *known = Known::Asked(key);
                return None;
            }
        }
        match &*known {
            Known::All(_, sums) => Some((sums[NUMBERS], sums[below as usize])),
            _ => None,
        }
    }
}

fn sums(delta: &Delta<'_>, grid: Grid, key: Key) -> Box<[f32]> {
    let mut by_number = vec![0.0_f64; NUMBERS];
    delta.each_block(0..delta.len(), |at, bins| {
        let (key, first) = (key.at(at >> 1), (at >> 1) as u32);
        let size = |bin: u16| grid.round(f64::from(f32::from_bits(u32::from(bin) << 16)));
        for (p, pair) in (0_u32..).zip(bins.chunks(2)) {
            let hash = key.pair(first.wrapping_add(p));
            by_number[(hash & 0xffff) as usize] += size(pair[0]);
            if let Some(bin) = pair.get(1) {
                by_number[(hash >> 16) as usize] += size(*bin);
            }
        }
    });
    let mut sum = 0.0;
    let up_to = by_number.iter().map(|n| {
        sum += n;
        sum as f32
    });
    std::iter::once(0.0).chain(up_to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::merge::kernels::dispatch;
    use crate::merge::kernels::kernel::{self, Keep};

    #[test]
    fn equal_to_the_bit_on_both_ways() {
        let n = 2 * SMALL + 77;
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let mut tensor = |size: f32| -> Vec<u8> {
            let value = |_| half::bf16::from_f32(size * noise() * noise() * noise()).to_le_bytes();
            (0..n).flat_map(value).collect()
        };
        let (base, source) = (tensor(0.7), tensor(0.5));
        let extent = Extent::of_bf16(&base).and(Extent::of_bf16(&source));
        let shape = [n];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let delta = Delta { base: view(&base), source: view(&source), narrow: true };
        let (grid, shares) = (Grid::new(extent, n), Shares::default());
        for seed in [1, 2] {
            let key = Key::new(seed, "t", 0);
            assert_eq!(shares.get(&delta, grid, key, 5), None, "the first asks for a pass");
            for below in [1, 700, 32_768, 65_535, 65_536] {
                let keep = Keep::Hashed { key, below, scale: None };
                let (before, after) = dispatch::l1(&delta, keep, grid, 0..n);
                assert_eq!((before, after), kernel::l1(&delta, keep, grid, 0..n));
                assert_eq!(shares.get(&delta, grid, key, below), Some((before as f32, after as f32)));
                let plain = dispatch::l1(&delta, keep, Grid::NONE, 0..n);
                assert!((plain.0 / before - 1.0).abs() < 1e-9 && (plain.1 / after - 1.0).abs() < 1e-6);
            }
        }
    }
}
