//! Formulas that candle has no operation for: rotary positions, masked attention, soft caps. The candle backend calls
//! them.

use candle_core::{D, DType, Tensor};

use crate::lm::{LmError, shape::DecoderShape};

/// Rotates `[rows, heads, head_dim]` by cosines and sines `[rows, 1, pairs]`. Features beyond the pairs are
/// left alone.
pub(super) fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor, LmError> {
    let (dim, half) = (x.dim(D::Minus1)?, cos.dim(D::Minus1)?);
    let (low, high) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let new_low = (low.broadcast_mul(cos)? - high.broadcast_mul(sin)?)?;
    let new_high = (high.broadcast_mul(cos)? + low.broadcast_mul(sin)?)?;
    let rest = x.narrow(D::Minus1, 2 * half, dim - 2 * half)?;
    Ok(Tensor::cat(&[new_low, new_high, rest], D::Minus1)?)
}

/// Softmax attention of queries `[n, kv_heads, group · rows, head_dim]` over keys and values
/// `[n, kv_heads, length, head_dim]`; `mask` is added to the scores (0 or -∞).
pub(super) fn mix(
    shape: &DecoderShape,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: &Tensor,
) -> Result<Tensor, LmError> {
    let scale = f64::from(shape.score_scale);
    let scores = (q.contiguous()?.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale)?;
    let mut scores = scores.to_dtype(DType::F32)?;
    if let Some(cap) = shape.score_cap {
        scores = softcapped(&scores, cap)?;
    }
    let scores = scores.broadcast_add(mask)?;
    let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
    Ok(weights.matmul(&v.contiguous()?)?)
}

/// `cap · tanh(x / cap)`.
pub(super) fn softcapped(x: &Tensor, cap: f32) -> Result<Tensor, LmError> {
    Ok(((x / f64::from(cap))?.tanh()? * f64::from(cap))?)
}

/// 0 where position `p` sees position `j`, else -∞.
pub(super) fn mask_value(p: usize, j: usize, window: Option<usize>) -> f32 {
    if j <= p && window.is_none_or(|w| p - j < w) { 0.0 } else { f32::NEG_INFINITY }
}
