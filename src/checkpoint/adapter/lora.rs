//! The values of a base tensor with an adapter applied, computed like PEFT's `merge_and_unload`. In: the base's tensor
//! and the adapter's A and B. Out: bytes in the base's type. Called when an adapted tensor is first read.
//!
//! A and B are read as f32. Their product times the scale is added to the base's values in f32, and the sum is rounded
//! once to the base's type. (For an embedding, the change is also rounded before it is added, as in PEFT.)

use super::Delta;
use crate::checkpoint::formats::header::Entry;
use crate::checkpoint::{Dtype, TensorView};

/// The bytes of `base` with `delta` applied; `part` returns the adapter's tensors.
pub(in crate::checkpoint) fn apply<'a>(
    base: TensorView<'_>,
    change: &'a Delta,
    part: impl Fn(&'a Entry) -> TensorView<'a>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(base.data.len());
    match change {
        Delta::Whole(entry) => {
            let mut row = vec![0.0; 1 << 12];
            let view = part(entry);
            for start in (0..view.len()).step_by(row.len()) {
                let row = &mut row[..(view.len() - start).min(1 << 12)];
                view.read_f32(start, row);
                write(base.dtype, row, &mut out);
            }
        }
        Delta::Linear { a, b, scale } => {
            let (a, b) = (whole(part(a)), whole(part(b)));
            let (rows, columns) = (base.shape[0], base.shape[1]);
            add_rows(base, *scale, false, &mut out, |row, sum| {
                let rank = b.len() / rows;
                low_rank(&b[row * rank..(row + 1) * rank], &a, columns, sum);
            });
        }
        Delta::Embedding { a, b, scale } => {
            // Row t of (B·A)ᵀ is B · (column t of A). B is transposed once, so that its rows are contiguous.
            let (a, b) = (whole(part(a)), whole(part(b)));
            let (tokens, hidden) = (base.shape[0], base.shape[1]);
            let rank = a.len() / tokens;
            let turned: Vec<f32> = (0..rank)
                .flat_map(|k| (0..hidden).map(move |h| (k, h)))
                .map(|(k, h)| b[h * rank + k])
                .collect();
            add_rows(base, *scale, true, &mut out, |token, sum| {
                let factors: Vec<f32> = (0..rank).map(|k| a[k * tokens + token]).collect();
                low_rank(&factors, &turned, hidden, sum);
            });
        }
    }
    out
}

/// `base` plus `scale` × the rows that `product` computes, row by row.
fn add_rows(
    base: TensorView<'_>,
    scale: f32,
    round_change: bool,
    out: &mut Vec<u8>,
    mut product: impl FnMut(usize, &mut [f32]),
) {
    let columns = base.shape[1];
    let (mut sum, mut old) = (vec![0.0; columns], vec![0.0; columns]);
    for row in 0..base.shape[0] {
        product(row, &mut sum);
        base.read_f32(row * columns, &mut old);
        for (s, o) in sum.iter_mut().zip(&old) {
            let change = *s * scale;
            *s = o + if round_change { round(base.dtype, change) } else { change };
        }
        write(base.dtype, &sum, out);
    }
}

/// `out[j] = Σₖ factors[k] · rows[k][j]`, one chain of fused multiply-adds in order of k.
fn low_rank(factors: &[f32], rows: &[f32], columns: usize, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features were found on this CPU.
        return unsafe { low_rank_fma(factors, rows, columns, out) };
    }
    chain(factors, rows, columns, out);
}

/// [`chain`] compiled with vector FMA. It gives the same bits, since each operation is exact IEEE.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn low_rank_fma(factors: &[f32], rows: &[f32], columns: usize, out: &mut [f32]) {
    chain(factors, rows, columns, out);
}

#[inline(always)]
#[allow(clippy::inline_always)] // must be inlined into the copy with vector instructions
fn chain(factors: &[f32], rows: &[f32], columns: usize, out: &mut [f32]) {
    out.fill(0.0);
    for (k, factor) in factors.iter().enumerate() {
        for (o, a) in out.iter_mut().zip(&rows[k * columns..(k + 1) * columns]) {
            *o = factor.mul_add(*a, *o);
        }
    }
}

fn whole(view: TensorView<'_>) -> Vec<f32> {
    let mut out = vec![0.0; view.len()];
    view.read_f32(0, &mut out);
    out
}

fn round(dtype: Dtype, value: f32) -> f32 {
    match dtype {
        Dtype::F32 => value,
        Dtype::F16 => half::f16::from_f32(value).to_f32(),
        Dtype::BF16 => half::bf16::from_f32(value).to_f32(),
    }
}

/// Appends values as little-endian `dtype`, rounded to nearest even.
pub(in crate::checkpoint) fn write(dtype: Dtype, values: &[f32], out: &mut Vec<u8>) {
    match dtype {
        Dtype::F32 => out.extend(values.iter().flat_map(|v| v.to_le_bytes())),
        Dtype::F16 => out.extend(values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes())),
        Dtype::BF16 => out.extend(values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes())),
    }
}
