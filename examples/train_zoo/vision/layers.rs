//! The pieces of a vision transformer that a Llama block has not: layer norm, attention without a mask, `quick_gelu`.

use anyhow::Result;
use candle_core::Tensor;

use crate::ops::{self, add_bias, dot, exp, sum_rows, tensor, with};

pub const EPS: f32 = 1e-5;

/// `x W^T + b`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let out = x.matmul(&weight.t()?)?;
    let sum = with(&out, |out| with(bias, |bias| add_bias(out, bias)))??;
    tensor(sum, out.shape().clone())
}

/// The gradients of [`linear`]: of `x`, of the weight, of the bias.
pub fn linear_back(x: &Tensor, weight: &Tensor, dy: &Tensor) -> Result<(Tensor, [Vec<f32>; 2])> {
    let d_weight = with(&dy.t()?.matmul(x)?, <[f32]>::to_vec)?;
    let d_bias = with(dy, |d| sum_rows(d, weight.dims()[0]))?;
    Ok((dy.matmul(weight)?, [d_weight, d_bias]))
}

/// What [`layer_norm_back`] needs: the rows before weight and bias, and each row's factor.
pub struct Normed {
    rows: Vec<f32>,
    factors: Vec<f32>,
}

pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<(Tensor, Normed)> {
    let width = weight.elem_count();
    let (mut rows, mut factors) = (Vec::with_capacity(x.elem_count()), Vec::new());
    with(x, |x| {
        for row in x.chunks_exact(width) {
            let mean = row.iter().sum::<f32>() / width as f32;
            let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / width as f32;
            let factor = (variance + EPS).sqrt().recip();
            rows.extend(row.iter().map(|v| (v - mean) * factor));
            factors.push(factor);
        }
    })?;
    let out = with(weight, |w| {
        with(bias, |b| {
            let scaled = rows
                .chunks_exact(width)
                .flat_map(|row| row.iter().zip(w).zip(b).map(|((r, w), b)| r * w + b));
            scaled.collect::<Vec<f32>>()
        })
    })??;
    Ok((tensor(out, x.shape().clone())?, Normed { rows, factors }))
}

/// The gradients of [`layer_norm`]: of `x`, of the weight, of the bias.
pub fn layer_norm_back(kept: &Normed, weight: &Tensor, dy: &Tensor) -> Result<(Vec<f32>, [Vec<f32>; 2])> {
    let width = weight.elem_count();
    let mut dx = Vec::with_capacity(dy.elem_count());
    let (mut dw, mut db) = (vec![0f32; width], vec![0f32; width]);
    let mut pull = vec![0f32; width];
    with(weight, |w| {
        with(dy, |dy| {
            for ((row, dy), factor) in
                kept.rows.chunks_exact(width).zip(dy.chunks_exact(width)).zip(&kept.factors)
            {
                for i in 0..width {
                    dw[i] += dy[i] * row[i];
                    db[i] += dy[i];
                    pull[i] = dy[i] * w[i];
                }
                let mean = pull.iter().sum::<f32>() / width as f32;
                let along = dot(&pull, row) / width as f32;
                dx.extend((0..width).map(|i| factor * (pull[i] - mean - row[i] * along)));
            }
        })
    })??;
    Ok((dx, [dw, db]))
}

/// Softmax of each row of scaled scores.
pub fn softmax(scores: &[f32], width: usize, scale: f32) -> Vec<f32> {
    let mut out = vec![0f32; scores.len()];
    for (row, to) in scores.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let top = row.iter().copied().fold(f32::MIN, f32::max);
        for (to, x) in to.iter_mut().zip(row) {
            *to = exp((x - top) * scale);
        }
        let whole = to.iter().sum::<f32>().recip();
        for to in to {
            *to *= whole;
        }
    }
    out
}

/// The gradient of [`softmax`] in the scores.
pub fn softmax_back(p: &[f32], dp: &[f32], width: usize, scale: f32) -> Vec<f32> {
    let rows = p.chunks_exact(width).zip(dp.chunks_exact(width));
    rows.flat_map(|(p, dp)| {
        let mean = dot(p, dp);
        p.iter().zip(dp).map(move |(p, dp)| p * (dp - mean) * scale)
    })
    .collect()
}

fn gate(x: f32) -> f32 {
    1.0 / (1.0 + exp(-1.702 * x))
}

/// x σ(1.702 x).
pub fn quick_gelu(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| x * gate(x)).collect()
}

/// The gradient of [`quick_gelu`].
pub fn quick_gelu_back(x: &[f32], dy: &[f32]) -> Vec<f32> {
    x.iter()
        .zip(dy)
        .map(|(&x, dy)| {
            let s = gate(x);
            dy * s * (1.0 + 1.702 * x * (1.0 - s))
        })
        .collect()
}

/// `a + b`.
pub fn sum_of(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let mut sum = with(a, <[f32]>::to_vec)?;
    with(b, |b| ops::add_to(&mut sum, b))?;
    tensor(sum, a.shape().clone())
}
