//! The range of exponents in a tensor. A tensor's bytes come in, an [`ExponentRange`] goes out.
//!
//! The AVX-512 pass takes shortcuts that are exact only if nothing underflows or overflows. The exponents of its inputs
//! decide this once per tensor. The pool computes them when it first checks a tensor.

use super::dispatch::for_every_width;

/// Biased exponents of the smallest non-zero magnitude and of the largest magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExponentRange {
    /// 0 if a value is subnormal; 255 if all are zero.
    pub(crate) least: u8,
    /// 255 if a value is not finite.
    pub(crate) most: u8,
}

impl ExponentRange {
    /// The range of a tensor without values.
    pub(crate) const NONE: Self = Self { least: 255, most: 0 };

    /// The range of little-endian bfloat16 values.
    pub(crate) fn of_bf16(data: &[u8]) -> Self {
        of_bf16(data)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // into the copies for wide vectors
    fn of_bf16_pass(data: &[u8]) -> Self {
        // Doubling drops the sign bit; subtracting 1 turns zero into the largest number.
        let (mut least, mut most) = (u16::MAX, 0);
        for element in data.as_chunks::<2>().0 {
            let twice = u16::from_le_bytes(*element) << 1;
            least = least.min(twice.wrapping_sub(1));
            most = most.max(twice);
        }
        let least = if least == u16::MAX { 255 } else { ((least + 1) >> 8) as u8 };
        Self { least, most: (most >> 8) as u8 }
    }

    /// The range of two tensors together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}

for_every_width! {
    fn of_bf16(data: &[u8]) -> ExponentRange => ExponentRange::of_bf16_pass;
}

#[cfg(test)]
mod tests {
    use super::ExponentRange;

    fn of(values: &[f32]) -> ExponentRange {
        let bytes: Vec<u8> = values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
        ExponentRange::of_bf16(&bytes)
    }

    #[test]
    fn exponents() {
        assert_eq!(of(&[]), ExponentRange::NONE);
        assert_eq!(of(&[0.0, -0.0]), ExponentRange { least: 255, most: 0 });
        assert_eq!(of(&[0.0, -1.5, 0.25]), ExponentRange { least: 125, most: 127 });
        assert_eq!(of(&[1e-40, 2.0]), ExponentRange { least: 0, most: 128 });
        assert_eq!(of(&[f32::NEG_INFINITY, -1.0]), ExponentRange { least: 127, most: 255 });
        assert_eq!(of(&[1.0]).and(of(&[4.0])), ExponentRange { least: 127, most: 129 });
    }
}
