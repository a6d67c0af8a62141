//! The simplest methods: linear, passthrough, nearswap. `methods` calls them for one tensor.

use super::{Group, Out, Problem};

/// `linear`: weighted sum of all inputs, divided by the sum of weights if `normalize`. Computed in f32 by fused
/// multiply-adds in recipe order, whatever the input type, and rounded once.
pub(super) fn linear(
    group: &Group<'_>,
    weights: &[f64],
    normalize: bool,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let total = check_weights(weights, normalize)?;
    group.write(out, |x, out| {
        out.fill(0.0);
        for (input, weight) in weights.iter().enumerate() {
            let weight = *weight as f32;
            for (o, v) in out.iter_mut().zip(x.of(input)) {
                *o = v.mul_add(weight, *o);
            }
        }
        if normalize {
            for o in out.iter_mut() {
                *o /= total;
            }
        }
    });
    Ok(())
}

/// The sum of weights; an error if it is needed and zero.
pub(in crate::merge) fn check_weights(weights: &[f64], normalize: bool) -> Result<f32, Problem> {
    let total = weights.iter().fold(0.0_f32, |sum, w| sum + *w as f32);
    if normalize && total == 0.0 {
        return Err(Problem(
            "has weights that sum to 0, and divides by their sum; change a weight or set normalize = false"
                .to_owned(),
        ));
    }
    Ok(total)
}

/// `passthrough`: the only input, multiplied by `scale` if it is set.
pub(super) fn passthrough(group: &Group<'_>, scale: Option<f64>, out: &mut Out<'_>) -> Result<(), Problem> {
    if group.inputs.len() != 1 {
        return Err(Problem(format!("takes exactly one model; got {}", group.inputs.len())));
    }
    group.write(out, |x, out| match scale {
        None => out.copy_from_slice(x.of(0)),
        Some(scale) => {
            for (o, v) in out.iter_mut().zip(x.of(0)) {
                *o = v * scale as f32;
            }
        }
    });
    Ok(())
}

/// `nearswap`: moves each element from the base towards the other input by t / |a − b|, at most all the way, so that
/// elements that are close are swapped.
pub(super) fn nearswap(group: &Group<'_>, t: f64, out: &mut Out<'_>) -> Result<(), Problem> {
    let (Some(base), Some(other), 2) = (group.base, group.others().next(), group.inputs.len()) else {
        return Err(Problem("needs a base and exactly one other model".to_owned()));
    };
    let r = |x: f32| group.r(x);
    let floor = r(1e-6);
    group.write(out, |x, out| {
        for ((o, a), b) in out.iter_mut().zip(x.of(base)).zip(x.of(other)) {
            let distance = r(a - b).abs().max(floor);
            // torch computes number / tensor as number · (1 / tensor).
            let weight = r(r(1.0 / distance) * t as f32).clamp(0.0, 1.0);
            *o = r(weight * b) + r(r(1.0 - weight) * a);
        }
    });
    Ok(())
}
