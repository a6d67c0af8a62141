//! The pass of `kernel` over bfloat16, for CPUs with AVX-512 and its bfloat16 instructions: 32
//! elements at a time, everything between the one reading and the one writing in registers.
//!
//! It gives the bits of `kernel`, by other means, all exact while nothing overflows or becomes
//! subnormal (the instructions would flush that to zero): weights and rescaling are one table
//! (`factor`), a division by the sum of the weights that agree is a multiplication by one of 2ⁿ
//! reciprocals, trimming and electing compare 16-bit integers. [`Fused::of`] proves from the
//! exponents of all that goes in that nothing can underflow, or leaves the tensor to `kernel`.

use super::exponents::Extent;
use super::factor::Factor;
use super::kernel::{Keep, Rule, Task};
use super::mask::Key;
use super::round;
use crate::checkpoint::Dtype;

/// Most sources that this pass is compiled for.
pub(crate) const MOST: usize = 5;

/// A task in the form that the pass reads.
#[derive(Clone, Debug)]
pub(crate) struct Fused<'a> {
    pub(crate) base: &'a [u8],
    /// 1 to [`MOST`].
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) how: How,
}

/// One source's part.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) gate: Gate,
    pub(crate) factor: Factor,
}

/// Which elements of a task vector are kept. Both kinds in one task: only with the key 0, which keeps
/// all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gate {
    /// Magnitudes above `key`, and those equal to it up to flat index `last`.
    Largest { key: u16, last: usize },
    /// `u · 2¹⁶` below `below`, which is at least 1.
    Hashed { key: Key, below: u32 },
}

/// How the parts are put together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// Weighted mean of the sources themselves, divided by the number.
    Linear { weights: [f32; MOST], divisor: Option<f32> },
    /// Sum of task vectors.
    Sum { then: Then },
    /// Sum of those that agree with the elected sign.
    Agree { then: Then },
    /// Their mean: reciprocals of the sum of weights, by the set of those that agree.
    Mean { reciprocals: [f32; 1 << MOST], then: Then },
}

/// Multiplications of the sum, each rounded; `None` is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Then {
    pub(crate) reciprocal: Option<f32>,
    pub(crate) lambda: Option<f32>,
}

impl<'a> Fused<'a> {
    /// The task, if this pass can do it to the bit.
    pub(crate) fn of(task: &Task<'a>) -> Option<Self> {
        let extent = task.extent?;
        let views = || std::iter::once(&task.base).chain(task.inputs.iter().map(|i| &i.source));
        if !task.narrow || views().any(|v| v.dtype != Dtype::BF16) || extent.most == 255 {
            return None;
        }
        match task.rule {
            Rule::Linear => Self::linear(task, extent),
            Rule::Sum { consensus, lambda } => Self::sum(task, extent, consensus, lambda),
        }
    }

    fn linear(task: &Task<'a>, extent: Extent) -> Option<Self> {
        let factor = Factor { offset: 0, by_mantissa: [0; 128], exponent: 0 };
        let gate = Gate::Largest { key: 0, last: 0 };
        let part = |data| Part { data, gate, factor: factor.clone() };
        let parts: Vec<Part<'a>> = task.inputs.iter().map(|i| part(i.source.data)).collect();
        if !(1..=MOST).contains(&parts.len()) {
            return None;
        }
        let mut weights = [0.0; MOST];
        task.inputs.iter().zip(&mut weights).for_each(|(i, w)| *w = i.weight);
        let total = task.inputs.iter().fold(0.0, |sum, input| sum + input.weight);
        let divisor = task.normalize.then_some(total);
        let exponents = || weights.iter().chain(&divisor).filter(|w| **w != 0.0).map(|w| exponent(*w));
        let (least, most) = (exponents().min()?, exponents().max()?);
        // Products and their sums are multiples of the product of the smallest units in the last
        // place; then the division.
        let lowest = i32::from(extent.least) - 7 + least - 23 - most.max(0) - 1;
        let highest = i32::from(extent.most) + most + 5 - least.min(0);
        let how = How::Linear { weights, divisor };
        (lowest >= 1 && highest < 254).then_some(Self { base: task.base.data, parts, how })
    }

