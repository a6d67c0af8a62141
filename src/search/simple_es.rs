//! The simplest evolution strategy: one parent, a fixed step size; the best child is the next parent. Ranked points
//! come in, samples go out; `search/table.rs` makes it.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::normal::normal;
use super::strategy::{CheckedSetup, GenerationResult, Strategy};

/// Samples N(μ, σ² I) with fixed σ; μ becomes the best sample. The parent does not compete, so a generation may be
/// worse than the previous one.
pub(super) struct SimpleEs {
    sigma: Vec<f64>,
    population: usize,
    mean: Vec<f64>,
    rng: ChaCha12Rng,
}

impl SimpleEs {
    pub(super) fn new(setup: &CheckedSetup) -> Self {
        let sigma = setup.genes.iter().map(|g| g.sigma).collect();
        let rng = ChaCha12Rng::seed_from_u64(setup.seed);
        Self { sigma, population: setup.population, mean: setup.start.clone(), rng }
    }
}

impl Strategy for SimpleEs {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        let Self { mean, sigma, rng, .. } = self;
        let mut point = || mean.iter().zip(&*sigma).map(|(m, s)| m + s * normal(rng)).collect();
        (0..self.population).map(|_| point()).collect()
    }

    /// The best sample, the first of equals, becomes the mean. If every sample failed, the mean stays.
    fn tell(&mut self, result: &GenerationResult) {
        if let Some((_, point)) = result.best() {
            self.mean.clone_from(point);
        }
    }

    fn mean(&self) -> Vec<f64> {
        self.mean.clone()
    }

    fn population(&self) -> usize {
        self.population
    }
}
