//! Python's `random.Random`: gives the same shuffles and samples, so that a seed draws the same examples as in the
//! Python harnesses. A seed comes in; `data/shots.rs` calls it.
//!
//! MT19937 seeded by key as `CPython`'s `random_seed` does, and `_randbelow_with_getrandbits`,
//! `shuffle` and `sample` of its `Lib/random.py` (3.11; unchanged since 3.2).

use std::collections::HashSet;

use rand_mt::Mt;

/// A `random.Random`.
pub(in crate::task) struct PythonRandom(Mt);

impl PythonRandom {
    /// `random.Random(seed)`: the seed's 32-bit words, low first, are the key.
    pub fn new(seed: u64) -> Self {
        let high = (seed >> 32) as u32;
        Self(Mt::new_with_key([seed as u32].into_iter().chain((high != 0).then_some(high))))
    }

    fn next(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// `_randbelow(n)` for 0 < n < 2³².
    fn below(&mut self, n: usize) -> usize {
        let bits = usize::BITS - n.leading_zeros();
        loop {
            let r = (self.next() >> (32 - bits)) as usize;
            if r < n {
                return r;
            }
        }
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }

    /// `sample(range(n), k)` for k ≤ n.
    pub fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        let mut out = Vec::with_capacity(k);
        // Below this size Python copies the population, above it Python keeps a set. The two methods draw differently.
        let mut set_size = 21;
        if k > 5 {
            // 4 ** ceil(log(3k, 4))
            let mut power = 1;
            while power < 3 * k {
                power *= 4;
            }
            set_size += power;
        }
        if n <= set_size {
            let mut pool: Vec<usize> = (0..n).collect();
            for i in 0..k {
                let j = self.below(n - i);
                out.push(pool[j]);
                pool[j] = pool[n - i - 1];
            }
        } else {
            let mut seen = HashSet::new();
            for _ in 0..k {
                let mut j = self.below(n);
                while !seen.insert(j) {
                    j = self.below(n);
                }
                out.push(j);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r = random.Random(42)`, then these calls in order, in `CPython` 3.11.
    #[test]
    fn draws_are_pythons() {
        let mut r = PythonRandom::new(42);
        let mut items: Vec<usize> = (0..10).collect();
        r.shuffle(&mut items);
        assert_eq!(items, [7, 3, 2, 8, 5, 6, 9, 4, 0, 1]);
        assert_eq!(r.sample(8939, 3), [6912, 520, 488]);
        assert_eq!(r.sample(10, 3), [1, 3, 8]);
        assert_eq!(r.sample(100, 7), [64, 77, 3, 71, 25, 91, 83]);
        let twenty = [44, 34, 26, 14, 28, 37, 17, 0, 10, 27, 21, 43, 9, 13, 39, 6, 5, 24, 48, 11];
        assert_eq!(r.sample(50, 20), twenty);
        assert_eq!(r.sample(300_000, 25)[..4], [180_331, 138_685, 22_780, 240_870]);
        let mut long = PythonRandom::new((1 << 40) + 7);
        assert_eq!([long.next(), long.next(), long.next()], [2_635_837_658, 3_209_733_218, 3_500_038_837]);
        assert_eq!(long.sample(1000, 4), [960, 967, 654, 584]);
    }
}
