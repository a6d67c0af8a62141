//! The simple evolution strategy: one parent, one fixed step size, the best child is the next parent.

use serde::{Deserialize, Serialize};

use super::exact::Generator;
use super::normal::normal;
use super::strategy::{Plan, Strategy, Told, state_as_text};

/// Sample N(μ, σ² I) with fixed σ, evaluate, μ ← the best sample, repeat. The parent itself does
/// not compete, so a generation may be worse than the last.
pub(super) struct SimpleEs {
    sigma: Vec<f64>,
    population: usize,
    state: State,
}

#[derive(Clone, Serialize, Deserialize)]
struct State {
    mean: Vec<f64>,
    rng: Generator,
}

impl SimpleEs {
    pub(super) fn new(plan: &Plan) -> Self {
        let sigma = plan.genes.iter().map(|g| g.sigma).collect();
        let state = State { mean: plan.start.clone(), rng: Generator::new(plan.seed) };
        Self { sigma, population: plan.population, state }
    }
}

impl Strategy for SimpleEs {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        let State { mean, rng } = &mut self.state;
        let mut point = || mean.iter().zip(&self.sigma).map(|(m, s)| m + s * normal(&mut rng.0)).collect();
        (0..self.population).map(|_| point()).collect()
    }

    /// The first of the best samples becomes the mean; where every one failed, the mean stays.
    fn tell(&mut self, told: &Told) {
        if let Some((_, point)) = told.best() {
            self.state.mean.clone_from(point);
        }
    }

    fn mean(&self) -> Vec<f64> {
        self.state.mean.clone()
    }

    fn population(&self) -> usize {
        self.population
    }

    state_as_text!();
}
