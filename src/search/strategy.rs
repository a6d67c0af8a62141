//! The interface of a search strategy: raw points go out, a generation's results come in. A raw point is in the genes'
//! units, not yet reflected into their bounds, and has a real number for each switch. [`Optimiser`] calls it.
//!
//! [`Optimiser`]: super::Optimiser

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::space::{GeneInfo, reflect};

/// Values of an optimiser's parameters, by name.
pub type Options = BTreeMap<String, f64>;

/// A search strategy, the core of an optimiser.
pub(super) trait Strategy: Send {
    /// The points of the next generation. Called once for each generation.
    fn sample(&mut self) -> Vec<Vec<f64>>;
    /// Learns from the results of that generation.
    fn tell(&mut self, result: &GenerationResult);
    /// The distribution's mean. A strategy without a distribution gives the best point so far.
    fn mean(&self) -> Vec<f64>;
    /// The present step size relative to the genes' first step sizes.
    fn step(&self) -> f64 {
        1.0
    }
    /// Number of points in the next generation.
    fn population(&self) -> usize;
    /// Whether this injected point should take part in the next ranking too.
    fn keeps(&self, _point: &[f64]) -> bool {
        false
    }
    /// Name of the stopping criterion that is met, if any.
    fn stopped(&self) -> Option<&'static str> {
        None
    }
    /// The Pareto front, with its objectives.
    fn front(&self) -> Vec<(Vec<f64>, Vec<f64>)> {
        Vec::new()
    }
}

/// A generation with its fitness: higher is better, never NaN. Injected points follow the sampled ones.
pub(super) struct GenerationResult<'a> {
    pub points: &'a [Vec<f64>],
    /// The first objective of each point.
    pub fitness: Vec<f64>,
    /// Every objective of each point.
    pub objectives: &'a [Vec<f64>],
    /// Number of sampled points; the points after them were injected.
    pub sampled: usize,
    /// For conditional genes: which genes each point uses.
    pub active: Option<Vec<Vec<bool>>>,
}

impl GenerationResult<'_> {
    /// Indices of the points, best first; equal points in the order of proposal.
    pub(super) fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.fitness.len()).collect();
        order.sort_by(|&a, &b| self.fitness[b].total_cmp(&self.fitness[a]));
        order
    }

    /// The best point with its fitness, the first of equals; `None` if every point failed.
    pub(super) fn best(&self) -> Option<(f64, &Vec<f64>)> {
        let best = self.ranking().first().map(|&i| (self.fitness[i], &self.points[i]));
        best.filter(|(fitness, _)| *fitness > f64::NEG_INFINITY)
    }
}

/// A checked [`Setup`](super::Setup), with every default filled in.
pub(super) struct CheckedSetup<'a> {
    pub genes: &'a [GeneInfo],
    /// Which genes are switches: `low` is off, `high` is on.
    pub binary: &'a [bool],
    /// The first mean, inside the bounds.
    pub start: Vec<f64>,
    pub population: usize,
    pub seed: u64,
    /// A value for every parameter of the optimiser.
    pub options: Options,
    /// Whether genes are conditional.
    pub conditional: bool,
}

impl CheckedSetup<'_> {
    pub(super) fn option(&self, name: &str) -> f64 {
        self.options.get(name).copied().unwrap_or(f64::NAN)
    }
}

/// Turns a raw point into a genome. Holds the genes, and which of them are switches.
#[derive(Clone)]
pub(super) struct Encoding {
    pub genes: Vec<GeneInfo>,
    pub binary: Vec<bool>,
}

impl Encoding {
    pub(super) fn new(setup: &CheckedSetup) -> Self {
        Self { genes: setup.genes.to_vec(), binary: setup.binary.to_vec() }
    }

    /// The genome of a raw point: numbers are reflected at the bounds, and a switch is on above the middle of its
    /// bounds.
    pub(super) fn decode(&self, point: &[f64]) -> Vec<f64> {
        let one = |((&x, gene), &binary): ((&f64, &GeneInfo), &bool)| match binary {
            true if x > f64::midpoint(gene.low, gene.high) => gene.high,
            true => gene.low,
            false => reflect(x, gene),
        };
        point.iter().zip(&self.genes).zip(&self.binary).map(one).collect()
    }

    /// A point drawn uniformly between the bounds.
    pub(super) fn anywhere(&self, rng: &mut ChaCha12Rng) -> Vec<f64> {
        self.genes.iter().map(|g| g.low + (g.high - g.low) * rng.random::<f64>()).collect()
    }

    pub(super) fn middle(&self) -> Vec<f64> {
        self.genes.iter().map(|g| f64::midpoint(g.low, g.high)).collect()
    }
}
