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
//! vectorises; where the CPU has AVX2 and FMA a second copy compiled for them is called. All
//! operations are exact IEEE ones, so both give the same bits.

use std::ops::Range;

use crate::checkpoint::TensorView;

use super::mask::Key;
use super::round;
use super::trim::{Cut, magnitude};

/// Elements of one inner block.
pub(super) const BLOCK: usize = 1024;

/// A task vector where it is computed: `source − base`, rounded to the work type.
#[derive(Clone, Copy)]
pub(super) struct Delta<'a> {
    pub(super) base: TensorView<'a>,
    pub(super) source: TensorView<'a>,
    /// Whether the work type is bfloat16.
    pub(super) narrow: bool,
}

/// Which elements of a task vector are kept, and by what the kept ones are multiplied.
#[derive(Clone, Copy)]
pub(super) enum Keep<'a> {
    All,
    Largest(Cut),
    /// Hash below a threshold; rescaled.
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

/// One source's part in a merge of one tensor.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) source: TensorView<'a>,
    /// Already rounded to the work type (f32 for linear).
    pub(super) weight: f32,
    pub(super) keep: Keep<'a>,
}

/// How the inputs are put together.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Weighted mean of the sources; the base is not read.
    Linear,
    /// Weighted sum of task vectors.
    Sum { consensus: bool, lambda: f32 },
}

/// A whole merge of one tensor.
pub(super) struct Task<'a> {
    pub(super) base: TensorView<'a>,
    pub(super) inputs: Vec<Input<'a>>,
    pub(super) narrow: bool,
    pub(super) rule: Rule,
    pub(super) normalize: bool,
}

