//! `model_stock` (mergekit's `model_stock.py`; Jang et al., arXiv:2403.19522): moves from the base towards the mean of
//! its fine-tunes, by a step that follows from the angle between them.

use super::{Group, InputBlock, Out, Problem};

/// t = N·c / (1 + (N − 1)·c), where c is the mean cosine of all pairs of task vectors; the result is t·mean + (1 −
/// t)·base. With `filter_wise`, each row has its own t. If the denominator is nearly 0, the result is the base.
pub(super) fn model_stock(group: &Group<'_>, filter_wise: bool, out: &mut Out<'_>) -> Result<(), Problem> {
    let others: Vec<usize> = group.others().collect();
    let (Some(base), true) = (group.base, others.len() >= 2) else {
        return Err(Problem("needs a base and at least two other models".to_owned()));
    };
    let r = |x: f32| group.r(x);
    let count = others.len();
    let (rows, columns) = if filter_wise { group.rows() } else { (1, group.len()) };
    let offset = |x: &InputBlock<'_>, model: usize, i: usize| r(x.of(others[model])[i] - x.of(base)[i]);
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
    let width = count + pairs.len();
    let sums = group.sums(rows * width, |x, sums| {
        for i in 0..x.len {
            let sums = &mut sums[(x.at + i) / columns * width..][..width];
            for (model, sum) in sums[..count].iter_mut().enumerate() {
                *sum += f64::from(offset(x, model, i)).powi(2);
            }
            for (sum, (a, b)) in sums[count..].iter_mut().zip(&pairs) {
                *sum += f64::from(r(offset(x, *a, i) * offset(x, *b, i)));
            }
        }
    });
    let ratio = |sums: &[f64]| {
        let norm = |model: usize| r(sums[model].sqrt() as f32);
        let cosine = |(pair, (a, b)): (usize, &(usize, usize))| {
            let product = r(norm(*a) * norm(*b)).max(r(1e-6));
            r(group.r64(sums[count + pair]) / product).clamp(-1.0, 1.0)
        };
        let cos = r(pairs.iter().enumerate().map(cosine).sum::<f32>() / pairs.len() as f32);
        let denominator = r(1.0 + r((count - 1) as f32 * cos));
        if denominator.abs() < 1e-6 { 0.0 } else { r(r(count as f32 * cos) / denominator) }
    };
    let ratios: Vec<f32> = sums.chunks(width).map(ratio).collect();
    group.write(out, |x, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let t = ratios[(x.at + i) / columns];
            let sum = others.iter().fold(0.0, |sum, input| r(sum + x.of(*input)[i]));
            let mean = r(sum / count as f32);
            *o = r(t * mean) + r(r(1.0 - t) * x.of(base)[i]);
        }
    });
    Ok(())
}
