//! Sums of magnitudes that come out the same whatever the order: each magnitude is rounded to a multiple of a unit
//! so small that it does not matter (2⁻²⁵ of the largest or less), yet so large that f64 holds the sum of all
//! without rounding.

use super::exponents::ExponentRange;

/// Rounds to multiples of a power of two, by adding and subtracting a number so large that lower digits are lost.
#[derive(Clone, Copy)]
pub(crate) struct ExactGrid {
    shift: f64,
    /// Of the values whose differences are summed up.
    exponents: ExponentRange,
}

/// The shift in units: a sum with it keeps no fraction.
const WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;

impl ExactGrid {
    /// Leaves everything as it is.
    pub(crate) const NONE: Self = Self { shift: 0.0, exponents: ExponentRange::NONE };

    /// For sums of `n` differences of values with these exponents.
    pub(crate) fn new(exponents: ExponentRange, n: usize) -> Self {
        let bits = (usize::BITS - n.leading_zeros()) as i32;
        // Differences are below 2^(most + 2 − 127), sums below 2^bits as much, which is 2⁵³ units.
        let unit = 2_f64.powi(i32::from(exponents.most) + 2 - 127 + bits - 53);
        Self { shift: unit * WHOLE, exponents }
    }

    /// The unit and the values' exponents; `None` where there is no grid.
    pub(super) fn unit(self) -> Option<(f64, ExponentRange)> {
        (self.shift > 0.0).then_some((self.shift / WHOLE, self.exponents))
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // into the copies of the passes for wide vectors
    pub(crate) fn round(self, x: f64) -> f64 {
        (x + self.shift) - self.shift
    }
}
