//! The simple evolution strategy: one parent, one fixed step size, the best child is the next parent.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::gene::GeneInfo;

/// Sample N(μ, σ² I) with fixed σ, evaluate, μ ← the best sample, repeat. The parent itself does
/// not compete, so a generation may be worse than the last.
pub(super) struct SimpleEs {
    mean: Vec<f64>,
    sigma: Vec<f64>,
    rng: ChaCha12Rng,
}

impl SimpleEs {
    pub(super) fn new(genes: &[GeneInfo], mean: Vec<f64>, seed: u64) -> Self {
        let sigma = genes.iter().map(|g| g.sigma).collect();
        Self { mean, sigma, rng: ChaCha12Rng::seed_from_u64(seed) }
    }

    pub(super) fn sample(&mut self, population: usize) -> Vec<Vec<f64>> {
        let Self { mean, sigma, rng } = self;
        let mut point = || mean.iter().zip(sigma.iter()).map(|(m, s)| m + s * normal(rng)).collect();
        (0..population).map(|_| point()).collect()
    }

    /// The first of the best samples becomes the mean; where every one failed, the mean stays.
    pub(super) fn tell(&mut self, points: &[Vec<f64>], fitness: &[f64]) {
        let mut best: Option<(f64, &Vec<f64>)> = None;
        for (point, &f) in points.iter().zip(fitness) {
            if f > best.map_or(f64::NEG_INFINITY, |(b, _)| b) {
                best = Some((f, point));
            }
        }
        if let Some((_, point)) = best {
            self.mean.clone_from(point);
        }
    }

    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }
}

/// A standard normal number (Marsaglia's polar method; one of the pair is thrown away, so that
/// the generator holds no hidden half).
fn normal(rng: &mut ChaCha12Rng) -> f64 {
    loop {
        let u = 2.0 * rng.random::<f64>() - 1.0;
        let v = 2.0 * rng.random::<f64>() - 1.0;
        let s = u * u + v * v;
        if s > 0.0 && s < 1.0 {
            return u * (-2.0 * s.ln() / s).sqrt();
        }
    }
}
