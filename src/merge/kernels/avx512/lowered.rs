//! A task in the form that the AVX-512 pass reads. A task comes in, a [`Lowered`] goes out if the pass can compute it
//! exactly. The pass handles 32 bfloat16 elements at a time: it reads once, computes in registers and writes once.
//!
//! The pass gives the same bits as `passes` by other means, all exact as long as nothing overflows or becomes subnormal
//! (the instructions flush subnormal numbers to zero): weights and rescaling are one table (`factor`), a division by
//! the sum of the agreeing weights is a multiplication by one of 2ⁿ reciprocals, and trimming and electing compare
//! 16-bit integers. [`Lowered::of`] proves from the exponents of all inputs that nothing can underflow; otherwise
//! `passes` merges the tensor.

use super::factor::Factor;
use crate::checkpoint::Dtype;
use crate::merge::kernels::exponents::ExponentRange;
use crate::merge::kernels::mask::Key;
use crate::merge::kernels::round;
use crate::merge::kernels::selection::Selection;
use crate::merge::kernels::task::{Combine, Task};

/// The pass is compiled for at most this many sources.
pub(crate) const MAX_SOURCES: usize = 5;

/// A task in the form that the pass reads.
#[derive(Clone, Debug)]
pub(crate) struct Lowered<'a> {
    pub(crate) base: &'a [u8],
    /// 1 to [`MAX_SOURCES`].
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) mode: Mode,
}

/// One source's part.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) bound: Bound,
    pub(crate) factor: Factor,
}

/// A selection as a comparison of 16-bit integers. A task only mixes both kinds if every `key` is 0, which keeps
/// everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Keeps magnitudes above `key`, and magnitudes equal to `key` up to flat index `last`.
    Largest { key: u16, last: usize },
    /// Keeps elements with `u · 2¹⁶` below `below`, which is at least 1.
    Hashed { key: Key, below: u32 },
}

/// How the sources are combined.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// Weighted sum of the sources, divided by `divisor` if there is one.
    Linear { weights: [f32; MAX_SOURCES], divisor: Option<f32> },
    /// Sum of task vectors.
    Sum { scaling: Scaling },
    /// Sum of the task vectors that agree with the elected sign.
    Agree { scaling: Scaling },
    /// Mean of the agreeing task vectors. `reciprocals` holds 1 / (sum of weights) for each set of agreeing sources.
    Mean { reciprocals: [f32; 1 << MAX_SOURCES], scaling: Scaling },
}

/// Factors on the sum, each followed by a rounding; `None` is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling {
    pub(crate) reciprocal: Option<f32>,
    pub(crate) lambda: Option<f32>,
}

impl<'a> Lowered<'a> {
    /// Lowers the task; `None` unless this pass gives exactly the same bits.
    pub(crate) fn of(task: &Task<'a>) -> Option<Self> {
        let exponents = task.exponents?;
        let views = || std::iter::once(&task.base).chain(task.inputs.iter().map(|i| &i.source));
        if !task.narrow || views().any(|v| v.dtype != Dtype::BF16) || exponents.most == 255 {
            return None;
        }
        match task.combine {
            Combine::Linear => Self::linear(task, exponents),
            Combine::Sum { consensus, lambda } => Self::sum(task, exponents, consensus, lambda),
        }
    }

    fn linear(task: &Task<'a>, exponents: ExponentRange) -> Option<Self> {
        let factor = Factor { offset: 0, by_mantissa: [0; 128], exponent: 0 };
        let bound = Bound::Largest { key: 0, last: 0 };
        let part = |data| Part { data, bound, factor: factor.clone() };
        let parts: Vec<Part<'a>> = task.inputs.iter().map(|i| part(i.source.data)).collect();
        if !(1..=MAX_SOURCES).contains(&parts.len()) {
            return None;
        }
        let mut weights = [0.0; MAX_SOURCES];
        task.inputs.iter().zip(&mut weights).for_each(|(i, w)| *w = i.weight);
        let total = task.inputs.iter().fold(0.0, |sum, input| sum + input.weight);
        let divisor = task.normalize.then_some(total);
        let factors = || weights.iter().chain(&divisor).filter(|w| **w != 0.0).map(|w| exponent(*w));
        let (least, most) = (factors().min()?, factors().max()?);
        // Products and their sums are multiples of the product of the smallest units in the last place. The division
        // comes after them.
        let lowest = i32::from(exponents.least) - 7 + least - 23 - most.max(0) - 1;
        let highest = i32::from(exponents.most) + most + 5 - least.min(0);
        let mode = Mode::Linear { weights, divisor };
        (lowest >= 1 && highest < 254).then_some(Self { base: task.base.data, parts, mode })
    }

