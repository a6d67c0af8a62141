//! Casts between the stored type of a tensor and the type in which a merge is computed. `group`, `task_vector` and the
//! methods read and write tensors through these functions.
//!
//! mergekit computes in torch tensors of one type: every elementwise operation rounds to that type, while sums are
//! accumulated in f32 and rounded once. This module holds values as f32 and rounds explicitly.

use crate::checkpoint::{Dtype, TensorView};

use super::round;

/// `x` rounded to `dtype` (nearest, ties to even), as f32.
#[inline(always)]
#[allow(clippy::inline_always)] // must be inlined into the vectorised passes
pub(crate) fn to(dtype: Dtype, x: f32) -> f32 {
    match dtype {
        Dtype::F32 => x,
        Dtype::BF16 => round::bf16(x),
        Dtype::F16 => half::f16::from_f32(x).to_f32(),
    }
}

/// The type to which torch promotes two types: the wider one if it can hold the other, f32 for bfloat16 with float16.
pub(crate) fn promote(a: Dtype, b: Dtype) -> Dtype {
    if a == b { a } else { Dtype::F32 }
}

/// Writes `values` as little-endian `dtype`, rounding.
pub(crate) fn store(dtype: Dtype, values: &[f32], out: &mut [u8]) {
    match dtype {
        Dtype::F32 => {
            for (o, v) in out.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                *o = v.to_le_bytes();
            }
        }
        Dtype::BF16 => {
            for (o, v) in out.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                *o = ((round::bf16(*v).to_bits() >> 16) as u16).to_le_bytes();
            }
        }
        Dtype::F16 => {
            for (o, v) in out.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                *o = half::f16::from_f32(*v).to_le_bytes();
            }
        }
    }
}

/// Elements `at..at + out.len()` of a tensor, rounded to `dtype`.
pub(crate) fn load(view: &TensorView<'_>, dtype: Dtype, at: usize, out: &mut [f32]) {
    view.read_f32(at, out);
    if view.dtype != dtype && dtype != Dtype::F32 {
        for x in out {
            *x = to(dtype, *x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_values_load_again() {
        let values = [0.0, -1.5, 0.1, 3.0e-5, 65504.0];
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            let mut bytes = vec![0; values.len() * dtype.size()];
            store(dtype, &values, &mut bytes);
            let view = TensorView { dtype, shape: &[5], data: &bytes };
            for narrower in [Dtype::F32, Dtype::F16, Dtype::BF16] {
                let mut out = [0.0; 5];
                load(&view, narrower, 0, &mut out);
                for (o, v) in out.iter().zip(values) {
                    assert_eq!(o.to_bits(), to(narrower, to(dtype, v)).to_bits());
                }
            }
        }
        assert_eq!(promote(Dtype::BF16, Dtype::F16), Dtype::F32);
        assert_eq!(promote(Dtype::F16, Dtype::F16), Dtype::F16);
    }
}
