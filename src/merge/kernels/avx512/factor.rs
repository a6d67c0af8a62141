//! Multiplying bfloat16 by a constant, as a table that the AVX-512 pass looks up.
//!
//! R(x·w) of a bfloat16 `x = ±1.m·2ᵉ` is `±2ᵉ·R(1.m·w)` as long as it is a normal number, so only the 128
//! mantissas matter: the result's bits are those of `x`, plus an offset that depends on `m` alone.
//! The offsets of one constant differ by at most 128 (from m = 0 to 127 the result at most doubles, as
//! `x` does), so they fit a table of bytes. Two roundings in a row, R(R(x·s)·w), are such a map as well.

use crate::merge::kernels::round;

/// `x → R(R(x·scale)·weight)` for bfloat16 `x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    /// Added to the bits of `x` with wrap-around: the change of exponent, and the sign of `weight`.
    pub(crate) offset: u16,
    /// Added on top of `offset`: indexed by the 7 mantissa bits of `x`.
    pub(crate) by_mantissa: [u8; 128],
    /// `x` and the result differ in magnitude by 2^`exponent` to 2^(`exponent` + 1).
    pub(crate) exponent: i32,
}

impl Factor {
    /// `None` if `1·scale·weight` is zero or not a normal number.
    pub(crate) fn new(scale: f32, weight: f32) -> Option<Self> {
        let map = |x: f32| round::bf16(round::bf16(x * scale) * weight);
        let one = map(1.0);
        if !one.is_normal() || !map(1.992_187_5).is_normal() {
            return None;
        }
        let bits = |x: f32| i32::from((x.abs().to_bits() >> 16) as u16);
        let offset = |m: u32| {
            let x = f32::from_bits((0x3f80 + m) << 16);
            bits(map(x)) - bits(x)
        };
        let lowest = (0..128).map(offset).min().unwrap_or_default();
        let mut by_mantissa = [0; 128];
        for (m, o) in (0..).zip(&mut by_mantissa) {
            *o = u8::try_from(offset(m) - lowest).ok()?;
        }
        let sign = if one < 0.0 { 0x8000 } else { 0 };
        let exponent = (bits(one) >> 7) - 127;
        Some(Self { offset: (lowest as u16).wrapping_add(sign), by_mantissa, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_product() {
        let mut state = 3_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        for round_of in 0..300 {
            let weight = round::bf16(noise() * [1.0, 4.0, 1e-3][round_of % 3]);
            let scale = if round_of % 2 == 0 { 1.0 } else { round::bf16(1.0 + 2.0 * noise().abs()) };
            let Some(factor) = Factor::new(scale, weight) else { continue };
            for bits in (0x3000..0x4400_u16).chain(0xb000..0xc400) {
                let x = f32::from_bits(u32::from(bits) << 16);
                let wanted = round::bf16(round::bf16(x * scale) * weight).to_bits() >> 16;
                let byte = factor.by_mantissa[usize::from(bits & 127)];
                let got = bits.wrapping_add(factor.offset).wrapping_add(u16::from(byte));
                assert_eq!(u32::from(got), wanted, "{x} · {scale} · {weight}");
            }
        }
        assert_eq!(Factor::new(1.0, 0.0), None);
        assert_eq!(Factor::new(1.0, f32::INFINITY), None);
    }

    #[test]
    fn dividing_is_multiplying_by_the_reciprocal() {
        // A quotient of two 8-bit mantissas is never within 2⁻¹⁷ of the midpoint of two bfloat16, so an error of a few
        // 2⁻²⁴ cannot change its rounding: this test tries all mantissas.
        for a in 0x3f80..0x4000_u32 {
            for b in 0x3f80..0x4000_u32 {
                let (a, b) = (f32::from_bits(a << 16), f32::from_bits(b << 16));
                assert_eq!(round::bf16(a / b).to_bits(), round::bf16(a * (1.0 / b)).to_bits());
            }
        }
    }
}