    fn sum(task: &Task<'a>, exponents: ExponentRange, consensus: bool, lambda: f32) -> Option<Self> {
        let mut parts = Vec::with_capacity(task.inputs.len());
        let mut weights = Vec::with_capacity(task.inputs.len());
        for input in task.inputs.iter().filter(|i| i.weight != 0.0) {
            let bound = match input.selection {
                Selection::All => Bound::Largest { key: 0, last: 0 },
                Selection::Largest(cut) => Bound::Largest { key: (cut.key >> 16) as u16, last: cut.last },
                Selection::Hashed { key, below, .. } => Bound::Hashed { key, below },
                Selection::Listed { .. } => return None,
            };
            let factor = Factor::new(input.selection.scale().unwrap_or(1.0), input.weight)?;
            parts.push(Part { data: input.source.data, bound, factor });
            weights.push(input.weight);
        }
        if !(1..=MAX_SOURCES).contains(&parts.len()) {
            return None;
        }
        let hashed = parts.iter().any(|p| matches!(p.bound, Bound::Hashed { .. }));
        if hashed && parts.iter().any(|p| matches!(p.bound, Bound::Largest { key: 1.., .. })) {
            return None;
        }
        let one = |x: f32| if x.abs() < 1e-8 { 1.0 } else { x };
        let total = one(round::bf16(task.inputs.iter().fold(0.0, |sum, input| sum + input.weight)));
        let scaling = Scaling {
            reciprocal: (task.normalize && !consensus).then_some(1.0 / total),
            lambda: (lambda.to_bits() != 1_f32.to_bits()).then_some(lambda),
        };
        let mut reciprocals = [1.0_f32; 1 << MAX_SOURCES];
        for (set, reciprocal) in reciprocals.iter_mut().enumerate().take(1 << parts.len()) {
            let agree = weights.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
            let sum = round::bf16(agree.fold(0.0, |sum, (_, w)| sum + w));
            *reciprocal = 1.0 / if sum == 0.0 { 1.0 } else { sum };
        }
        let mode = match (consensus, task.normalize) {
            (false, _) => Mode::Sum { scaling },
            (true, false) => Mode::Agree { scaling },
            (true, true) => Mode::Mean { reciprocals, scaling },
        };
        let lowered = Self { base: task.base.data, parts, mode };
        lowered.stays_normal(exponents, scaling, &reciprocals).then_some(lowered)
    }

    /// Whether every intermediate value stays a normal number. All values are multiples of the smallest value's unit in
    /// the last place, which is at least 2⁻⁷ of that value; so are their sums and differences.
    fn stays_normal(&self, exponents: ExponentRange, scaling: Scaling, reciprocals: &[f32]) -> bool {
        let factors = || self.parts.iter().map(|p| p.factor.exponent);
        let (Some(least), Some(most)) = (factors().min(), factors().max()) else { return false };
        let later = || reciprocals.iter().chain(&scaling.reciprocal).map(|r| exponent(*r));
        let divided = (later().min().unwrap_or(0), later().max().unwrap_or(0));
        let lambda = scaling.lambda.map_or(0, exponent);
        let (base, delta) = (i32::from(exponents.least), i32::from(exponents.least) - 7);
        let sum = delta + least - 7;
        let mix = sum + divided.0.min(0) + lambda.min(0) - 1;
        let lowest = base.min(delta).min(delta + least).min(sum).min(mix).min(mix - 7);
        let highest = i32::from(exponents.most) + 1 + most.max(0) + 1 + 3 + divided.1.max(0) + 1;
        lowest >= 1 && highest + lambda.max(0) + 2 < 254
    }
}

