//! The task-arithmetic family in any work and output type: task arithmetic, TIES, DARE, DELLA and breadcrumbs. They
//! differ only in which elements of a task vector stay and in whether a sign is elected. `run` calls it.
//!
//! `kernels::passes` is the fast version for bfloat16 results; tests compare the two.

use crate::checkpoint::Dtype;

use super::{Group, InputBlock, Out};
use crate::merge::kernels::block::BLOCK_LEN;

/// One model's part.
pub(in crate::merge) struct Part<'a> {
    pub(in crate::merge) weight: f64,
    /// One byte per element, 0 or 1; `None` keeps everything.
    pub(in crate::merge) keep: Option<&'a [u8]>,
    /// Factor on the elements that stay.
    pub(in crate::merge) scale: Option<f32>,
}

/// How task vectors are combined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::merge) struct SumRule {
    /// Only elements with the sign of the weighted sum count.
    pub(in crate::merge) consensus: bool,
    /// Divide by the sum of the weights that count.
    pub(in crate::merge) normalize: bool,
    pub(in crate::merge) lambda: f64,
}

/// Base plus the sum of the kept elements of each task vector (rules: `kernels::passes`). `parts` are the group's
/// inputs without the base, in order.
pub(in crate::merge) fn sum(
    group: &Group<'_>,
    base: usize,
    parts: &[Part<'_>],
    rule: SumRule,
    out: &mut Out<'_>,
) {
    match group.work {
        Dtype::F32 => typed::<0>(group, base, parts, rule, out),
        Dtype::BF16 => typed::<1>(group, base, parts, rule, out),
        Dtype::F16 => typed::<2>(group, base, parts, rule, out),
    }
}

fn typed<const WORK: u8>(
    group: &Group<'_>,
    base: usize,
    parts: &[Part<'_>],
    rule: SumRule,
    out: &mut Out<'_>,
) {
    let r = |x: f32| match WORK {
        0 => x,
        1 => crate::merge::kernels::round::bf16(x),
        _ => half::f16::from_f32(x).to_f32(),
    };
    let others: Vec<usize> = group.others().collect();
    let weights: Vec<f32> = parts.iter().map(|p| r(p.weight as f32)).collect();
    let total = r(weights.iter().sum());
    let total = if total.abs() < 1e-8 { 1.0 } else { total };
    let lambda = rule.lambda as f32;
    // f16 values are masked and rescaled in f32, bfloat16 values in bfloat16.
    let weighted = |x: &InputBlock<'_>, part: usize, i: usize| {
        let p = &parts[part];
        let delta = r(x.of(others[part])[i] - x.of(base)[i]);
        let kept = match p.keep {
            Some(keep) if keep[x.at + i] == 0 => 0.0,
            _ => delta,
        };
        r(p.scale.map_or(kept, |scale| r(kept * scale)) * weights[part])
    };
    group.write(out, |x, out| {
        let mut deltas = vec![0.0_f32; parts.len() * BLOCK_LEN];
        for (part, deltas) in deltas.chunks_mut(BLOCK_LEN).enumerate() {
            for (i, d) in deltas[..x.len].iter_mut().enumerate() {
                *d = weighted(x, part, i);
            }
        }
        for (i, o) in out.iter_mut().enumerate() {
            let values = || (0..parts.len()).map(|part| deltas[part * BLOCK_LEN + i]);
            let all = r(values().fold(0.0, |sum, d| sum + d));
            let (mut mix, mut divisor) = (all, total);
            if rule.consensus {
                let positive = all >= 0.0;
                let (mut sum, mut weight) = (0.0, 0.0);
                for (d, w) in values().zip(&weights) {
                    if d != 0.0 && (d > 0.0) == positive {
                        sum += d;
                        weight += w;
                    }
                }
                mix = r(sum);
                divisor = r(weight);
                if divisor == 0.0 {
                    divisor = 1.0;
                }
            }
            if rule.normalize {
                mix = r(mix / divisor);
            }
            if lambda.to_bits() != 1_f32.to_bits() {
                mix = r(mix * lambda);
            }
            *o = x.of(base)[i] + mix;
        }
    });
}
