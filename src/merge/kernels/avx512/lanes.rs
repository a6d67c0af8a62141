//! The constants of a lowered task as vectors. The AVX-512 pass keeps them in registers.

use std::arch::x86_64::*;

use super::lowered::{Lowered, Mode, Scaling};

/// Constants of one source that stay in registers for a piece.
pub(super) struct Lanes<const N: usize> {
    /// The smallest magnitude that stays, or the largest hash that stays.
    pub(super) bound: [__m512i; N],
    pub(super) xor: [__m512i; N],
    pub(super) add: [__m512i; N],
    /// Offsets by mantissa: for mantissas below 64, and for the others.
    pub(super) low: [__m512i; N],
    pub(super) high: [__m512i; N],
    pub(super) offset: [__m512i; N],
    pub(super) weight: [__m512; N],
    pub(super) divisor: Option<__m512>,
    pub(super) reciprocals: [__m512; 2],
    pub(super) divides: bool,
    pub(super) reciprocal: __m512,
    pub(super) scales: bool,
    pub(super) lambda: __m512,
    pub(super) interleave: __m512i,
    pub(super) lower_bytes: __mmask64,
    pub(super) count: __m512i,
}

impl<const N: usize> Lanes<N> {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
    pub(super) fn new(task: &Lowered<'_>) -> Self {
        let zero = _mm512_setzero_si512();
        let bytes = |from: &[u8]| {
            assert!(from.len() == 64);
            // SAFETY: the array is as long as a vector.
            unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
        };
        let floats = |from: &[f32]| {
            assert!(from.len() == 16);
            // SAFETY: the array is as long as a vector.
            unsafe { _mm512_loadu_ps(from.as_ptr()) }
        };
        let factor = |i: usize| &task.parts[i].factor;
        let mut reciprocals = [_mm512_setzero_ps(); 2];
        let mut weight = [_mm512_setzero_ps(); N];
        let mut divisor = None;
        let mut scaling = Scaling { reciprocal: None, lambda: None };
        match &task.mode {
            Mode::Linear { weights, divisor: by } => {
                weight = std::array::from_fn(|i| _mm512_set1_ps(weights[i]));
                divisor = by.map(|d| _mm512_set1_ps(d));
            }
            Mode::Sum { scaling: t } | Mode::Agree { scaling: t } => scaling = *t,
            Mode::Mean { reciprocals: table, scaling: t } => {
                reciprocals = [floats(&table[..16]), floats(&table[16..])];
                scaling = *t;
            }
        }
        // Word 2i of the result is word i of the vector, word 2i + 1 its word 16 + i.
        let order: [u16; 32] = std::array::from_fn(|i| (i / 2 + 16 * (i % 2)) as u16);
        Self {
            bound: [zero; N],
            xor: [zero; N],
            add: [zero; N],
            low: std::array::from_fn(|i| bytes(&factor(i).by_mantissa[..64])),
            high: std::array::from_fn(|i| bytes(&factor(i).by_mantissa[64..])),
            offset: std::array::from_fn(|i| _mm512_set1_epi16(factor(i).offset as i16)),
            weight,
            divisor,
            reciprocals,
            divides: scaling.reciprocal.is_some(),
            reciprocal: _mm512_set1_ps(scaling.reciprocal.unwrap_or(1.0)),
            scales: scaling.lambda.is_some(),
            lambda: _mm512_set1_ps(scaling.lambda.unwrap_or(1.0)),
            // SAFETY: 32 words are as long as a vector.
            interleave: unsafe { _mm512_loadu_si512(order.as_ptr().cast()) },
            // Hides the mask's value from the compiler, which would otherwise use one more instruction.
            lower_bytes: std::hint::black_box(0x5555_5555_5555_5555),
            count: _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
        }
    }
}