    fn sum(task: &Task<'a>, extent: Extent, consensus: bool, lambda: f32) -> Option<Self> {
        let mut parts = Vec::with_capacity(task.inputs.len());
        let mut weights = Vec::with_capacity(task.inputs.len());
        for input in task.inputs.iter().filter(|i| i.weight != 0.0) {
            let gate = match input.keep {
                Keep::All => Gate::Largest { key: 0, last: 0 },
                Keep::Largest(cut) => Gate::Largest { key: (cut.key >> 16) as u16, last: cut.last },
                Keep::Hashed { key, below, .. } => Gate::Hashed { key, below },
                Keep::Listed { .. } => return None,
            };
            let factor = Factor::new(input.keep.scale().unwrap_or(1.0), input.weight)?;
            parts.push(Part { data: input.source.data, gate, factor });
            weights.push(input.weight);
        }
        if !(1..=MOST).contains(&parts.len()) {
            return None;
        }
        let hashed = parts.iter().any(|p| matches!(p.gate, Gate::Hashed { .. }));
        if hashed && parts.iter().any(|p| matches!(p.gate, Gate::Largest { key: 1.., .. })) {
            return None;
        }
        let one = |x: f32| if x.abs() < 1e-8 { 1.0 } else { x };
        let total = one(round::bf16(task.inputs.iter().fold(0.0, |sum, input| sum + input.weight)));
        let then = Then {
            reciprocal: (task.normalize && !consensus).then_some(1.0 / total),
            lambda: (lambda.to_bits() != 1_f32.to_bits()).then_some(lambda),
        };
        let mut reciprocals = [1.0_f32; 1 << MOST];
        for (set, reciprocal) in reciprocals.iter_mut().enumerate().take(1 << parts.len()) {
            let agree = weights.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
            let sum = round::bf16(agree.fold(0.0, |sum, (_, w)| sum + w));
            *reciprocal = 1.0 / if sum == 0.0 { 1.0 } else { sum };
        }
        let how = match (consensus, task.normalize) {
            (false, _) => How::Sum { then },
            (true, false) => How::Agree { then },
            (true, true) => How::Mean { reciprocals, then },
        };
        let fused = Self { base: task.base.data, parts, how };
        fused.stays_normal(extent, then, &reciprocals).then_some(fused)
    }

