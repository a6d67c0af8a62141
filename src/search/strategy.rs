//! The interface of one way to search: raw points out, a generation's results in. A raw point is in the genes' units,
//! not yet reflected into their bounds, and holds a real number where the gene is a switch. [`Optimiser`] calls it.
//!
//! [`Optimiser`]: super::Optimiser

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::space::{GeneInfo, reflect};

/// Values of an optimiser's parameters by name.
pub type Options = BTreeMap<String, f64>;

/// One way to search.
pub(super) trait Strategy: Send {
    /// The points of the next generation. Called once a generation.
    fn sample(&mut self) -> Vec<Vec<f64>>;
    /// Learns from that generation.
    fn tell(&mut self, result: &GenerationResult);
    /// The distribution's mean; of strategies without one the best point so far.
    fn mean(&self) -> Vec<f64>;
    /// Step size relative to the genes' first ones.
    fn step(&self) -> f64 {
        1.0
    }
    /// Points of the next generation.
    fn population(&self) -> usize;
    /// Whether this injected point should take part in the next ranking too.
    fn keeps(&self, _point: &[f64]) -> bool {
        false
    }
    /// Name of the stopping criterion that is met, if one is.
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
    /// Points from this one on were injected.
    pub sampled: usize,
    /// Where genes are conditional: which ones each point uses.
    pub active: Option<Vec<Vec<bool>>>,
}

impl GenerationResult<'_> {
    /// Indices of the points, best first; equal ones in the order of proposal.
    pub(super) fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.fitness.len()).collect();
        order.sort_by(|&a, &b| self.fitness[b].total_cmp(&self.fitness[a]));
        order
    }

    /// The best point with its fitness, the first of equals; `None` where every one failed.
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

/// How a raw point becomes a genome: the genes, and which of them are switches.
#[derive(Clone)]
pub(super) struct Encoding {
    pub genes: Vec<GeneInfo>,
    pub binary: Vec<bool>,
}

impl Encoding {
    pub(super) fn new(setup: &CheckedSetup) -> Self {
        Self { genes: setup.genes.to_vec(), binary: setup.binary.to_vec() }
    }

    /// The genome of a raw point: reflected at the bounds, a switch on above the middle of its bounds.
    pub(super) fn decode(&self, point: &[f64]) -> Vec<f64> {
        let one = |((&x, gene), &binary): ((&f64, &GeneInfo), &bool)| match binary {
            true if x > f64::midpoint(gene.low, gene.high) => gene.high,
            true => gene.low,
            false => reflect(x, gene),
        };
        point.iter().zip(&self.genes).zip(&self.binary).map(one).collect()
    }

    /// A point drawn evenly between the bounds.
    pub(super) fn anywhere(&self, rng: &mut ChaCha12Rng) -> Vec<f64> {
        self.genes.iter().map(|g| g.low + (g.high - g.low) * rng.random::<f64>()).collect()
    }

    pub(super) fn middle(&self) -> Vec<f64> {
        self.genes.iter().map(|g| f64::midpoint(g.low, g.high)).collect()
    }
}
