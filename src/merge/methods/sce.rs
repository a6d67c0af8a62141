//! `sce` (mergekit's `sce.py`; arXiv:2408.07990): select the elements in which the models differ
//! most, weigh the models by the energy of what is left, erase minority signs.

use rayon::prelude::*;

use super::{Group, InputBlock, Out, Problem};

/// `select_topk`: the share of elements to keep, among those with a non-zero variance over the task vectors. Elements
/// with the largest variance are kept; ties go to the lowest index.
pub(super) fn sce(group: &Group<'_>, select_topk: f64, out: &mut Out<'_>) -> Result<(), Problem> {
    let base = group.base.ok_or_else(|| Problem("needs a base".to_owned()))?;
    let others: Vec<usize> = group.others().collect();
    let r = |x: f32| group.r(x);
    let keep = (select_topk < 1.0).then(|| select(group, base, &others, select_topk));
    let delta = |x: &InputBlock<'_>, model: usize, i: usize| match &keep {
        Some(keep) if !keep[x.at + i] => 0.0,
        _ => r(x.of(others[model])[i] - x.of(base)[i]),
    };
    let count = others.len();
    let n = group.len() as f32;
    let squares = group.sums(count, |x, sums| {
        for (model, sum) in sums.iter_mut().enumerate() {
            *sum += (0..x.len).map(|i| f64::from(r(delta(x, model, i).powi(2)))).sum::<f64>();
        }
    });
    let means: Vec<f32> = squares.iter().map(|s| r(*s as f32 / n)).collect();
    let total = r(means.iter().sum());
    let weights: Vec<f32> = if total.abs() < 1e-6 {
        vec![r(1.0 / count as f32); count]
    } else {
        means.iter().map(|m| r(m / total)).collect()
    };
    let floor = r(1e-6);
    group.write(out, |x, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let positive = r((0..count).map(|m| delta(x, m, i)).sum()) >= 0.0;
            let (mut sum, mut divisor) = (0.0, 0.0);
            for (model, weight) in weights.iter().enumerate() {
                let d = delta(x, model, i);
                if d != 0.0 && (d > 0.0) == positive {
                    sum += r(d * weight);
                    divisor += weight;
                }
            }
            *o = x.of(base)[i] + r(r(sum) / r(divisor).max(floor));
        }
    });
    Ok(())
}

fn select(group: &Group<'_>, base: usize, others: &[usize], share: f64) -> Vec<bool> {
    let n = group.len();
    let mut keys: Vec<(u32, u32)> = Vec::with_capacity(n);
    group.blocks(0..n, |x| {
        for i in 0..x.len {
            let deltas = others.iter().map(|input| f64::from(group.r(x.of(*input)[i] - x.of(base)[i])));
            // Welford's recurrence in f64, like torch's variance over an axis.
            let (mut mean, mut square) = (0.0, 0.0);
            for (k, d) in deltas.enumerate() {
                let off = d - mean;
                mean += off / (k + 1) as f64;
                square += off * (d - mean);
            }
            let variance = group.r64(square / others.len() as f64);
            // Largest first, then lowest index: ascending in (!bits, index).
            keys.push((!variance.to_bits(), (x.at + i) as u32));
        }
    });
    let moved = keys.iter().filter(|(key, _)| *key != !0).count();
    let kept = if share <= 0.0 { 0 } else { (moved as f32 * share as f32) as usize };
    let mut keep = vec![false; n];
    if kept > 0 {
        keys.par_sort_unstable();
        keys[..kept].iter().for_each(|(_, i)| keep[*i as usize] = true);
    }
    keep
}
