//! Lines of a component at the picture's size. Halved ones are enlarged by libjpeg's "fancy" triangle filter, whose
//! rounding alternates; others are repeated.

use super::frame::Samples;

impl Samples {
    fn line(&self, y: usize) -> &[u8] {
        let at = y.min(self.height - 1) * self.stride;
        &self.values[at..at + self.width]
    }

    /// Line `y` of the picture, `width` pixels of it, into `out`.
    pub(super) fn upsampled(&self, y: usize, width: usize, out: &mut Vec<u8>) {
        out.clear();
        let near = self.line(y / self.down);
        // The line that the upper or the lower half of a sample leans to; the first and the last lean on themselves.
        let upper = y.is_multiple_of(2);
        let far = self.line(if upper { (y / 2).saturating_sub(1) } else { y / 2 + 1 });
        match (self.across, self.down) {
            (1, 1) => out.extend_from_slice(near),
            (1, 2) => {
                let bias = if upper { 1 } else { 2 };
                out.extend(
                    near.iter()
                        .zip(far)
                        .map(|(a, b)| ((u32::from(*a) * 3 + u32::from(*b) + bias) >> 2) as u8),
                );
            }
            (2, 1) if self.width > 2 => triangle(near.iter().map(|a| u32::from(*a)), [1, 2], 2, out),
            (2, 2) if self.width > 2 => {
                let sums = near.iter().zip(far).map(|(a, b)| u32::from(*a) * 3 + u32::from(*b));
                triangle(sums, [8, 7], 4, out);
            }
            (across, _) => out.extend(near.iter().flat_map(|a| std::iter::repeat_n(*a, across))),
        }
        out.truncate(width);
    }
}

/// Two of each value: three quarters of it and a quarter of its neighbour to the left, then to the right. The outermost
/// are the value itself.
fn triangle(values: impl Iterator<Item = u32>, bias: [u32; 2], shift: u32, out: &mut Vec<u8>) {
    let mut values = values.peekable();
    let mut left: Option<u32> = None;
    while let Some(value) = values.next() {
        let mix = |other: u32, bias: u32| ((value * 3 + other + bias) >> shift) as u8;
        out.push(mix(left.unwrap_or(value), bias[0]));
        out.push(mix(values.peek().copied().unwrap_or(value), bias[1]));
        left = Some(value);
    }
}
