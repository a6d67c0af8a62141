//! Vectors of sixteen floats as plain arrays, for `simd`.

use super::{LANES, Line, Simd};

/// Plain Rust: for machines without AVX2, and the reference for the other two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    type V = [f32; LANES];
    const TILE: (usize, usize) = (4, 1);

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &Line) -> Self::V {
        from.0
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Line) {
        to.0 = v;
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn keep_if_less(self, a: Self::V, b: Self::V, yes: Self::V) -> Self::V {
        lanes(|i| if a[i] < b[i] { yes[i] } else { 0.0 })
    }
    #[inline(always)]
    fn first_bf16(self, pairs: Self::V) -> Self::V {
        lanes(|i| f32::from_bits(pairs[i].to_bits() << 16))
    }
    #[inline(always)]
    fn second_bf16(self, pairs: Self::V) -> Self::V {
        lanes(|i| f32::from_bits(pairs[i].to_bits() & 0xffff_0000))
    }
    #[inline(always)]
    fn first_f16(self, pairs: Self::V) -> Self::V {
        lanes(|i| half::f16::from_bits(pairs[i].to_bits() as u16).to_f32())
    }
    #[inline(always)]
    fn second_f16(self, pairs: Self::V) -> Self::V {
        lanes(|i| half::f16::from_bits((pairs[i].to_bits() >> 16) as u16).to_f32())
    }
    #[inline(always)]
    fn to_bf16(self, v: Self::V) -> Self::V {
        lanes(|i| half::bf16::from_f32(v[i]).to_f32())
    }
    #[inline(always)]
    fn pow2(self, shifted: Self::V) -> Self::V {
        lanes(|i| f32::from_bits((shifted[i].to_bits() << 23).wrapping_add(127 << 23)))
    }
}
