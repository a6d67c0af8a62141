//! `multislerp` (mergekit's `multislerp.py`): the barycentre of several models on a sphere. `methods` calls it for one
//! tensor.

use super::{Group, InputBlock, Out, Problem};

/// Averages the unit vectors with the weights, projects them to the tangent plane at that mean's direction, averages
/// there, and maps back to the sphere, whose radius is the weighted mean norm. With a base, it merges task vectors. A
/// single model is returned unchanged.
pub(super) fn multislerp(
    group: &Group<'_>,
    weights: &[f64],
    normalize: bool,
    eps: f64,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let others: Vec<usize> = group.others().collect();
    if let &[only] = others.as_slice() {
        group.write(out, |x, out| out.copy_from_slice(x.of(only)));
        return Ok(());
    }
    let r = |x: f32| group.r(x);
    let eps32 = eps as f32;
    let count = others.len();
    let mut weights: Vec<f32> = weights.iter().map(|w| r(*w as f32)).collect();
    if normalize {
        let sum = r(weights.iter().sum());
        if sum == 0.0 {
            return Err(Problem("has weights that sum to 0, and divides by their sum".to_owned()));
        }
        for w in &mut weights {
            *w = r(*w / sum);
        }
    }
    let value = |x: &InputBlock<'_>, model: usize, i: usize| {
        let v = x.of(others[model])[i];
        group.base.map_or(v, |base| r(v - x.of(base)[i]))
    };
    let squares = group.sums(count, |x, sums| {
        for (model, sum) in sums.iter_mut().enumerate() {
            *sum += (0..x.len).map(|i| f64::from(value(x, model, i)).powi(2)).sum::<f64>();
        }
    });
    let norms: Vec<f32> = squares.iter().map(|s| r(s.sqrt() as f32)).collect();
    let divisors: Vec<f32> = norms.iter().map(|n| r(n + eps32)).collect();
    let unit = |x: &InputBlock<'_>, model: usize, i: usize| r(value(x, model, i) / divisors[model]);
    let raw_mean = |x: &InputBlock<'_>, i: usize| {
        r((0..count).fold(0.0, |sum, model| sum + r(unit(x, model, i) * weights[model])))
    };
    let square = group.sums(1, |x, sums| {
        sums[0] += (0..x.len).map(|i| f64::from(raw_mean(x, i)).powi(2)).sum::<f64>();
    })[0];
    let mean_norm = r(square.sqrt() as f32);
    let add_base = |x: &InputBlock<'_>, i: usize, v: f32| group.base.map_or(v, |base| x.of(base)[i] + r(v));
    if f64::from(mean_norm) < eps {
        if count != 2 {
            return Err(Problem(
                "finds the weighted mean of the models' directions to be zero; change a weight".to_owned(),
            ));
        }
        group.write(out, |x, out| {
            for (i, o) in out.iter_mut().enumerate() {
                let v = r(value(x, 0, i) * weights[0]) + r(value(x, 1, i) * weights[1]);
                *o = add_base(x, i, v);
            }
        });
        return Ok(());
    }
    let mean = |x: &InputBlock<'_>, i: usize| r(raw_mean(x, i) / mean_norm);
    let dots = group.sums(count, |x, sums| {
        for i in 0..x.len {
            let mean = mean(x, i);
            for (model, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(r(unit(x, model, i) * mean));
            }
        }
    });
    let dots: Vec<f32> = dots.iter().map(|d| group.r64(*d)).collect();
    let tangent = |x: &InputBlock<'_>, i: usize, mean: f32| {
        r((0..count)
            .fold(0.0, |sum, model| sum + r(r(unit(x, model, i) - r(dots[model] * mean)) * weights[model])))
    };
    let square = group.sums(1, |x, sums| {
        sums[0] += (0..x.len).map(|i| f64::from(tangent(x, i, mean(x, i))).powi(2)).sum::<f64>();
    })[0];
    let length = r(r(square.sqrt() as f32) + eps32);
    let (cos, sin) = (r(length.cos()), r(r(length.sin()) / length));
    let scale = r(norms.iter().zip(&weights).fold(0.0, |sum, (n, w)| sum + r(n * w)));
    group.write(out, |x, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let mean = mean(x, i);
            let v = r(r(mean * cos) + r(tangent(x, i, mean) * sin));
            *o = add_base(x, i, v * scale);
        }
    });
    Ok(())
}
