//! Σ|δ·mask| of one task vector for every density: DARE multiplies the kept elements by Σ|δ| / Σ|δ·mask|.
//!
//! The counter mask keeps an element iff its 16-bit number is below the density, so one table of sums by that number
//! serves every density of every later candidate. The table is made when a second density is requested. `run::select`
//! requests it through the pool's `TensorCache`, and uses `mask_l1` if there is no table. Both give the same sums,
//! because they are exact (see `exact_grid`).

use std::sync::{Mutex, PoisonError};

use super::exact_grid::ExactGrid;
use super::mask::Key;
use super::task_vector::TaskVector;

/// Number of densities that a mask can tell apart.
const DENSITIES: usize = 1 << 16;
/// Tensors with at most this many elements are summed again each time, without a table.
const MAX_WITHOUT_TABLE: usize = 1 << 16;

/// The table of one task vector's sums, once it is worth making.
#[derive(Default)]
pub(crate) struct MaskTable(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Nothing,
    /// One density was requested with this key.
    Asked(Key),
    /// Σ|δ| of the elements with a number below the index, as f32.
    All(Key, Box<[f32]>),
}

impl MaskTable {
    /// Bytes of the sums of a task vector of `n` elements, once they are made.
    pub(crate) const fn bytes(n: usize) -> usize {
        if n <= MAX_WITHOUT_TABLE { 0 } else { (DENSITIES + 1) * size_of::<f32>() }
    }

    /// Σ|δ| of all elements, and of the elements whose number is below `below`. `None` at the first call with a key, or
    /// if the tensor is so small that summing again is as easy.
    pub(crate) fn get(
        &self,
        delta: &TaskVector<'_>,
        grid: ExactGrid,
        key: Key,
        below: u32,
    ) -> Option<(f32, f32)> {
        if delta.len() <= MAX_WITHOUT_TABLE || !delta.is_bf16() {
            return None;
        }
        // The table is stored whole, so a panic elsewhere leaves no partial table.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Asked(k) if k == key => *state = State::All(key, sums(delta, grid, key)),
            State::All(k, _) if k == key => {}
            _ => {
                *state = State::Asked(key);
                return None;
            }
        }
        match &*state {
            State::All(_, sums) => Some((sums[DENSITIES], sums[below as usize])),
            _ => None,
        }
    }
}

fn sums(delta: &TaskVector<'_>, grid: ExactGrid, key: Key) -> Box<[f32]> {
    let mut by_number = vec![0.0_f64; DENSITIES];
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
    use crate::merge::kernels::exponents::ExponentRange;
    use crate::merge::kernels::mask_l1::{mask_l1, pass};
    use crate::merge::kernels::selection::Selection;

    #[test]
    fn equal_to_the_bit_on_both_ways() {
        let n = 2 * MAX_WITHOUT_TABLE + 77;
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
        let exponents = ExponentRange::of_bf16(&base).and(ExponentRange::of_bf16(&source));
        let shape = [n];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let delta = TaskVector { base: view(&base), source: view(&source), work: Dtype::BF16 };
        let (grid, table) = (ExactGrid::new(exponents, n), MaskTable::default());
        for seed in [1, 2] {
            let key = Key::new(seed, "t", 0);
            assert_eq!(table.get(&delta, grid, key, 5), None, "the first asks for a pass");
            for below in [1, 700, 32_768, 65_535, 65_536] {
                let selection = Selection::Hashed { key, below, scale: None };
                let (before, after) = mask_l1(&delta, &selection, grid, 0..n);
                assert_eq!((before, after), pass(&delta, &selection, grid, 0..n));
                assert_eq!(table.get(&delta, grid, key, below), Some((before as f32, after as f32)));
                let plain = mask_l1(&delta, &selection, ExactGrid::NONE, 0..n);
                assert!((plain.0 / before - 1.0).abs() < 1e-9 && (plain.1 / after - 1.0).abs() < 1e-6);
            }
        }
    }
}
