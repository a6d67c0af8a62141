//! MT19937, as the CPU generator of `PyTorch` runs it after `manual_seed`. mergekit draws its masks for all tensors
//! from one such stream. `run::random_source` calls it.

use crate::merge::kernels::dispatch::for_every_width;

const N: usize = 624;
const M: usize = 397;

/// Matsumoto and Nishimura's Mersenne stream, 32-bit outputs.
pub(crate) struct Mt19937 {
    state: [u32; N],
    next: usize,
}

impl Mt19937 {
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = [0; N];
        state[0] = seed as u32;
        for i in 1..N {
            let last: u32 = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: N }
    }

    pub(crate) fn draw(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        self.next += 1;
        temper(self.state[self.next - 1])
    }

    /// Computes the next state, in pieces whose loops vectorise because no piece reads what it has just written.
    #[inline(always)]
    #[allow(clippy::inline_always)] // into the copy for wide vectors
    fn refill(&mut self) {
        let state = &mut self.state;
        for i in 0..N - M {
            state[i] = state[i + M] ^ twist(state[i], state[i + 1]);
        }
        for i in N - M..N - 1 {
            state[i] = state[i + M - N] ^ twist(state[i], state[i + 1]);
        }
        state[N - 1] = state[M - 1] ^ twist(state[N - 1], state[0]);
        self.next = 0;
    }

    /// One number per element, row-major: 1 where `(u mod 2²⁴) / 2²⁴ < density`, else 0.
    pub(crate) fn bernoulli(&mut self, density: f32, count: usize) -> Vec<u8> {
        bernoulli(self, density, count)
    }

    /// See [`Self::bernoulli`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    fn drawn(&mut self, density: f32, count: usize) -> Vec<u8> {
        // u < density · 2²⁴ for whole u; the product is exact.
        let below = (f64::from(density) * 16_777_216.0).ceil().clamp(0.0, 16_777_216.0) as u32;
        let mut keep = vec![0; count];
        let mut rest = keep.as_mut_slice();
        while !rest.is_empty() {
            if self.next == N {
                self.refill();
            }
            let some = rest.len().min(N - self.next);
            let (now, later) = rest.split_at_mut(some);
            for (keep, y) in now.iter_mut().zip(&self.state[self.next..]) {
                *keep = u8::from(temper(*y) & 0x00ff_ffff < below);
            }
            self.next += some;
            rest = later;
        }
        keep
    }

    /// A whole number below `n`, as `torch.randint` draws it: one output modulo `n`, of 64 bits from
    /// n = 2²⁸ on.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n < 1 << 28 {
            return u64::from(self.draw()) % n;
        }
        let high = u64::from(self.draw());
        (high << 32 | u64::from(self.draw())) % n
    }

    /// `(u mod 2²⁴) / 2²⁴`, torch's uniform f32.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.draw() & 0x00ff_ffff) as f32 / 16_777_216.0
    }
}

for_every_width! {
    fn bernoulli(stream: &mut Mt19937, density: f32, count: usize) -> Vec<u8> => Mt19937::drawn;
}

#[inline(always)]
#[allow(clippy::inline_always)] // must be inlined into the vectorised loops
fn twist(a: u32, b: u32) -> u32 {
    let y = (a & 0x8000_0000) | (b & 0x7fff_ffff);
    (y >> 1) ^ ((y & 1).wrapping_neg() & 0x9908_b0df)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn temper(mut y: u32) -> u32 {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^ (y >> 18)
}

#[cfg(test)]
mod tests {
    use super::Mt19937;

    #[test]
    fn whole_numbers_of_torch() {
        // torch.manual_seed(42); torch.randint(n, (3,))
        for (n, wanted) in [
            (3_000_000, [637_542, 1_126_067, 286_876]),
            ((1 << 28) + 7, [152_691_480, 68_438_865, 199_166_323]),
            (1 << 33, [3_421_126_067, 787_846_414, 3_348_747_335]),
        ] {
            let mut stream = Mt19937::new(42);
            assert_eq!([(); 3].map(|()| stream.below(n)), wanted, "{n}");
        }
    }

    #[test]
    fn reference_output() {
        // The first outputs and the 10,000th of the authors' mt19937ar with seed 5489.
        let mut stream = Mt19937::new(5489);
        assert_eq!([stream.draw(), stream.draw()], [3_499_211_612, 581_869_302]);
        for _ in 2..9_999 {
            stream.draw();
        }
        assert_eq!(stream.draw(), 4_123_659_995);
    }

    #[test]
    fn many_at_once_are_one_after_the_other() {
        let (mut many, mut one) = (Mt19937::new(7), Mt19937::new(7));
        for (density, count) in [(0.5, 10), (0.300_048_83, 700), (0.9, 2000), (1e-7, 50)] {
            for keep in many.bernoulli(density, count) {
                assert_eq!(keep == 1, ((one.draw() & 0x00ff_ffff) as f32 / 16_777_216.0) < density);
            }
        }
    }
}
