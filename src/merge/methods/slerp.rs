//! Interpolation along the great circle between two models. slerp works on whole tensors; nuslerp uses weights, works
//! with or without a base, and on whole tensors, rows or columns.

use super::{Group, Out, Problem};
use crate::merge::kernels::block::BLOCK_LEN;

/// `slerp` (mergekit's `slerp.py`): `t` = 0 is the base, 1 the other input. Computed in f32 for every input type:
/// a·sin((1−t)θ)/sin θ + b·sin(tθ)/sin θ, where θ is the angle between the two; linear where |cos θ| > 0.9995.
pub(super) fn slerp(group: &Group<'_>, t: f64, out: &mut Out<'_>) -> Result<(), Problem> {
    let (a, b) = base_and_other(group)?;
    let t = t as f32;
    let squares = group.sums(2, |x, sums| {
        for (a, b) in x.of(a).iter().zip(x.of(b)) {
            sums[0] += f64::from(*a) * f64::from(*a);
            sums[1] += f64::from(*b) * f64::from(*b);
        }
    });
    let norms = [squares[0], squares[1]].map(|s| s.sqrt() as f32);
    let [na, nb] = norms.map(|n| if n > 1e-8 { n } else { 1.0 });
    let dots = group.sums(1, |x, sums| {
        for (a, b) in x.of(a).iter().zip(x.of(b)) {
            sums[0] += f64::from((a / na) * (b / nb));
        }
    });
    let dot = (dots[0] as f32).clamp(-1.0, 1.0);
    let (ca, cb) = if dot.abs() > 0.9995 {
        (1.0 - t, t)
    } else {
        let theta = dot.acos();
        (((1.0 - t) * theta).sin() / theta.sin(), (t * theta).sin() / theta.sin())
    };
    group.write(out, |x, out| {
        for ((o, a), b) in out.iter_mut().zip(x.of(a)).zip(x.of(b)) {
            *o = ca * a + cb * b;
        }
    });
    Ok(())
}

fn base_and_other(group: &Group<'_>) -> Result<(usize, usize), Problem> {
    match (group.base, group.others().next(), group.inputs.len()) {
        (Some(base), Some(other), 2) => Ok((base, other)),
        _ => Err(Problem("needs a base and exactly one other model".to_owned())),
    }
}

/// Which part of a tensor is one vector for [`nuslerp`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// The whole tensor.
    All,
    /// Each row (along the last axis).
    Rows,
    /// Each column (along the first axis): mergekit's `nuslerp_row_wise`.
    Columns,
}

/// `nuslerp` (mergekit's `nuslerp.py`): interpolates between two models by the share of the second model's weight, or
/// between their task vectors if there is a base.
pub(super) fn nuslerp(
    group: &Group<'_>,
    weights: &[f64],
    row_wise: bool,
    flatten: bool,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let others: Vec<usize> = group.others().collect();
    let &[a, b] = others.as_slice() else {
        return Err(Problem(format!("needs exactly two models beside the base; got {}", others.len())));
    };
    let total = weights[0] + weights[1];
    let t = if total.abs() < 1e-6 { 0.5 } else { weights[1] / total };
    let axis = match (flatten, row_wise && group.shape.len() > 1) {
        (true, _) => Axis::All,
        (false, true) => Axis::Columns,
        (false, false) => Axis::Rows,
    };
    let r = |x: f32| group.r(x);
    let pair = |x: &super::InputBlock<'_>, at: usize| {
        let base = group.base.map(|base| x.of(base)[at]);
        [x.of(a)[at], x.of(b)[at]].map(|v| base.map_or(v, |base| r(v - base)))
    };
    // Index of the vector that contains the element at a flat index.
    let (_, columns) = group.rows();
    let first = group.shape.first().copied().unwrap_or(1);
    let inner = group.len().checked_div(first).unwrap_or(1).max(1);
    let vectors = match axis {
        Axis::All => 1,
        Axis::Rows => group.rows().0,
        Axis::Columns => inner,
    };
    let vector = |at: usize| match axis {
        Axis::All => 0,
        Axis::Rows => at / columns,
        Axis::Columns => at % inner,
    };
    let squares = group.sums(2 * vectors, |x, sums| {
        for i in 0..x.len {
            let v = vector(x.at + i);
            let [a, b] = pair(x, i).map(f64::from);
            sums[2 * v] += a * a;
            sums[2 * v + 1] += b * b;
        }
    });
    let norms: Vec<f32> = squares.iter().map(|s| r(s.sqrt() as f32).max(r(1e-7))).collect();
    let dots = group.sums(vectors, |x, sums| {
        for i in 0..x.len {
            let v = vector(x.at + i);
            let [a, b] = pair(x, i);
            sums[v] += f64::from(r(r(a / norms[2 * v]) * r(b / norms[2 * v + 1])));
        }
    });
    let arcs: Vec<Arc> = dots.iter().map(|dot| Arc::new(group, group.r64(*dot), t)).collect();
    let (back, forth) = ((1.0 - t) as f32, t as f32);
    group.write(out, |x, out| {
        debug_assert!(x.len <= BLOCK_LEN);
        for (i, o) in out.iter_mut().enumerate() {
            let [a, b] = pair(x, i);
            let v = match arcs[vector(x.at + i)] {
                Arc::Straight => r(r(back * a) + r(forth * b)),
                Arc::Round { ca, cb, sin } => r(r(r(ca * a) + r(cb * b)) / sin),
            };
            *o = group.base.map_or(v, |base| x.of(base)[i] + v);
        }
    });
    Ok(())
}

#[derive(Clone, Copy)]
enum Arc {
    Straight,
    Round { ca: f32, cb: f32, sin: f32 },
}

impl Arc {
    fn new(group: &Group<'_>, cos: f32, t: f64) -> Self {
        let r = |x: f32| group.r(x);
        let cos = cos.clamp(-1.0, 1.0);
        if r(1.0 - r(cos * cos)) <= 1e-16 {
            return Self::Straight;
        }
        let theta = r(cos.acos());
        let part = |t: f64| r(r(t as f32 * theta).sin());
        Self::Round { ca: part(1.0 - t), cb: part(t), sin: r(theta.sin()) }
    }
}
