//! `arcee_fusion` (mergekit's `arcee_fusion.py`): takes from the second model only the weights whose change matters
//! most. `methods` calls it for one tensor.

use rayon::prelude::*;

use super::{Group, Out, Problem};

/// In tensors with more elements than this, quartiles are estimated from this many samples.
pub(in crate::merge) const SAMPLE: usize = 1_000_000;

/// Importance = |change| · KL(softmax of the row ‖ softmax of the base's row). Elements with an importance of at least
/// median + 1.5 · interquartile range are taken from the second model. The result is f32 even for bfloat16 inputs, as
/// in mergekit. `sample` chooses the elements to look at if there are more than [`SAMPLE`].
pub(super) fn arcee_fusion(
    group: &Group<'_>,
    sample: impl FnOnce(usize) -> Vec<u32>,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let (Some(base), Some(other), 2) = (group.base, group.others().next(), group.inputs.len()) else {
        return Err(Problem("needs a base and exactly one other model".to_owned()));
    };
    let n = group.len();
    if n == 0 {
        return Ok(());
    }
    let importance = importance(group, base, other);
    let mut sorted: Vec<f32> = if n > SAMPLE {
        sample(n).into_iter().map(|i| importance[i as usize]).collect()
    } else {
        importance.clone()
    };
    sorted.par_sort_unstable_by(f32::total_cmp);
    let last = (sorted.len() - 1) as f32;
    let [q1, median, q3] = [0.25_f32, 0.5, 0.75].map(|q| sorted[(q * last) as usize]);
    let r = |x: f32| group.r(x);
    let threshold = r(median + r(r(q3 - q1) * 1.5));
    group.write(out, |x, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let (a, b) = (x.of(base)[i], x.of(other)[i]);
            let keep = f32::from(u8::from(importance[x.at + i] >= threshold));
            *o = a + r(b - a) * keep;
        }
    });
    Ok(())
}

fn importance(group: &Group<'_>, base: usize, other: usize) -> Vec<f32> {
    let (_, columns) = group.rows();
    let mut out = vec![0.0; group.len()];
    out.par_chunks_mut(columns.max(1)).enumerate().for_each(|(row, out)| {
        let mut values = [vec![0.0; columns], vec![0.0; columns]];
        let start = row * columns;
        group.blocks(start..start + columns, |x| {
            for (values, input) in values.iter_mut().zip([base, other]) {
                values[x.at - start..x.at - start + x.len].copy_from_slice(x.of(input));
            }
        });
        let r = |x: f32| group.r(x);
        for (o, (a, b)) in out.iter_mut().zip(values[0].iter().zip(&values[1])) {
            *o = r(b - a).abs();
        }
        for v in &mut values {
            softmax(group, v);
        }
        let kl = values[1].iter().zip(&values[0]).map(|(p, q)| f64::from(r(p * r(r(p / q).ln())))).sum();
        let kl = group.r64(kl);
        for o in out.iter_mut() {
            *o = r(*o * kl);
        }
    });
    out
}

/// Softmax in place, in f32, rounded once; then adds 1e-8 to each value.
fn softmax(group: &Group<'_>, values: &mut [f32]) {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for v in values.iter_mut() {
        *v = (*v - top).exp();
    }
    let sum = values.iter().map(|v| f64::from(*v)).sum::<f64>() as f32;
    for v in values.iter_mut() {
        *v = group.r(group.r(*v / sum) + 1e-8);
    }
}
