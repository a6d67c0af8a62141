//! Decides from the exponents of its inputs whether a merge of one tensor can produce non-finite values. If it cannot,
//! `fill` skips the check of the result.

use super::exponents::ExponentRange;
use super::task::{Combine, Task};

/// The range of f32 and bfloat16, with a margin for intermediate roundings.
const LARGEST_SAFE: f64 = 1e38;

impl Task<'_> {
    /// Whether every step stays finite, judged by the exponents of the inputs and the weights.
    pub(crate) fn stays_finite(&self) -> bool {
        let Some(ExponentRange { most, .. }) = self.exponents.filter(|e| e.most < 255) else { return false };
        // A value is below two to the power of its exponent plus one.
        let largest = f64::from(i32::from(most) - 126).exp2();
        let weights = || self.inputs.iter().map(|i| f64::from(i.weight.abs()));
        let signed: f64 = self.inputs.iter().map(|i| f64::from(i.weight)).sum();
        let (mut worst, mut at);
        match self.combine {
            Combine::Linear => {
                at = weights().sum::<f64>() * largest;
                worst = at;
                if self.normalize {
                    at /= signed.abs();
                }
            }
            Combine::Sum { consensus, lambda } => {
                let delta = 2.0 * largest;
                let scaled = self.inputs.iter().map(|i| {
                    delta
                        * f64::from(i.selection.scale().unwrap_or(1.0).abs())
                        * f64::from(i.weight.abs()).max(1.0)
                });
                at = scaled.sum();
                worst = at;
                if self.normalize {
                    at /= if consensus { self.least_divisor() } else { signed.abs().max(1e-9) };
                }
                worst = worst.max(at);
                at = at * f64::from(lambda.abs()) + largest;
            }
        }
        // NaN proves nothing.
        worst = worst.max(at);
        worst < LARGEST_SAFE && at < LARGEST_SAFE
    }

    /// A lower bound of every non-zero sum of weights: each sum is a multiple of the smallest weight's unit in the last
    /// place. Rounding a sum to bfloat16 does not take it below this bound.
    fn least_divisor(&self) -> f64 {
        let nonzero = self.inputs.iter().map(|i| f64::from(i.weight.abs())).filter(|w| *w > 0.0);
        let least = nonzero.fold(1.0_f64, f64::min);
        if self.inputs.iter().all(|i| i.weight >= 0.0) { least } else { least * f64::from(-25).exp2() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::merge::kernels::finite::count;
    use crate::merge::kernels::passes;
    use crate::merge::kernels::selection::Selection;
    use crate::merge::kernels::task::Input;

    /// Random tasks whose values come near the end of the range: a merge that is proven finite has a finite result.
    #[test]
    fn what_is_proven_is_so() {
        let mut state = 11_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let (mut proven, mut broken) = (0, 0);
        for round in 0..4000_i32 {
            let large = f32::from(round as i16 % 250 - 124).exp2();
            let tensors: Vec<Vec<u8>> = (0..3)
                .map(|_| {
                    let value = |_| half::bf16::from_f32(noise() * large).to_le_bytes();
                    (0..64).flat_map(value).collect()
                })
                .collect();
            let shape = [64];
            let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
            let weight = [1.0, 1e-6, 1e6, 1e30][round as usize % 4];
            let scale = (round % 3 == 0).then_some(1e3);
            let selection = Selection::Listed { keep: vec![1; 64], scale };
            let input = |data, w: f32| Input { source: view(data), weight: w, selection: selection.clone() };
            let combine = match round % 3 {
                0 => Combine::Linear,
                kind => Combine::Sum { consensus: kind == 1, lambda: [1.0, 1e9][round as usize / 3 % 2] },
            };
            let exponents = tensors.iter().fold(ExponentRange::NONE, |e, t| e.and(ExponentRange::of_bf16(t)));
            let task = Task {
                base: view(&tensors[0]),
                inputs: vec![input(&tensors[1], noise() * weight), input(&tensors[2], noise() * weight)],
                narrow: round % 2 == 0,
                combine,
                normalize: round % 5 < 3,
                exponents: Some(exponents),
            };
            let mut out = vec![0; 128];
            passes::run(&task, 0, &mut out);
            let bad = count(Dtype::BF16, &out);
            if task.stays_finite() {
                proven += 1;
                assert_eq!(bad, 0, "round {round}");
            }
            broken += usize::from(bad > 0);
            // The pass's own count agrees.
            assert_eq!(task.fill(&mut out, false), bad, "round {round}");
        }
        assert!(proven > 1000 && broken > 200, "{proven} proven, {broken} broken");
    }
}