/// ⌊log₂|x|⌋; far below all others for zero and subnormal numbers.
fn exponent(x: f32) -> i32 {
    match (x.to_bits() >> 23 & 0xff) as i32 {
        0 => -1000,
        255 => 1000,
        biased => biased - 127,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TensorView;
    use crate::merge::kernels::avx512;
    use crate::merge::kernels::block::BLOCK_LEN;
    use crate::merge::kernels::passes;
    use crate::merge::kernels::selection::Cut;
    use crate::merge::kernels::task::Input;

    const N: usize = 2 * BLOCK_LEN + 333;

    /// Weights of up to five sources, including a zero and a negative weight.
    const WEIGHTS: [f32; 5] = [0.4, -0.9, 0.3, 0.0, 0.7];

    #[test]
    fn the_lowered_pass_gives_the_same_bits() {
        if !avx512::available() {
            println!("this CPU has no AVX-512 with bfloat16: not tried");
            return;
        }
        let mut state = 5_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let bf16 = |x: f32| half::bf16::from_f32(x).to_le_bytes();
        // Includes sums that cancel, exact zeros, and values of very different sizes.
        let base: Vec<f32> = (0..N).map(|i| noise() * [1.0, 1e-4, 0.0, 30.0][i % 4]).collect();
        let tensors: Vec<Vec<u8>> = (0..6)
            .map(|k| {
                let mut value = |i: usize| base[i] + if i % 7 == k { 0.0 } else { 0.1 * noise() * noise() };
                (0..N).flat_map(|i| bf16(if k == 0 { base[i] } else { value(i) })).collect()
            })
            .collect();
        let exponents =
            tensors.iter().map(|t| ExponentRange::of_bf16(t)).fold(ExponentRange::NONE, ExponentRange::and);
        let shape = [N];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let key = |i| Key::new(3, "t", i);
        let selections = |i: usize| {
            [
                Selection::All,
                Selection::Largest(Cut { key: 0.01_f32.to_bits() & 0xffff_0000, last: 700 * i + 3 }),
                Selection::Hashed {
                    key: key(i),
                    below: 1 << 15,
                    scale: Some(round::bf16(1.9 + i as f32 / 9.0)),
                },
                Selection::Hashed { key: key(i), below: 1, scale: None },
                if i.is_multiple_of(2) {
                    Selection::All
                } else {
                    Selection::Hashed { key: key(i), below: 65_536, scale: None }
                },
            ]
        };
        let sums = [(true, 1.0), (true, 0.7), (false, 1.0), (false, -1.3)];
        let sums = sums.map(|(consensus, lambda)| Combine::Sum { consensus, lambda });
        let mut tried = 0;
        for combine in [Combine::Linear].into_iter().chain(sums) {
            for (sources, keep, normalize) in
                (1..=5).flat_map(|n| (0..5).flat_map(move |k| [(n, k, true), (n, k, false)]))
            {
                let linear = matches!(combine, Combine::Linear);
                let inputs = (0..sources).map(|i| Input {
                    source: view(&tensors[i + 1]),
                    weight: if linear { WEIGHTS[i] } else { round::bf16(WEIGHTS[i]) },
                    selection: selections(i)[keep].clone(),
                });
                let task = Task {
                    base: view(&tensors[0]),
                    inputs: inputs.collect(),
                    narrow: true,
                    combine,
                    normalize,
                    exponents: Some(exponents),
                };
                let lowered = Lowered::of(&task).expect("nothing here underflows");
                let mut wanted = vec![0; 2 * N];
                passes::run(&task, 0, &mut wanted);
                // Unaligned output, from three starts, streamed or not.
                for (start, shift, stream) in [(0, 0, true), (1024, 2, true), (2048, 34, false)] {
                    let mut out = vec![0; 2 * N + 64];
                    let out = &mut out[shift..shift + 2 * (N - start)];
                    // SAFETY: `available` was checked above.
                    unsafe { avx512::run(&lowered, start, out, stream) };
                    let differ = out.iter().zip(&wanted[2 * start..]).position(|(a, b)| a != b);
                    assert_eq!(differ, None, "{combine:?} {sources} {keep} {normalize} from {start}");
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, 5 * 5 * 5 * 2 * 3);
    }

    #[test]
    fn what_may_underflow_is_left_to_the_other_pass() {
        let bytes = [0_u8; 8];
        let shape = [4];
        let view = TensorView { dtype: Dtype::BF16, shape: &shape, data: &bytes };
        let task = |exponents, weight, lambda| Task {
            base: view,
            inputs: vec![Input { source: view, weight, selection: Selection::All }],
            narrow: true,
            combine: Combine::Sum { consensus: true, lambda },
            normalize: true,
            exponents,
        };
        let of = |least, most| Some(ExponentRange { least, most });
        assert!(Lowered::of(&task(of(90, 130), 0.5, 1.0)).is_some());
        for (exponents, weight, lambda) in [
            (None, 0.5, 1.0),
            (of(0, 130), 0.5, 1.0),
            (of(20, 130), 0.5, 1.0),
            (of(60, 130), 1e-12, 1.0),
            (of(60, 130), 0.5, 1e-12),
            (of(90, 250), 0.5, 1.0),
            (of(90, 255), 0.5, 1.0),
            (of(90, 130), 0.0, 1.0),
            (of(90, 130), 0.5, 0.0),
        ] {
            assert!(
                Lowered::of(&task(exponents, weight, lambda)).is_none(),
                "{exponents:?} {weight} {lambda}"
            );
        }
    }
}
