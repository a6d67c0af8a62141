//! Normally distributed numbers that are the same on every machine. A seed and a stream number come in, numbers go out;
//! the strategies call it. Functions come from `libm`, whose results depend on IEEE arithmetic alone.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// The random generator for one generation. A strategy that draws each generation from a separate stream stores no
/// generator state: its points depend on the seed, the generation's number and what the strategy has learnt.
pub(super) fn stream(seed: u64, generation: u64) -> ChaCha12Rng {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    rng.set_stream(generation);
    rng
}

/// A seed for the `count`-th restart. The golden ratio's bits make the seeds of neighbouring counts very different
/// (Steele et al., `SplitMix64`).
pub(super) const fn reseeded(seed: u64, count: u64) -> u64 {
    seed ^ count.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A standard normal number by Marsaglia's polar method. The second number of each pair is dropped, so that no state is
/// left for the next call.
pub(super) fn normal(rng: &mut ChaCha12Rng) -> f64 {
    polar(rng).0
}

/// `n` standard normal numbers; uses both numbers of each pair.
pub(super) fn normals(rng: &mut ChaCha12Rng, n: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(n + 1);
    while out.len() < n {
        let (a, b) = polar(rng);
        out.push(a);
        out.push(b);
    }
    out.truncate(n);
    out
}

fn polar(rng: &mut ChaCha12Rng) -> (f64, f64) {
    loop {
        let u = 2.0 * rng.random::<f64>() - 1.0;
        let v = 2.0 * rng.random::<f64>() - 1.0;
        let s = u * u + v * v;
        if s > 0.0 && s < 1.0 {
            let factor = (-2.0 * libm::log(s) / s).sqrt();
            return (u * factor, v * factor);
        }
    }
}

/// Φ⁻¹(p): a standard normal number is below it with probability `p` in (0, 1). Found by bisection on Φ(x) =
/// erfc(−x/√2)/2 between −38 and 38.
pub(super) fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-38.0, 38.0);
    for _ in 0..80 {
        let x = f64::midpoint(low, high);
        if 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2) < p {
            low = x;
        } else {
            high = x;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_table() {
        for (p, x) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.001, -3.090_232_306_167_813)] {
            assert!((quantile(p) - x).abs() < 1e-12, "{p}");
        }
    }

    #[test]
    fn a_stream_follows_from_seed_and_generation() {
        let all = normals(&mut stream(3, 5), 20_001);
        assert_eq!(all.len(), 20_001);
        assert_eq!(all, normals(&mut stream(3, 5), 20_001));
        assert_ne!(all[..4], normals(&mut stream(3, 6), 4)[..]);
        assert_ne!(all[..4], normals(&mut stream(4, 5), 4)[..]);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|x| x * x).sum::<f64>() / all.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
