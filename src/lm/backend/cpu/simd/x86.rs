//! Vectors of sixteen floats as one AVX-512 register or two AVX2 registers, for `simd`.

use super::{Line, Simd};
#[allow(clippy::wildcard_imports)]
use std::arch::x86_64::*;

/// The upper half of a lane's bits.
const HIGH_HALF: i32 = 0xffff_0000_u32.cast_signed();
/// Just below half of the last place of a bfloat16 number, in the bits of an f32.
const BELOW_HALF: i32 = 0x7fff;
/// The bit of a NaN that makes it quiet.
const QUIET: i32 = 0x0040_0000;

/// Eight float16 numbers in the low halves of 32-bit lanes, whose high halves are zero, as f32.
///
/// # Safety
/// The CPU has AVX2 and F16C.
#[inline(always)]
unsafe fn low_halves(v: __m256i) -> __m256 {
    // SAFETY: the caller promises the features.
    unsafe {
        let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(v, v));
        _mm256_cvtph_ps(_mm256_castsi256_si128(packed))
    }
}

/// Proof that the CPU has AVX-512F, AVX2, FMA and F16C; with `BF16` also AVX512-BF16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512<const BF16: bool>(pub(super) ());

/// Proof that the CPU has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(pub(super) ());

impl<const BF16: bool> Simd for Avx512<BF16> {
    type V = __m512;
    const TILE: (usize, usize) = (12, 2);

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &Line) -> Self::V {
        // SAFETY: `self` proves the features; a `Line` is 64 bytes on a 64-byte boundary.
        unsafe { _mm512_load_ps(from.0.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Line) {
        // SAFETY: `self` proves the features; a `Line` is 64 bytes on a 64-byte boundary.
        unsafe { _mm512_store_ps(to.0.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn keep_if_less(self, a: Self::V, b: Self::V, yes: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), yes) }
    }
    #[inline(always)]
    fn first_bf16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(pairs))) }
    }
    #[inline(always)]
    fn second_bf16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe {
            let high = _mm512_set1_epi32(HIGH_HALF);
            _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), high))
        }
    }
    #[inline(always)]
    fn first_f16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_castps_si512(pairs))) }
    }
    #[inline(always)]
    fn second_f16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe {
            let seconds = _mm512_srli_epi32::<16>(_mm512_castps_si512(pairs));
            _mm512_cvtph_ps(_mm512_cvtepi32_epi16(seconds))
        }
    }
    #[inline(always)]
    fn dot(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        if BF16 {
            // SAFETY: `self` proves that the CPU has the features; the types differ in name only.
            return unsafe {
                let [a, b] = [a, b].map(|v| std::mem::transmute::<__m512, __m512bh>(v));
                _mm512_dpbf16_ps(c, a, b)
            };
        }
        let c = self.fma(self.second_bf16(a), self.second_bf16(b), c);
        self.fma(self.first_bf16(a), self.first_bf16(b), c)
    }
    #[inline(always)]
    fn to_bf16(self, v: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(BELOW_HALF)));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(QUIET));
            let rounded = _mm512_mask_mov_epi32(up, nan, quiet);
            _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32(HIGH_HALF)))
        }
    }
    #[inline(always)]
    fn pow2(self, shifted: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe {
            let bits = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
            _mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(127 << 23)))
        }
    }
}

impl Simd for Avx2 {
    type V = [__m256; 2];
    const TILE: (usize, usize) = (6, 1);

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    fn load(self, from: &Line) -> Self::V {
        let p = from.0.as_ptr();
        // SAFETY: `self` proves the features; a `Line` is 64 bytes on a 64-byte boundary.
        unsafe { [_mm256_load_ps(p), _mm256_load_ps(p.add(8))] }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Line) {
        let p = to.0.as_mut_ptr();
        // SAFETY: `self` proves the features; a `Line` is 64 bytes on a 64-byte boundary.
        unsafe {
            _mm256_store_ps(p, v[0]);
            _mm256_store_ps(p.add(8), v[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn keep_if_less(self, a: Self::V, b: Self::V, yes: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        unsafe {
            [
                _mm256_and_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a[0], b[0]), yes[0]),
                _mm256_and_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a[1], b[1]), yes[1]),
            ]
        }
    }
    #[inline(always)]
    fn first_bf16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        pairs.map(|v| unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(v))) })
    }
    #[inline(always)]
    fn second_bf16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        pairs.map(|v| unsafe { _mm256_and_ps(v, _mm256_castsi256_ps(_mm256_set1_epi32(HIGH_HALF))) })
    }
    #[inline(always)]
    fn first_f16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        pairs.map(|v| unsafe {
            let low = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0xffff));
            low_halves(low)
        })
    }
    #[inline(always)]
    fn second_f16(self, pairs: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        pairs.map(|v| unsafe { low_halves(_mm256_srli_epi32::<16>(_mm256_castps_si256(v))) })
    }
    #[inline(always)]
    fn to_bf16(self, v: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        v.map(|v| unsafe {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(BELOW_HALF)));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(QUIET));
            let rounded = _mm256_blendv_epi8(up, quiet, nan);
            _mm256_castsi256_ps(_mm256_and_si256(rounded, _mm256_set1_epi32(HIGH_HALF)))
        })
    }
    #[inline(always)]
    fn pow2(self, shifted: Self::V) -> Self::V {
        // SAFETY: `self` proves that the CPU has the features.
        shifted.map(|v| unsafe {
            let bits = _mm256_slli_epi32::<23>(_mm256_castps_si256(v));
            _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(127 << 23)))
        })
    }
}
