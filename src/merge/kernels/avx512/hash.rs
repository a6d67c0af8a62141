//! The hash of `kernels::mask` for 16 pairs of elements at once. Halves of keys come in, hashes go out; the AVX-512
//! passes call it.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_mullo_epi32, _mm512_set1_epi32, _mm512_srli_epi32, _mm512_xor_si512,
};

use crate::merge::kernels::mask::MULTIPLIERS;

/// `Key::pair` for 16 pairs, from the halves of their keys.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn hash_pairs(pair: __m512i, xor: __m512i, add: __m512i) -> __m512i {
    let [first, second] = MULTIPLIERS.map(|m| _mm512_set1_epi32(m as i32));
    let x = _mm512_xor_si512(pair, xor);
    let x = _mm512_xor_si512(x, _mm512_srli_epi32::<16>(x));
    let x = _mm512_add_epi32(_mm512_mullo_epi32(x, first), add);
    let x = _mm512_xor_si512(x, _mm512_srli_epi32::<15>(x));
    let x = _mm512_mullo_epi32(x, second);
    _mm512_xor_si512(x, _mm512_srli_epi32::<16>(x))
}