impl Task<'_> {
    /// Merges elements `start..start + out.len() / 2` into `out`, as little-endian bfloat16.
    /// `start` is a multiple of [`BLOCK`].
    pub(super) fn run(&self, start: usize, out: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: both features were found on this CPU.
            return unsafe { run_avx2(self, start, out) };
        }
        run(self, start, out);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(task: &Task<'_>, start: usize, out: &mut [u8]) {
    run(task, start, out);
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn run(task: &Task<'_>, start: usize, out: &mut [u8]) {
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
        let n = out.len() / 2;
        let mut sum = [0.0_f32; BLOCK];
        for input in &task.inputs {
            input.source.read_f32(start + block * BLOCK, &mut x[..n]);
            for (s, x) in sum[..n].iter_mut().zip(&x[..n]) {
                *s = x.mul_add(input.weight, *s);
            }
        }
        if task.normalize {
            sum[..n].iter_mut().for_each(|s| *s /= total);
        }
        store(&sum[..n], out);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn sum<const NARROW: bool>(task: &Task<'_>, consensus: bool, lambda: f32, start: usize, out: &mut [u8]) {
    let r = round::work::<NARROW>;
    let weight_sum = r(task.inputs.iter().fold(0.0, |sum, input| sum + input.weight));
    let weight_sum = if weight_sum.abs() < 1e-8 { 1.0 } else { weight_sum };
    let mut base = [0.0_f32; BLOCK];
    let mut deltas = vec![[0.0_f32; BLOCK]; task.inputs.len()];
    for (block, out) in out.chunks_mut(2 * BLOCK).enumerate() {
        let n = out.len() / 2;
        let at = start + block * BLOCK;
        task.base.read_f32(at, &mut base[..n]);
        let mut mix = [0.0_f32; BLOCK];
        for (input, delta) in task.inputs.iter().zip(&mut deltas) {
            sparse_delta::<NARROW>(input, at, &base[..n], &mut delta[..n]);
            for (sum, d) in mix.iter_mut().zip(delta.iter_mut()) {
                *d = r(*d * input.weight);
                *sum += *d;
            }
        }
        if consensus {
            elect::<NARROW>(task, &deltas, &mut mix);
        } else {
            for m in &mut mix {
                *m = r(*m);
                if task.normalize {
                    *m = r(*m / weight_sum);
                }
            }
        }
        if lambda.to_bits() != 1_f32.to_bits() {
            mix.iter_mut().for_each(|m| *m = r(*m * lambda));
        }
        for (m, b) in mix[..n].iter_mut().zip(&base) {
            *m += b;
        }
        store(&mix[..n], out);
    }
}

/// Elects a sign per element from the sum in `mix`, and leaves there the sum (or mean) of the
/// weighted deltas that agree with it. An exact zero never agrees.
#[inline(always)]
#[allow(clippy::inline_always)]
fn elect<const NARROW: bool>(task: &Task<'_>, deltas: &[[f32; BLOCK]], mix: &mut [f32; BLOCK]) {
    let r = round::work::<NARROW>;
    let mut sign = [1.0_f32; BLOCK];
    for (s, m) in sign.iter_mut().zip(mix.iter_mut()) {
        *s = if r(*m) >= 0.0 { 1.0 } else { -1.0 };
        *m = 0.0;
    }
    let mut divisor = [0.0_f32; BLOCK];
    for (input, delta) in task.inputs.iter().zip(deltas) {
        for j in 0..BLOCK {
            let agrees = delta[j] * sign[j] > 0.0;
            mix[j] += if agrees { delta[j] } else { 0.0 };
            divisor[j] += if agrees { input.weight } else { 0.0 };
        }
    }
    for (m, d) in mix.iter_mut().zip(&divisor) {
        *m = r(*m);
        if task.normalize {
            let d = r(*d);
            *m = r(*m / if d == 0.0 { 1.0 } else { d });
        }
    }
}

/// δ = R(x − b), masked and rescaled, of the elements from `at` on.
#[inline(always)]
#[allow(clippy::inline_always)]
fn sparse_delta<const NARROW: bool>(input: &Input<'_>, at: usize, base: &[f32], delta: &mut [f32]) {
    let r = round::work::<NARROW>;
    input.source.read_f32(at, delta);
    for (d, b) in delta.iter_mut().zip(base) {
        *d = r(*d - b);
    }
    let scale = match input.keep {
        Keep::All => None,
        Keep::Largest(cut) => {
            let ties = if cut.last < at { 0 } else { (cut.last - at + 1).min(BLOCK) as u32 };
            for (j, d) in (0_u32..).zip(delta.iter_mut()) {
                let m = magnitude(*d);
                let keep = (m > cut.key) | ((m == cut.key) & (j < ties));
                *d = if keep { *d } else { 0.0 };
            }
            None
        }
        Keep::Hashed { key, below, scale } => {
            let key = key.at(at);
            for (j, d) in (0_u32..).zip(delta.iter_mut()) {
                *d = if key.hash((at as u32).wrapping_add(j)) < below { *d } else { 0.0 };
            }
            scale
        }
        Keep::Listed { keep, scale } => {
            for (d, keep) in delta.iter_mut().zip(&keep[at..]) {
                *d = if *keep == 1 { *d } else { 0.0 };
            }
            scale
        }
    };
    if let Some(scale) = scale {
        delta.iter_mut().for_each(|d| *d = r(*d * scale));
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

/// Sums of |δ| before and after masking over `range`, whose start is a multiple of [`BLOCK`].
pub(super) fn l1(delta: &Delta<'_>, keep: Keep<'_>, range: Range<usize>) -> (f64, f64) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: both features were found on this CPU.
        return unsafe { l1_avx2(delta, keep, range) };
    }
    l1_body(delta, keep, range)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn l1_avx2(delta: &Delta<'_>, keep: Keep<'_>, range: Range<usize>) -> (f64, f64) {
    l1_body(delta, keep, range)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn l1_body(delta: &Delta<'_>, keep: Keep<'_>, range: Range<usize>) -> (f64, f64) {
    let all = Input { source: delta.source, weight: 1.0, keep: Keep::All };
    let some = Input { keep, ..all };
    let mut base = [0.0; BLOCK];
    let mut values = [0.0; BLOCK];
    let mut sums = (0.0, 0.0);
    for at in range.clone().step_by(BLOCK) {
        let n = BLOCK.min(range.end - at);
        delta.base.read_f32(at, &mut base[..n]);
        for (input, sum) in [(&all, &mut sums.0), (&some, &mut sums.1)] {
            if delta.narrow {
                sparse_delta::<true>(input, at, &base[..n], &mut values[..n]);
            } else {
                sparse_delta::<false>(input, at, &base[..n], &mut values[..n]);
            }
            *sum += abs_sum(&values[..n]);
        }
    }
    sums
}

/// Σ|v| in f64, in eight interleaved sums so that it vectorises; the order is fixed.
#[inline(always)]
#[allow(clippy::inline_always)]
fn abs_sum(values: &[f32]) -> f64 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0_f64; 8];
    for eight in eights {
        for (lane, v) in lanes.iter_mut().zip(eight) {
            *lane += f64::from(v.abs());
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|v| f64::from(v.abs())).sum::<f64>()
}

impl Delta<'_> {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.source.len()
    }

    /// One element.
    pub(super) fn get(&self, at: usize) -> f32 {
        let mut out = [0.0];
        self.read(at, &mut [0.0], &mut out);
        out[0]
    }

    fn read(&self, at: usize, base: &mut [f32], out: &mut [f32]) {
        self.base.read_f32(at, base);
        self.source.read_f32(at, out);
        for (d, b) in out.iter_mut().zip(base) {
            *d = if self.narrow { round::bf16(*d - *b) } else { *d - *b };
        }
    }

    /// Calls `f` with flat index and value of each element of `range`, in order.
    pub(super) fn for_each(&self, range: Range<usize>, mut f: impl FnMut(usize, f32)) {
        self.position(range.clone(), {
            let mut i = range.start;
            move |v| {
                f(i, v);
                i += 1;
                false
            }
        });
    }

    /// Flat index of the first element of `range` for which `found` holds, else the range's end.
    pub(super) fn position(&self, range: Range<usize>, mut found: impl FnMut(f32) -> bool) -> usize {
        let mut base = [0.0; BLOCK];
        let mut values = [0.0; BLOCK];
        for at in range.clone().step_by(BLOCK) {
            let n = BLOCK.min(range.end - at);
            self.read(at, &mut base[..n], &mut values[..n]);
            if let Some(i) = values[..n].iter().position(|v| found(*v)) {
                return at + i;
            }
        }
        range.end
    }
}