    /// Whether no step can leave the normal numbers. All values are multiples of the smallest
    /// one's unit in the last place, 2⁻⁷ of it at least, and so are their sums and differences.
    fn stays_normal(&self, extent: Extent, then: Then, reciprocals: &[f32]) -> bool {
        let factors = || self.parts.iter().map(|p| p.factor.exponent);
        let (Some(least), Some(most)) = (factors().min(), factors().max()) else { return false };
        let later = || reciprocals.iter().chain(&then.reciprocal).map(|r| exponent(*r));
        let divided = (later().min().unwrap_or(0), later().max().unwrap_or(0));
        let lambda = then.lambda.map_or(0, exponent);
        let (base, delta) = (i32::from(extent.least), i32::from(extent.least) - 7);
        let sum = delta + least - 7;
        let mix = sum + divided.0.min(0) + lambda.min(0) - 1;
        let lowest = base.min(delta).min(delta + least).min(sum).min(mix).min(mix - 7);
        let highest = i32::from(extent.most) + 1 + most.max(0) + 1 + 3 + divided.1.max(0) + 1;
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
    use crate::merge::kernels::kernel::{self, BLOCK, Input};
    use crate::merge::kernels::trim::Cut;

    const N: usize = 2 * BLOCK + 333;

    /// Weights of up to five sources, with a zero and a negative one among them.
    const WEIGHTS: [f32; 5] = [0.4, -0.9, 0.3, 0.0, 0.7];

    #[test]
    fn the_fused_pass_gives_the_same_bits() {
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
        // Sums that cancel, exact zeros and values of very different size among them.
        let base: Vec<f32> = (0..N).map(|i| noise() * [1.0, 1e-4, 0.0, 30.0][i % 4]).collect();
        let tensors: Vec<Vec<u8>> = (0..6)
            .map(|k| {
                let mut value = |i: usize| base[i] + if i % 7 == k { 0.0 } else { 0.1 * noise() * noise() };
                (0..N).flat_map(|i| bf16(if k == 0 { base[i] } else { value(i) })).collect()
            })
            .collect();
        let extent = tensors.iter().map(|t| Extent::of_bf16(t)).fold(Extent::NONE, Extent::and);
        let shape = [N];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let key = |i| Key::new(3, "t", i);
        let keeps = |i: usize| {
            [
                Keep::All,
                Keep::Largest(Cut { key: 0.01_f32.to_bits() & 0xffff_0000, last: 700 * i + 3 }),
                Keep::Hashed { key: key(i), below: 1 << 15, scale: Some(round::bf16(1.9 + i as f32 / 9.0)) },
                Keep::Hashed { key: key(i), below: 1, scale: None },
                if i.is_multiple_of(2) {
                    Keep::All
                } else {
                    Keep::Hashed { key: key(i), below: 65_536, scale: None }
                },
            ]
        };
        let rules = [(true, 1.0), (true, 0.7), (false, 1.0), (false, -1.3)];
        let rules = rules.map(|(consensus, lambda)| Rule::Sum { consensus, lambda });
        let mut tried = 0;
        for rule in [Rule::Linear].into_iter().chain(rules) {
            for (sources, keep, normalize) in
                (1..=5).flat_map(|n| (0..5).flat_map(move |k| [(n, k, true), (n, k, false)]))
            {
                let linear = matches!(rule, Rule::Linear);
                let inputs = (0..sources).map(|i| Input {
                    source: view(&tensors[i + 1]),
                    weight: if linear { WEIGHTS[i] } else { round::bf16(WEIGHTS[i]) },
                    keep: keeps(i)[keep],
                });
                let task = Task {
                    base: view(&tensors[0]),
                    inputs: inputs.collect(),
                    narrow: true,
                    rule,
                    normalize,
                    extent: Some(extent),
                };
                let fused = Fused::of(&task).expect("nothing here underflows");
                let mut wanted = vec![0; 2 * N];
                kernel::run(&task, 0, &mut wanted);
                // Aligned in no way, from three starts, streamed or not.
                for (start, shift, stream) in [(0, 0, true), (1024, 2, true), (2048, 34, false)] {
                    let mut out = vec![0; 2 * N + 64];
                    let out = &mut out[shift..shift + 2 * (N - start)];
                    // SAFETY: the CPU has what it needs.
                    unsafe { avx512::run(&fused, start, out, stream) };
                    let differ = out.iter().zip(&wanted[2 * start..]).position(|(a, b)| a != b);
                    assert_eq!(differ, None, "{rule:?} {sources} {keep} {normalize} from {start}");
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
        let task = |extent, weight, lambda| Task {
            base: view,
            inputs: vec![Input { source: view, weight, keep: Keep::All }],
            narrow: true,
            rule: Rule::Sum { consensus: true, lambda },
            normalize: true,
            extent,
        };
        let of = |least, most| Some(Extent { least, most });
        assert!(Fused::of(&task(of(90, 130), 0.5, 1.0)).is_some());
        for (extent, weight, lambda) in [
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
            assert!(Fused::of(&task(extent, weight, lambda)).is_none(), "{extent:?} {weight} {lambda}");
        }
    }
}
