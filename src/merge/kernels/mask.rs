//! DARE's drop mask: a fixed uniform number for every (seed, tensor, source, element), from a counter-based hash.
//! `run::select` makes the keys; the passes and the card's kernel compute the hashes.
//!
//! Element `i` of a source's task vector is kept iff `u(i) < density`, where `u(i)` has 16 bits: two neighbours share
//! one hash, the even element takes its lower half, the odd element its upper half. The hash of pair `p` is Chris
//! Wellons' `lowbias32` (<https://nullprogram.com/blog/2018/07/31/>) of `lo(p) ^ k₀`, with `k₁ + hi(p)` added between
//! its two multiplications. `lo` and `hi` are the halves of the 64-bit `p`; `k₀` and `k₁` are the halves of
//! `splitmix64(splitmix64(splitmix64(seed) ^ fnv1a64(name)) + source)`, for the tensor's name and the source's place in
//! the recipe. The mask needs no storage and no order. It is the same for every candidate with one seed, so that
//! fitness is a smooth function of density.

/// Key of one task vector's mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u32, u32);

impl Key {
    /// The key for the source at index `source` of the recipe.
    pub(crate) fn new(seed: u64, tensor: &str, source: usize) -> Self {
        let mut name = 0xcbf2_9ce4_8422_2325_u64;
        for byte in tensor.bytes() {
            name = (name ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let key = splitmix64(splitmix64(splitmix64(seed) ^ name).wrapping_add(source as u64));
        Self(key as u32, (key >> 32) as u32)
    }

    /// The key for pairs from `start` on, where `start`'s low half is counted by the caller.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn at(self, start: usize) -> Self {
        Self(self.0, self.1.wrapping_add((start as u64 >> 32) as u32))
    }

    /// The hash of the pair whose number has the low half `low`.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn pair(self, low: u32) -> u32 {
        let mut x = low ^ self.0;
        x ^= x >> 16;
        x = x.wrapping_mul(MULTIPLIERS[0]).wrapping_add(self.1);
        x ^= x >> 15;
        x = x.wrapping_mul(MULTIPLIERS[1]);
        x ^ (x >> 16)
    }

    /// Both halves of the key, for the vectorised copies of [`Self::pair`].
    pub(crate) fn halves(self) -> (u32, u32) {
        (self.0, self.1)
    }
}

/// The multipliers of `lowbias32`.
pub(crate) const MULTIPLIERS: [u32; 2] = [0x7feb_352d, 0x846c_a68b];

/// `density · 2¹⁶` to the nearest, at least 1: elements whose `u · 2¹⁶` is below it are kept.
/// `density` is above 0 and below 1.
pub(crate) fn threshold(density: f64) -> u32 {
    ((density * 65_536.0).round() as u32).max(1)
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

    fn u(key: Key, i: u32) -> u32 {
        (key.pair(i / 2) >> (16 * (i % 2))) & 0xffff
    }

    #[test]
    fn shares_and_independence() {
        let n = 100_000_u32;
        let keys = [Key::new(1, "a", 0), Key::new(1, "a", 1), Key::new(2, "a", 0), Key::new(1, "b", 0)];
        for density in [0.1, 0.5, 0.9] {
            let below = threshold(density);
            for key in keys {
                let kept = (0..n).filter(|i| u(key, *i) < below).count() as f64 / f64::from(n);
                assert!((kept - density).abs() < 0.006, "{kept} of {density}");
                // Neighbours that share a hash or follow each other are independent.
                let twice = (0..n).filter(|i| u(key, *i) < below && u(key, *i + 1) < below).count();
                assert!((twice as f64 / f64::from(n) - density * density).abs() < 0.006);
            }
            for pair in keys.windows(2) {
                let both = (0..n).filter(|i| u(pair[0], *i) < below && u(pair[1], *i) < below).count();
                assert!((both as f64 / f64::from(n) - density * density).abs() < 0.006);
            }
        }
    }

    #[test]
    fn the_numbers_stay_what_they_are() {
        // These values are part of the session format: changing the hash would change every recorded session.
        let key = Key::new(42, "model.norm.weight", 1);
        let numbers: Vec<u32> = (0..3).map(|i| key.pair(i)).collect();
        assert_eq!(numbers, [1_982_148_234, 4_155_144_081, 1_916_060_713]);
        assert_ne!(key.at(1 << 32), key);
        assert_eq!(key.at(5), key);
        assert_eq!([1e-9, 0.5, 0.999_999].map(threshold), [1, 32_768, 65_536]);
    }
}
