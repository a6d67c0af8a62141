//! Values that are not finite in what was made of finite ones.
//!
//! Where exponents prove that nothing can overflow, nothing is looked at; elsewhere each piece is, right
//! after it was written, while it is in the cache.

use super::exponents::Extent;
use super::kernel::{Rule, Task};
use crate::checkpoint::Dtype;

/// What f32 and bfloat16 can hold, with room for the roundings on the way.
const MOST: f64 = 1e38;

/// How many of little-endian values are NaN or infinite.
pub(crate) fn count(dtype: Dtype, data: &[u8]) -> usize {
    match dtype {
        Dtype::BF16 => narrow(data, 0x7f80),
        Dtype::F16 => narrow(data, 0x7c00),
        Dtype::F32 => {
            let magnitude = |e: &[u8; 4]| u32::from_le_bytes(*e) & 0x7fff_ffff;
            let elements = data.as_chunks::<4>().0;
            // The largest first, which vectors find quickly.
            if elements.iter().fold(0, |most, e| most.max(magnitude(e) as i32)) < 0x7f80_0000 {
                return 0;
            }
            elements.iter().filter(|e| magnitude(e) >= 0x7f80_0000).count()
        }
    }
}

/// Of values in 16 bits, those from which magnitude on are not finite.
fn narrow(data: &[u8], from: i16) -> usize {
    let magnitude = |e: &[u8; 2]| (u16::from_le_bytes(*e) & 0x7fff) as i16;
    let elements = data.as_chunks::<2>().0;
    if elements.iter().fold(0, |most, e| most.max(magnitude(e))) < from {
        return 0;
    }
    elements.iter().filter(|e| magnitude(e) >= from).count()
}

impl Task<'_> {
    /// Whether no step can leave the finite numbers, by the exponents of all that goes in.
    pub(crate) fn stays_finite(&self) -> bool {
        let Some(Extent { most, .. }) = self.extent.filter(|e| e.most < 255) else { return false };
        // A value is below two to the power of its exponent and one more.
        let largest = f64::from(i32::from(most) - 126).exp2();
        let weights = || self.inputs.iter().map(|i| f64::from(i.weight.abs()));
        let signed: f64 = self.inputs.iter().map(|i| f64::from(i.weight)).sum();
        let (mut worst, mut at);
        match self.rule {
            Rule::Linear => {
                at = weights().sum::<f64>() * largest;
                worst = at;
                if self.normalize {
                    at /= signed.abs();
                }
            }
            Rule::Sum { consensus, lambda } => {
                let delta = 2.0 * largest;
                let scaled = self.inputs.iter().map(|i| {
                    delta
                        * f64::from(i.keep.scale().unwrap_or(1.0).abs())
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
        // NaN is no proof.
        worst = worst.max(at);
        worst < MOST && at < MOST
    }

    /// What a sum of some weights is at least, where it is not 0: all are multiples of the unit in the last
    /// place of the smallest. In bfloat16 a sum is rounded, and is no less for it.
    fn least_divisor(&self) -> f64 {
        let nonzero = self.inputs.iter().map(|i| f64::from(i.weight.abs())).filter(|w| *w > 0.0);
        let least = nonzero.fold(1.0_f64, f64::min);
        if self.inputs.iter().all(|i| i.weight >= 0.0) { least } else { least * f64::from(-25).exp2() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TensorView;
    use crate::merge::kernels::kernel::{Input, Keep};

    #[test]
    fn every_kind_is_counted_in_every_type() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN];
        for n in [0, 1, 31, 1000] {
            let mut values: Vec<f32> = (0..n).map(|i| i as f32 - 3.0).collect();
            values.extend([65504.0, -65504.0, 1e-7, 0.0]);
            for extra in [&odd[..0], &odd[..]] {
                let all: Vec<f32> = extra.iter().chain(&values).copied().collect();
                let wide: Vec<u8> = all.iter().flat_map(|v| v.to_le_bytes()).collect();
                let bf16: Vec<u8> = all.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
                let f16: Vec<u8> = all.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
                let found = [count(Dtype::F32, &wide), count(Dtype::BF16, &bf16), count(Dtype::F16, &f16)];
                assert_eq!(found, [extra.len(); 3], "{n}");
            }
        }
        assert_eq!(count(Dtype::F32, &f32::MAX.to_le_bytes()), 0);
    }

    /// Random tasks whose values reach for the end of the range: what is proven finite is.
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
            let keep = Keep::Listed { keep: &[1; 64], scale };
            let input = |data, w: f32| Input { source: view(data), weight: w, keep };
            let rule = match round % 3 {
                0 => Rule::Linear,
                kind => Rule::Sum { consensus: kind == 1, lambda: [1.0, 1e9][round as usize / 3 % 2] },
            };
            let extent = tensors.iter().fold(Extent::NONE, |e, t| e.and(Extent::of_bf16(t)));
            let task = Task {
                base: view(&tensors[0]),
                inputs: vec![input(&tensors[1], noise() * weight), input(&tensors[2], noise() * weight)],
                narrow: round % 2 == 0,
                rule,
                normalize: round % 5 < 3,
                extent: Some(extent),
            };
            let mut out = vec![0; 128];
            task.run(0, &mut out);
            let bad = count(Dtype::BF16, &out);
            if task.stays_finite() {
                proven += 1;
                assert_eq!(bad, 0, "round {round}");
            }
            broken += usize::from(bad > 0);
            // A count beside the pass finds the same.
            assert_eq!(task.fill(&mut out, false), bad, "round {round}");
        }
        assert!(proven > 1000 && broken > 200, "{proven} proven, {broken} broken");
    }
}
