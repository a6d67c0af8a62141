//! Correlation of every unit of one model with every unit of another. Unit values come in, a matrix goes out; `align`
//! calls it.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::merge::MergeError;

use super::units::Units;

/// Rows of the result that are computed at once.
const ROWS: usize = 1024;

/// Pearson's correlation of each unit of `a` with each of `b`, `[a.count, b.count]`; 0 where a
/// unit's values are all the same.
pub(super) fn correlation(mut a: Units, mut b: Units) -> Result<Vec<f32>, MergeError> {
    standardise(&mut a);
    standardise(&mut b);
    let failed = |e: candle_core::Error| MergeError::Unsolved { n: a.count, why: e.to_string() };
    let width = b.width;
    let other = Tensor::from_vec(b.values, (b.count, width), &Device::Cpu).map_err(failed)?;
    let other = other.t().map_err(failed)?;
    let mut out = Vec::with_capacity(a.count * b.count);
    for rows in a.values.chunks(ROWS * width) {
        let part = Tensor::from_slice(rows, (rows.len() / width, width), &Device::Cpu)
            .and_then(|rows| rows.matmul(&other)?.flatten_all()?.to_vec1::<f32>());
        out.extend(part.map_err(failed)?);
    }
    Ok(out)
}

/// Moves each unit's mean to 0 and its length to 1.
fn standardise(units: &mut Units) {
    let width = units.width;
    units.values.par_chunks_mut(width).for_each(|row| {
        let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / width as f64;
        let square = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
        let scale = 1.0 / square.sqrt();
        let scale = if scale.is_finite() { scale } else { 0.0 };
        for v in row {
            *v = ((f64::from(*v) - mean) * scale) as f32;
        }
    });
}

/// Mixes two similarities: `balance` times that of the weights, and the rest from the activations.
pub(super) fn mix(mut weights: Vec<f32>, activations: &[f32], balance: f32) -> Vec<f32> {
    for (w, a) in weights.iter_mut().zip(activations) {
        *w = balance * *w + (1.0 - balance) * a;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_is_pearsons() {
        let a = Units { count: 2, width: 4, values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0, 5.0] };
        let b = Units { count: 2, width: 4, values: vec![8.0, 6.0, 4.0, 2.0, 1.0, 0.0, 0.0, 1.0] };
        let found = correlation(a, b).unwrap();
        for (found, expected) in found.iter().zip([-1.0, 0.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(mix(vec![1.0, 0.0], &[0.0, 1.0], 0.75), [0.75, 0.25]);
    }
}
