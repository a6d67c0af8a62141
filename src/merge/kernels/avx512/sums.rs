//! Counts and sums over a task vector in AVX-512 instructions: 32 elements at a time are subtracted, compared and
//! summed in registers, and base and source are read once. `sampled_threshold` counts, `mask_l1` sums.

#![allow(clippy::wildcard_imports)] // intrinsics

use std::arch::x86_64::*;

use super::hash::hash_pairs;
use crate::merge::kernels::block::BLOCK_LEN;
use crate::merge::kernels::exponents::ExponentRange;
use crate::merge::kernels::mask::Key;

/// Elements of one vector.
const WIDTH: usize = 32;
/// Most vectors that a lane's 16-bit counter can count.
const MAX_LANE_COUNT: usize = 65_535;

/// Whether all differences of such values are zero or normal; the rounding instruction would flush others. Differences
/// are multiples of the smallest value's unit in the last place.
pub(crate) fn is_exact(exponents: ExponentRange) -> bool {
    exponents.least > 7 && exponents.most < 254
}

/// Counts the elements of `source − base`, rounded to bfloat16, whose magnitude bits are at least `first`, `first + 1`
/// and so on, and adds each count to its entry of `counts`. Skips a tail of fewer than 32 elements and returns the
/// tail's length. Both inputs are little-endian bfloat16 of the same length, with exponents that pass [`is_exact`].
///
/// # Safety
/// The CPU must be [`super::available`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(crate) unsafe fn at_least<const N: usize>(
    base: &[u8],
    source: &[u8],
    first: u16,
    counts: &mut [u32; N],
) -> usize {
    let (base, source) = (base.as_chunks::<{ 2 * WIDTH }>().0, source.as_chunks::<{ 2 * WIDTH }>());
    let one = _mm512_set1_epi16(1);
    let bounds: [__m512i; N] = std::array::from_fn(|i| _mm512_set1_epi16((first + i as u16) as i16));
    for (base, source) in base.chunks(MAX_LANE_COUNT).zip(source.0.chunks(MAX_LANE_COUNT)) {
        let mut sums = [_mm512_setzero_si512(); N];
        for (base, source) in base.iter().zip(source) {
            // SAFETY: both slices are as long as a vector.
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

/// Σ|δ| of all elements and of those that the mask keeps, in units: |δ| · `scale`, rounded to whole numbers. `scale` is
/// a power of two with sums below 2⁶³. The elements start at a multiple of [`BLOCK_LEN`] of a tensor and fill whole
/// blocks. Otherwise as [`at_least`].
///
/// # Safety
/// The CPU must be [`super::available`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
pub(crate) unsafe fn sums(
    (base, source): (&[u8], &[u8]),
    (key, below): (Key, u32),
    start: usize,
    scale: f32,
) -> (i64, i64) {
    let scale = _mm512_set1_ps(scale);
    let below = _mm512_set1_epi32(below as i32);
    let lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    let (mut all, mut some) = ([_mm512_setzero_si512(); 4], [_mm512_setzero_si512(); 4]);
    let blocks =
        base.as_chunks::<{ 2 * BLOCK_LEN }>().0.iter().zip(source.as_chunks::<{ 2 * BLOCK_LEN }>().0);
    for (at, (base, source)) in (start..).step_by(BLOCK_LEN).zip(blocks) {
        let (k0, k1) = key.at(at >> 1).halves();
        let (xor, add) = (_mm512_set1_epi32(k0 as i32), _mm512_set1_epi32(k1 as i32));
        let pairs = ((at >> 1) as u32..).step_by(WIDTH / 2);
        let vectors = base.as_chunks::<{ 2 * WIDTH }>().0.iter().zip(source.as_chunks::<{ 2 * WIDTH }>().0);
        for (pair, (base, source)) in pairs.zip(vectors) {
            // SAFETY: both slices are as long as a vector.
            let (b, x) = unsafe {
                (_mm512_loadu_si512(base.as_ptr().cast()), _mm512_loadu_si512(source.as_ptr().cast()))
            };
            let bins = magnitudes(b, x);
            // The hash's lower half is the even element's number, its upper half the odd element's.
            let hash = hash_pairs(_mm512_add_epi32(lanes, _mm512_set1_epi32(pair as i32)), xor, add);
            let even = _mm512_cmplt_epu32_mask(_mm512_and_si512(hash, _mm512_set1_epi32(0xffff)), below);
            let odd = _mm512_cmplt_epu32_mask(_mm512_srli_epi32::<16>(hash), below);
            let halves = [_mm512_castsi512_si256(bins), _mm512_extracti64x4_epi64::<1>(bins)];
            for (i, (half, kept)) in halves.into_iter().zip([even, odd]).enumerate() {
                let size = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
                let size = _mm512_mul_ps(size, scale);
                let quarters = [_mm512_castps512_ps256(size), _mm512_extractf32x8_ps::<1>(size)];
                for (j, quarter) in quarters.into_iter().enumerate() {
                    let whole = _mm512_cvtps_epi64(quarter);
                    let (sum, kept) = (2 * i + j, (kept >> (8 * j)) as u8);
                    all[sum] = _mm512_add_epi64(all[sum], whole);
                    some[sum] = _mm512_mask_add_epi64(some[sum], kept, some[sum], whole);
                }
            }
        }
    }
    let sum = |of: [__m512i; 4]| of.into_iter().map(|v| _mm512_reduce_add_epi64(v)).sum();
    (sum(all), sum(some))
}

/// Bits of |R(x − b)| of 32 elements: the even ones, then the odd ones.
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
