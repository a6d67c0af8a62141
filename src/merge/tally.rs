//! The count of `guess` in AVX-512 instructions: task vectors of 32 elements are made and compared in
//! registers, base and source are read once.

#![allow(clippy::wildcard_imports)] // intrinsics

use std::arch::x86_64::*;

use super::extent::Extent;

/// Elements of one vector.
const WIDTH: usize = 32;
/// Vectors of which a lane can count: 16 bits.
const MOST: usize = 65_535;

/// Whether differences of such values are zero or normal numbers: the rounding instruction would
/// flush others. They are multiples of the smallest value's unit in the last place.
pub(super) fn is_exact(extent: Extent) -> bool {
    extent.least > 7 && extent.most < 254
}

/// Adds to each of `counts` the elements of `source − base`, rounded to bfloat16, whose magnitude's bits
/// are at least `first`, `first + 1` and so on. All but a tail of fewer than 32 elements, whose number
/// is returned. Both are little-endian bfloat16 of one length, with an extent that [`is_exact`].
///
/// # Safety
/// The CPU must be [`super::wide::available`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn at_least<const N: usize>(
    base: &[u8],
    source: &[u8],
    first: u16,
    counts: &mut [u32; N],
) -> usize {
    let (base, source) = (base.as_chunks::<{ 2 * WIDTH }>().0, source.as_chunks::<{ 2 * WIDTH }>());
    let one = _mm512_set1_epi16(1);
    let bounds: [__m512i; N] = std::array::from_fn(|i| _mm512_set1_epi16((first + i as u16) as i16));
    for (base, source) in base.chunks(MOST).zip(source.0.chunks(MOST)) {
        let mut sums = [_mm512_setzero_si512(); N];
        for (base, source) in base.iter().zip(source) {
            // SAFETY: both are as long as a vector.
            let (b, x) = unsafe {
                (_mm512_loadu_si512(base.as_ptr().cast()), _mm512_loadu_si512(source.as_ptr().cast()))
            };
            let bins = magnitudes(b, x);
            for (sum, bound) in sums.iter_mut().zip(&bounds) {
                let reached = _mm512_cmpge_epu16_mask(bins, *bound);
                *sum = _mm512_mask_add_epi16(*sum, reached, *sum, one);
            }
        }
        for (count, sum) in counts.iter_mut().zip(sums) {
            let (even, odd) =
                (_mm512_and_si512(sum, _mm512_set1_epi32(0xffff)), _mm512_srli_epi32::<16>(sum));
            *count += _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd)) as u32;
        }
    }
    source.1.len() / 2
}

/// Bits of |R(x − b)| of 32 elements, in an order of their own.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn magnitudes(b: __m512i, x: __m512i) -> __m512i {
    let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    let odd = |v| _mm512_castsi512_ps(_mm512_and_si512(v, high));
    let even = |v| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(v));
    let (low, top) = (_mm512_sub_ps(even(x), even(b)), _mm512_sub_ps(odd(x), odd(b)));
    // SAFETY: both are 512 bits without invalid patterns.
    let rounded: __m512i = unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(top, low)) };
    _mm512_and_si512(rounded, _mm512_set1_epi16(0x7fff))
}
