//! Rounds to bfloat16 in the inner loops of the passes.

/// `x` rounded to the nearest bfloat16, ties to even, as f32. A NaN with a payload is not supported.
#[inline(always)]
#[allow(clippy::inline_always)] // must be inlined into the vectorised passes
pub(crate) fn bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}

/// `x` rounded to the work type: to bfloat16 if `NARROW`, else unchanged.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn work<const NARROW: bool>(x: f32) -> f32 {
    if NARROW { bf16(x) } else { x }
}

#[cfg(test)]
mod tests {
    use super::bf16;

    #[test]
    fn agrees_with_half() {
        let mut bits = 0_u32;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            for x in [f32::from_bits(bits), f32::from_bits(bits & 0xffff_0000 | 0x8000)] {
                if !x.is_nan() {
                    assert_eq!(bf16(x).to_bits(), half::bf16::from_f32(x).to_f32().to_bits(), "{x:e}");
                }
            }
        }
        assert!(bf16(f32::MAX).is_infinite());
    }
}
