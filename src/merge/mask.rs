//! The counter-based drop mask: a fixed uniform number for every (seed, tensor, source, element).
//!
//! Element `i` of a source's task vector is kept iff `u(i) < density`, where
//! `u(i) = mix(mix(lo(i) ^ k₀) + k₁ + hi(i)) / 2³²`, `lo` and `hi` are the halves of the 64-bit
//! flat index, `mix` is Chris Wellons' `lowbias32` (<https://nullprogram.com/blog/2018/07/31/>),
//! and `k₀`, `k₁` are the halves of `splitmix64(splitmix64(splitmix64(seed) ^ fnv1a64(name)) + source)`,
//! of the tensor's name and the source's place in the recipe. It needs no storage and no order, and it is the same for
//! every candidate under one seed, so fitness is a smooth function of density.

/// Key of one task vector's mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u32, u32);

impl Key {
    /// For the source at place `source` of the recipe.
    pub(super) fn new(seed: u64, tensor: &str, source: usize) -> Self {
        let mut name = 0xcbf2_9ce4_8422_2325_u64;
        for byte in tensor.bytes() {
            name = (name ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let key = splitmix64(splitmix64(splitmix64(seed) ^ name).wrapping_add(source as u64));
        Self(key as u32, (key >> 32) as u32)
    }

    /// The key for elements from `start` on, where `start`'s low half is counted by the caller.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn at(self, start: usize) -> Self {
        Self(self.0, self.1.wrapping_add((start as u64 >> 32) as u32))
    }

    /// `u · 2³²` of the element whose flat index has the low half `low`.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn hash(self, low: u32) -> u32 {
        mix(mix(low ^ self.0).wrapping_add(self.1))
    }
}

/// `density · 2³²`: elements whose hash is below it are kept. `density` is below 1.
pub(super) fn threshold(density: f64) -> u32 {
    (density * 4_294_967_296.0) as u32
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

fn splitmix64(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_independence() {
        let n = 100_000_u32;
        let keys = [Key::new(1, "a", 0), Key::new(1, "a", 1), Key::new(2, "a", 0), Key::new(1, "b", 0)];
        for density in [0.1, 0.5, 0.9] {
            let below = threshold(density);
            for key in keys {
                let kept = (0..n).filter(|i| key.hash(*i) < below).count() as f64 / f64::from(n);
                assert!((kept - density).abs() < 0.006, "{kept} of {density}");
            }
            for pair in keys.windows(2) {
                let both = (0..n).filter(|i| pair[0].hash(*i) < below && pair[1].hash(*i) < below).count();
                assert!((both as f64 / f64::from(n) - density * density).abs() < 0.006);
            }
        }
    }

    #[test]
    fn the_numbers_stay_what_they_are() {
        // A changed hash changes every recorded session: these values are part of the format.
        let key = Key::new(42, "model.norm.weight", 1);
        let numbers: Vec<u32> = (0..3).map(|i| key.hash(i)).collect();
        assert_eq!(numbers, [2_544_523_305, 1_359_103_034, 2_100_197_117]);
        assert_ne!(key.at(1 << 32), key);
        assert_eq!(key.at(5), key);
    }
}
