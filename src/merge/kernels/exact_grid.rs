//! Sums of magnitudes that do not depend on the order: each magnitude is rounded to a multiple of a unit. The unit is
//! small enough not to matter (2⁻²⁵ of the largest magnitude or less), and large enough that f64 holds the sum of all
//! magnitudes exactly.

use super::exponents::ExponentRange;

/// Rounds to multiples of a power of two, by adding and subtracting a number so large that the lower digits are lost.
#[derive(Clone, Copy)]
pub(crate) struct ExactGrid {
    shift: f64,
    /// Exponents of the values whose differences are summed.
    exponents: ExponentRange,
}

/// The shift in units. Adding it to a number rounds away the fraction.
const WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;

impl ExactGrid {
    /// No grid: leaves every value unchanged.
    pub(crate) const NONE: Self = Self { shift: 0.0, exponents: ExponentRange::NONE };

    /// A grid for sums of `n` differences of values with these exponents.
    pub(crate) fn new(exponents: ExponentRange, n: usize) -> Self {
        let bits = (usize::BITS - n.leading_zeros()) as i32;
        // Differences are below 2^(most + 2 − 127). Sums are at most 2^bits as large, which is 2⁵³ units.
        let unit = 2_f64.powi(i32::from(exponents.most) + 2 - 127 + bits - 53);
        Self { shift: unit * WHOLE, exponents }
    }

    /// The unit and the values' exponents; `None` if there is no grid.
    pub(super) fn unit(self) -> Option<(f64, ExponentRange)> {
        (self.shift > 0.0).then_some((self.shift / WHOLE, self.exponents))
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // into the copies of the passes for wide vectors
    pub(crate) fn round(self, x: f64) -> f64 {
        (x + self.shift) - self.shift
    }
}
