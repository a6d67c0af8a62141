//! `ram` and `ramplus_tl` (mergekit's `ram.py`; arXiv:2601.13572): changes of several models that
//! touch different weights are added, those that touch the same weight averaged.

use super::{Group, InputBlock, Out, Problem};

/// Changes above `epsilon`: a change of only one model is kept, changes of several models are averaged.
pub(super) fn ram(group: &Group<'_>, epsilon: f64, out: &mut Out<'_>) -> Result<(), Problem> {
    let (base, others, threshold) = parts(group, epsilon)?;
    let r = |x: f32| group.r(x);
    group.write(out, |x, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let (deltas, moved) = changes(group, x, base, &others, threshold, i);
            let divisor = if moved > 1 { moved as f32 } else { 1.0 };
            let sum = deltas.fold(0.0, |sum, d| if d == 0.0 { sum } else { sum + r(d / divisor) });
            *o = x.of(base)[i] + r(sum);
        }
    });
    Ok(())
}

/// Like [`ram`], but a change that only one model makes grows by 1 + r·min(shared/own, alpha) within this tensor. The
/// result is f32 even for bfloat16 inputs, as in mergekit.
pub(super) fn ramplus_tl(
    group: &Group<'_>,
    rate: f64,
    alpha: f64,
    epsilon: f64,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let (base, others, threshold) = parts(group, epsilon)?;
    let r = |x: f32| group.r(x);
    let counts = group.sums(2 * others.len(), |x, sums| {
        for i in 0..x.len {
            let (deltas, moved) = changes(group, x, base, &others, threshold, i);
            for (model, d) in deltas.enumerate() {
                if d != 0.0 {
                    sums[2 * model + usize::from(moved == 1)] += 1.0;
                }
            }
        }
    });
    let growth = |counts: &[f64]| {
        let rho = counts[0] as f32 / (counts[1] as f32).max(epsilon as f32);
        1.0 + rho.clamp(0.0, (alpha as f32).max(0.0)) * rate as f32
    };
    let growths: Vec<f32> = counts.chunks(2).map(growth).collect();
    group.write(out, |x, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let (deltas, moved) = changes(group, x, base, &others, threshold, i);
            let part = |(d, growth): (f32, &f32)| match moved {
                0 => 0.0,
                1 => d * growth,
                _ => r(d / moved as f32),
            };
            *o = x.of(base)[i] + deltas.zip(&growths).map(part).sum::<f32>();
        }
    });
    Ok(())
}

fn parts(group: &Group<'_>, epsilon: f64) -> Result<(usize, Vec<usize>, f32), Problem> {
    let base = group.base.ok_or_else(|| Problem("needs a base".to_owned()))?;
    Ok((base, group.others().collect(), group.r(epsilon as f32)))
}

/// The changes at one element (0 if not above the threshold), and the number of changes.
fn changes<'x>(
    group: &'x Group<'_>,
    x: &'x InputBlock<'_>,
    base: usize,
    others: &'x [usize],
    threshold: f32,
    i: usize,
) -> (impl Iterator<Item = f32> + 'x, usize) {
    let deltas = others.iter().map(move |input| {
        let d = group.r(x.of(*input)[i] - x.of(base)[i]);
        if d.abs() > threshold { d } else { 0.0 }
    });
    let moved = deltas.clone().filter(|d| *d != 0.0).count();
    (deltas, moved)
}
