//! The fused passes over one tensor.
//!
//! Rules of mergekit 0.1.5 (`generalized_task_arithmetic.py`, `sparsify.py`, `linear.py`), where R
//! rounds to the work type (bfloat16 if every input is, else f32):
//! δᵢ = R(xᵢ − b), masked, rescaled, dᵢ = R(δᵢ·wᵢ); with consensus, only those dᵢ count whose sign
//! is that of s = R(Σdᵢ) (+ where s ≥ 0); mix = R(Σdᵢ) accumulated in f32;
//! normalised: mix = R(mix / R(Σwᵢ)), over the same i; mix = R(mix·λ); out = R(b + mix).
//! Linear: f32 fused multiply-adds in source order, one division, one rounding.
//!
//! Each pass runs over blocks that fit the first-level cache, in plain loops that the compiler
//! vectorises; `dispatch` calls the copy compiled for this CPU. Where `fused` can do a task, it does.

use std::ops::Range;

use crate::checkpoint::TensorView;

use super::exponents::Extent;
use super::mask::Key;
use super::mask_l1::Grid;
use super::round;
use super::task_vector::Delta;
use super::trim::{Cut, magnitude};

/// Elements of one inner block.
pub(crate) const BLOCK: usize = 1024;
/// Sources whose blocks have room on the stack.
const FEW: usize = 4;

/// One inner block of one tensor, as f32. Past the end of a tensor it holds anything.
pub(crate) type Block = [f32; BLOCK];

/// Which elements of a task vector are kept, and by what the kept ones are multiplied.
#[derive(Clone, Copy)]
pub(crate) enum Keep<'a> {
    All,
    Largest(Cut),
    /// The hash's 16 bits below a threshold; rescaled.
    Hashed {
        key: Key,
        below: u32,
        scale: Option<f32>,
    },
    /// One byte an element, 0 or 1; rescaled.
    Listed {
        keep: &'a [u8],
        scale: Option<f32>,
    },
}

impl Keep<'_> {
    pub(crate) fn scale(self) -> Option<f32> {
        match self {
            Self::All | Self::Largest(_) => None,
            Self::Hashed { scale, .. } | Self::Listed { scale, .. } => scale,
        }
    }
}

/// One source's part in a merge of one tensor.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) source: TensorView<'a>,
    /// Already rounded to the work type (f32 for linear).
    pub(crate) weight: f32,
    pub(crate) keep: Keep<'a>,
}

/// How the inputs are put together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// Weighted mean of the sources; the base is not read.
    Linear,
    /// Weighted sum of task vectors.
    Sum { consensus: bool, lambda: f32 },
}

/// A whole merge of one tensor.
pub(crate) struct Task<'a> {
    pub(crate) base: TensorView<'a>,
    pub(crate) inputs: Vec<Input<'a>>,
    pub(crate) narrow: bool,
    pub(crate) rule: Rule,
    pub(crate) normalize: bool,
    /// Of base and sources together, if they are bfloat16: lets the faster pass be taken.
    pub(crate) extent: Option<Extent>,
}

