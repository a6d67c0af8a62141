//! The passes over one tensor in plain loops, for any CPU. A task comes in, a chunk of the merged tensor goes out.
//!
//! Rules of mergekit 0.1.5 (`generalized_task_arithmetic.py`, `sparsify.py`, `linear.py`), where R rounds to the work
//! type (bfloat16 if every input is, else f32):
//! δᵢ = R(xᵢ − b), masked, rescaled, dᵢ = R(δᵢ·wᵢ). With consensus, only the dᵢ whose sign is that of s = R(Σdᵢ) count
//! (+ where s ≥ 0). mix = R(Σdᵢ), accumulated in f32. Normalised: mix = R(mix / R(Σwᵢ)), over the same i. mix =
//! R(mix·λ). out = R(b + mix).
//! Linear: f32 fused multiply-adds in source order, one division, one rounding.
//!
//! Each pass runs over blocks that fit the first-level cache; `fill` calls it for each chunk of a tensor.

use super::block::{BLOCK_LEN, Block, load};
use super::dispatch::for_every_width;
use super::round;
use super::selection::ones;
use super::task::{Combine, Task};
use super::task_vector::subtract_bf16;

/// Up to this many sources have their blocks on the stack.
const FEW: usize = 4;

for_every_width! {
    /// Merges elements `start..start + out.len() / 2` into `out`, as little-endian bfloat16.
    /// `start` is a multiple of [`BLOCK_LEN`].
    pub(super) fn run(task: &Task<'_>, start: usize, out: &mut [u8]) => pass;
}

#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn pass(task: &Task<'_>, start: usize, out: &mut [u8]) {
    match (task.combine, task.narrow) {
        (Combine::Linear, _) => linear(task, start, out),
        (Combine::Sum { consensus, lambda }, true) => sum::<true>(task, consensus, lambda, start, out),
        (Combine::Sum { consensus, lambda }, false) => sum::<false>(task, consensus, lambda, start, out),
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn linear(task: &Task<'_>, start: usize, out: &mut [u8]) {
    let total = task.inputs.iter().fold(0.0, |sum, input| sum + input.weight);
    let mut x = [0.0; BLOCK_LEN];
    for (block, out) in out.chunks_mut(2 * BLOCK_LEN).enumerate() {
        let mut sum: Block = [0.0; BLOCK_LEN];
        for input in &task.inputs {
            load(&input.source, start + block * BLOCK_LEN, &mut x[..out.len() / 2]);
            for j in 0..BLOCK_LEN {
                sum[j] = x[j].mul_add(input.weight, sum[j]);
            }
        }
        if task.normalize {
            for s in &mut sum {
                *s /= total;
            }
        }
        store(&sum, out);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn sum<const NARROW: bool>(task: &Task<'_>, consensus: bool, lambda: f32, start: usize, out: &mut [u8]) {
    let total = round::work::<NARROW>(task.inputs.iter().fold(0.0, |sum, input| sum + input.weight));
    let total = if total.abs() < 1e-8 { 1.0 } else { total };
    let mut base: Block = [0.0; BLOCK_LEN];
    // With the usual number of sources, a candidate allocates nothing here.
    let mut few = [[0.0; BLOCK_LEN]; FEW];
    let mut more = Vec::new();
    let deltas: &mut [Block] = if let Some(few) = few.get_mut(..task.inputs.len()) {
        few
    } else {
        more.resize(task.inputs.len(), [0.0; BLOCK_LEN]);
        &mut more
    };
    for (block, out) in out.chunks_mut(2 * BLOCK_LEN).enumerate() {
        let at = start + block * BLOCK_LEN;
        load(&task.base, at, &mut base[..out.len() / 2]);
        let mut mix: Block = [0.0; BLOCK_LEN];
        for (input, delta) in task.inputs.iter().zip(deltas.iter_mut()) {
            load(&input.source, at, &mut delta[..out.len() / 2]);
            subtract_bf16::<NARROW>(&base, delta);
            input.selection.apply(at, delta);
            if let Some(scale) = input.selection.scale() {
                for d in delta.iter_mut() {
                    *d = round::work::<NARROW>(*d * scale);
                }
            }
            for j in 0..BLOCK_LEN {
                delta[j] = round::work::<NARROW>(delta[j] * input.weight);
                mix[j] += delta[j];
            }
        }
        if consensus {
            elect::<NARROW>(task, deltas, &mut mix);
        } else {
            for m in &mut mix {
                *m = round::work::<NARROW>(*m);
            }
            if task.normalize {
                for m in &mut mix {
                    *m = round::work::<NARROW>(*m / total);
                }
            }
        }
        if lambda.to_bits() != 1_f32.to_bits() {
            for m in &mut mix {
                *m = round::work::<NARROW>(*m * lambda);
            }
        }
        for j in 0..BLOCK_LEN {
            mix[j] += base[j];
        }
        store(&mix, out);
    }
}

/// Elects a sign per element from the sum in `mix`, and replaces `mix` by the sum (or mean) of the weighted deltas that
/// agree with it. An exact zero never agrees.
#[inline(always)]
#[allow(clippy::inline_always)]
fn elect<const NARROW: bool>(task: &Task<'_>, deltas: &[Block], mix: &mut Block) {
    let mut sign = [0_u32; BLOCK_LEN];
    for j in 0..BLOCK_LEN {
        sign[j] = ones(round::work::<NARROW>(mix[j]) < 0.0) & 0x8000_0000;
    }
    *mix = [0.0; BLOCK_LEN];
    let mut divisor: Block = [0.0; BLOCK_LEN];
    for (input, delta) in task.inputs.iter().zip(deltas) {
        let weight = input.weight.to_bits();
        for j in 0..BLOCK_LEN {
            // After removing the elected sign, an element that agrees is a positive number.
            let bits = delta[j].to_bits();
            let agrees = ones((bits ^ sign[j]) as i32 > 0);
            mix[j] += f32::from_bits(bits & agrees);
            divisor[j] += f32::from_bits(weight & agrees);
        }
    }
    for m in mix.iter_mut() {
        *m = round::work::<NARROW>(*m);
    }
    if task.normalize {
        for j in 0..BLOCK_LEN {
            let d = round::work::<NARROW>(divisor[j]);
            let none = ones(d == 0.0);
            let d = f32::from_bits(d.to_bits() & !none | 1_f32.to_bits() & none);
            mix[j] = round::work::<NARROW>(mix[j] / d);
        }
    }
}

/// Rounds to bfloat16 and writes little-endian.
#[inline(always)]
#[allow(clippy::inline_always)]
fn store(values: &[f32], out: &mut [u8]) {
    for (o, v) in out.as_chunks_mut::<2>().0.iter_mut().zip(values) {
        *o = ((round::bf16(*v).to_bits() >> 16) as u16).to_le_bytes();
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::merge::kernels::dispatch::tests::at_every_width;
    use crate::merge::kernels::exact_grid::ExactGrid;
    use crate::merge::kernels::mask::Key;
    use crate::merge::kernels::mask_l1::mask_l1;
    use crate::merge::kernels::selection::{Cut, Selection};
    use crate::merge::kernels::task::Input;
    use crate::merge::kernels::task_vector::TaskVector;

    const N: usize = 2 * BLOCK_LEN + 333;

    #[test]
    fn every_width_gives_the_same_bits() {
        let mut state = 9_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let mut tensor = || -> Vec<u8> {
            (0..N).flat_map(|_| half::bf16::from_f32(noise() * noise()).to_le_bytes()).collect()
        };
        let (base, a, b) = (tensor(), tensor(), tensor());
        let shape = [N];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let selections = [
            Selection::All,
            Selection::Largest(Cut { key: 0.125_f32.to_bits(), last: 1100 }),
            Selection::Hashed { key: Key::new(3, "t", 0), below: 1 << 15, scale: Some(1.9) },
            Selection::Listed { keep: (0..N).map(|i| u8::from(i % 3 > 0)).collect(), scale: Some(1.4) },
        ];
        let sums = [true, false].map(|consensus| Combine::Sum { consensus, lambda: 0.7 });
        for combine in [Combine::Linear, sums[0], sums[1]] {
            for (selection, narrow, normalize) in
                selections.iter().flat_map(|s| [(s, true, true), (s, true, false), (s, false, true)])
            {
                let input = |data, weight| Input { source: view(data), weight, selection: selection.clone() };
                let task = Task {
                    base: view(&base),
                    inputs: vec![input(&a, 0.4), input(&b, -0.9)],
                    narrow,
                    combine,
                    normalize,
                    exponents: None,
                };
                let work = if narrow { Dtype::BF16 } else { Dtype::F32 };
                let of = TaskVector { base: view(&base), source: view(&a), work };
                let results = at_every_width(|| {
                    let mut out = vec![0; 2 * N];
                    run(&task, 0, &mut out);
                    let (before, after) = mask_l1(&of, selection, ExactGrid::NONE, 0..N);
                    let mut bins = Vec::new();
                    of.each_block(0..N, |_, block| bins.extend_from_slice(block));
                    (out, before.to_bits(), after.to_bits(), bins)
                });
                assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
            }
        }
    }
}
