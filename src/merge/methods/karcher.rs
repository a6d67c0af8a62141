//! `karcher` (mergekit's `karcher.py`): the Riemannian centre of mass of all inputs' directions,
//! times their mean norm.

use super::{Group, Out};

/// Takes at most `max_iter` steps along the mean tangent, until a step is shorter than `tol`. All inputs have the same
/// weight, including a base that is one of them. The mean is held as one tensor of f32.
pub(super) fn karcher(group: &Group<'_>, max_iter: u64, tol: f64, out: &mut Out<'_>) {
    let count = group.inputs.len();
    if count == 1 {
        group.write(out, |x, out| out.copy_from_slice(x.of(0)));
        return;
    }
    let r = |x: f32| group.r(x);
    let squares = group.sums(count, |x, sums| {
        for (input, sum) in sums.iter_mut().enumerate() {
            *sum += x.of(input).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        }
    });
    let norms: Vec<f32> = squares.iter().map(|s| s.sqrt() as f32).collect();
    let valid: Vec<usize> = (0..count).filter(|i| f64::from(norms[*i]) > tol).collect();
    if valid.is_empty() {
        group.write(out, |_, out| out.fill(0.0));
        return;
    }
    let share = 1.0 / count as f64;
    let total = valid.iter().fold(0.0, |sum, _| sum + share);
    let alpha = (share / total) as f32;
    let mut mean = vec![0.0_f32; group.len()];
    let each = |mean: &mut [f32], f: &mut dyn FnMut(&[f32], &mut [f32])| {
        // `units[v * len + i]` for the current block, and the mean's block.
        let mut units = vec![0.0; valid.len() * crate::merge::kernels::block::BLOCK_LEN];
        group.blocks(0..group.len(), |x| {
            for (units, &input) in units.chunks_mut(x.len).zip(&valid) {
                for (u, v) in units.iter_mut().zip(x.of(input)) {
                    *u = r(v / norms[input]);
                }
            }
            f(&units[..valid.len() * x.len], &mut mean[x.at..x.at + x.len]);
        });
    };
    each(&mut mean, &mut |units, mean| {
        for unit in units.chunks(mean.len()) {
            for (m, u) in mean.iter_mut().zip(unit) {
                *m = r(*m + r(alpha * u));
            }
        }
    });
    let norm = length(&mean);
    if f64::from(norm) < tol {
        each(&mut mean, &mut |units, mean| mean.copy_from_slice(&units[..mean.len()]));
    } else {
        for m in &mut mean {
            *m = r(*m / norm);
        }
    }
    for _ in 0..max_iter {
        let mut dots = vec![0.0_f64; valid.len()];
        each(&mut mean, &mut |units, mean| {
            for (dot, unit) in dots.iter_mut().zip(units.chunks(mean.len())) {
                *dot += unit.iter().zip(&*mean).map(|(u, m)| f64::from(*u) * f64::from(*m)).sum::<f64>();
            }
        });
        // For inputs that differ from the mean: the angle to the mean, and the factor on the tangent.
        let steps: Vec<Option<(f32, f32)>> = dots
            .iter()
            .map(|dot| {
                let dot = group.r64(*dot).clamp(-1.0, 1.0);
                let theta = r(dot.acos());
                (f64::from(theta) >= tol).then(|| (dot, r(alpha * r(theta / r(theta.sin())))))
            })
            .collect();
        let tangent = |units: &[f32], len: usize, i: usize, mean: f32| {
            steps.iter().enumerate().fold(0.0, |sum, (v, step)| match step {
                Some((dot, factor)) => r(sum + r(factor * r(units[v * len + i] - r(dot * mean)))),
                None => sum,
            })
        };
        let mut square = 0.0_f64;
        each(&mut mean, &mut |units, mean| {
            for (i, m) in mean.iter().enumerate() {
                square += f64::from(tangent(units, mean.len(), i, *m)).powi(2);
            }
        });
        let size = square.sqrt() as f32;
        if f64::from(size) < tol {
            break;
        }
        let (cos, sin) = (r(size.cos()), r(size.sin()));
        each(&mut mean, &mut |units, mean| {
            let len = mean.len();
            for (i, m) in mean.iter_mut().enumerate() {
                *m = r(r(cos * *m) + r(sin * r(tangent(units, len, i, *m) / size)));
            }
        });
        let norm = length(&mean);
        if f64::from(norm) > tol {
            for m in &mut mean {
                *m = r(*m / norm);
            }
        }
    }
    let scale = r(norms.iter().fold(0.0, |sum, n| sum + share as f32 * n));
    group.write(out, |x, out| {
        for (o, m) in out.iter_mut().zip(&mean[x.at..]) {
            *o = scale * m;
        }
    });
}

fn length(values: &[f32]) -> f32 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32
}