/// Merges elements `start..start + out.len() / 2` into `out`, as little-endian bfloat16.
/// `start` is a multiple of [`BLOCK`].
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn run(task: &Task<'_>, start: usize, out: &mut [u8]) {
    match (task.rule, task.narrow) {
        (Rule::Linear, _) => linear(task, start, out),
        (Rule::Sum { consensus, lambda }, true) => sum::<true>(task, consensus, lambda, start, out),
        (Rule::Sum { consensus, lambda }, false) => sum::<false>(task, consensus, lambda, start, out),
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn linear(task: &Task<'_>, start: usize, out: &mut [u8]) {
    let total = task.inputs.iter().fold(0.0, |sum, input| sum + input.weight);
    let mut x = [0.0; BLOCK];
    for (block, out) in out.chunks_mut(2 * BLOCK).enumerate() {
        let mut sum: Block = [0.0; BLOCK];
        for input in &task.inputs {
            load(&input.source, start + block * BLOCK, &mut x[..out.len() / 2]);
            for j in 0..BLOCK {
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
    let mut base: Block = [0.0; BLOCK];
    // A candidate allocates nothing for as many sources as merges commonly have.
    let mut few = [[0.0; BLOCK]; FEW];
    let mut more = Vec::new();
    let deltas: &mut [Block] = if let Some(few) = few.get_mut(..task.inputs.len()) {
        few
    } else {
        more.resize(task.inputs.len(), [0.0; BLOCK]);
        &mut more
    };
    for (block, out) in out.chunks_mut(2 * BLOCK).enumerate() {
        let at = start + block * BLOCK;
        load(&task.base, at, &mut base[..out.len() / 2]);
        let mut mix: Block = [0.0; BLOCK];
        for (input, delta) in task.inputs.iter().zip(deltas.iter_mut()) {
            load(&input.source, at, &mut delta[..out.len() / 2]);
            subtract::<NARROW>(&base, delta);
            mask(input.keep, at, delta);
            if let Some(scale) = input.keep.scale() {
                for d in delta.iter_mut() {
                    *d = round::work::<NARROW>(*d * scale);
                }
            }
            for j in 0..BLOCK {
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
        for j in 0..BLOCK {
            mix[j] += base[j];
        }
        store(&mix, out);
    }
}

/// Elements from `at` on, as f32; asks the memory for the next block meanwhile. Several streams
/// read in turn by small blocks are more than the CPU's own prefetcher follows.
#[inline(always)]
#[allow(clippy::inline_always)]
fn load(view: &TensorView<'_>, at: usize, out: &mut [f32]) {
    view.read_f32(at, out);
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let size = view.dtype.size();
        let next = (at + BLOCK) * size;
        let next = next.min(view.data.len())..(next + BLOCK * size).min(view.data.len());
        for line in view.data[next].chunks(64) {
            // SAFETY: a prefetch reads nothing and cannot fault; the address is inside `data`.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
}

/// δ = R(x − b) in place of x.
#[inline(always)]
#[allow(clippy::inline_always)]
fn subtract<const NARROW: bool>(base: &Block, delta: &mut Block) {
    for j in 0..BLOCK {
        delta[j] = round::work::<NARROW>(delta[j] - base[j]);
    }
}

/// All bits set if `keep`. A mask instead of a choice: the compiler must not branch on noise.
#[inline(always)]
#[allow(clippy::inline_always)]
fn ones(keep: bool) -> u32 {
    u32::from(keep).wrapping_neg()
}

/// Sets what is not kept to zero, of the elements from `at` on.
#[inline(always)]
#[allow(clippy::inline_always)]
fn mask(keep: Keep<'_>, at: usize, delta: &mut Block) {
    match keep {
        Keep::All => {}
        Keep::Largest(cut) => {
            let ties = if cut.last < at { 0 } else { (cut.last - at + 1).min(BLOCK) as u32 };
            for (j, d) in (0_u32..).zip(delta.iter_mut()) {
                // Magnitudes have 31 bits: signed comparisons, which vectors have, do as well.
                let m = magnitude(*d) as i32;
                let above = ones(m > cut.key as i32);
                let tie = ones(m == cut.key as i32) & ones((j as i32) < ties as i32);
                *d = f32::from_bits(d.to_bits() & (above | tie));
            }
        }
        Keep::Hashed { key, below, .. } => {
            let (key, first) = (key.at(at >> 1), (at >> 1) as u32);
            for (p, pair) in (0_u32..).zip(delta.as_chunks_mut::<2>().0) {
                let hash = key.pair(first.wrapping_add(p));
                pair[0] = f32::from_bits(pair[0].to_bits() & ones(hash & 0xffff < below));
                pair[1] = f32::from_bits(pair[1].to_bits() & ones(hash >> 16 < below));
            }
        }
        Keep::Listed { keep, .. } => {
            for (d, keep) in delta.iter_mut().zip(&keep[at..]) {
                *d = f32::from_bits(d.to_bits() & u32::from(*keep).wrapping_neg());
            }
        }
    }
}

/// Elects a sign per element from the sum in `mix`, and leaves there the sum (or mean) of the
/// weighted deltas that agree with it. An exact zero never agrees.
#[inline(always)]
#[allow(clippy::inline_always)]
fn elect<const NARROW: bool>(task: &Task<'_>, deltas: &[Block], mix: &mut Block) {
    let mut sign = [0_u32; BLOCK];
    for j in 0..BLOCK {
        sign[j] = ones(round::work::<NARROW>(mix[j]) < 0.0) & 0x8000_0000;
    }
    *mix = [0.0; BLOCK];
    let mut divisor: Block = [0.0; BLOCK];
    for (input, delta) in task.inputs.iter().zip(deltas) {
        let weight = input.weight.to_bits();
        for j in 0..BLOCK {
            // With the elected sign taken off, what agrees is a positive number.
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
        for j in 0..BLOCK {
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

/// The upper 15 bits of the magnitudes of the elements from `at` on, at most [`BLOCK`]. What `scratch`
/// holds does not matter.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn bins(delta: &Delta<'_>, at: usize, [base, values]: &mut [Block; 2], out: &mut [u16]) {
    load(&delta.base, at, &mut base[..out.len()]);
    load(&delta.source, at, &mut values[..out.len()]);
    if delta.narrow {
        subtract::<true>(base, values);
    } else {
        subtract::<false>(base, values);
    }
    for (o, v) in out.iter_mut().zip(&*values) {
        *o = (magnitude(*v) >> 16) as u16;
    }
}

/// How many of `bins` are `bin`; at most [`BLOCK`].
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn count(bins: &[u16], bin: u16) -> usize {
    usize::from(bins.iter().fold(0_u16, |n, b| n + u16::from(*b == bin)))
}

/// How many of `bins` are at least `bin`; at most [`BLOCK`].
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn at_least(bins: &[u16], bin: u16) -> u32 {
    u32::from(bins.iter().fold(0_u16, |n, b| n + u16::from(*b >= bin)))
}

/// Sums of |δ| before and after masking over `range`, whose start is a multiple of [`BLOCK`]. Each |δ|
/// is rounded to a multiple of `grid` first; see `shares`.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn l1(delta: &Delta<'_>, keep: Keep<'_>, grid: Grid, range: Range<usize>) -> (f64, f64) {
    let mut base: Block = [0.0; BLOCK];
    let mut values: Block = [0.0; BLOCK];
    let mut sums = (0.0, 0.0);
    for at in range.clone().step_by(BLOCK) {
        let n = BLOCK.min(range.end - at);
        if n < BLOCK {
            (base, values) = ([0.0; BLOCK], [0.0; BLOCK]);
        }
        load(&delta.base, at, &mut base[..n]);
        load(&delta.source, at, &mut values[..n]);
        if delta.narrow {
            subtract::<true>(&base, &mut values);
        } else {
            subtract::<false>(&base, &mut values);
        }
        sums.0 += abs_sum(&values, grid);
        mask(keep, at, &mut values);
        sums.1 += abs_sum(&values, grid);
    }
    sums
}

/// Σ|v| in f64, in eight interleaved sums so that it vectorises; the order is fixed.
#[inline(always)]
#[allow(clippy::inline_always)]
fn abs_sum(values: &Block, grid: Grid) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for eight in values.as_chunks::<8>().0 {
        for (lane, v) in lanes.iter_mut().zip(eight) {
            *lane += grid.round(f64::from(v.abs()));
        }
    }
    lanes.iter().sum()
}
