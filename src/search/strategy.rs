//! What an optimiser is to the ask/tell above it: points out, fitness in. Points are raw: in the
//! units of the genes, not folded into their bounds, and a real number where the gene is a switch.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::space::{GeneInfo, fold};

/// Values of an optimiser's parameters by name.
pub type Options = BTreeMap<String, f64>;

/// One way to search.
pub(super) trait Strategy: Send {
    /// The points of the next generation. Called once a generation.
    fn sample(&mut self) -> Vec<Vec<f64>>;
    /// Takes that generation's outcome.
    fn tell(&mut self, told: &Told);
    /// Where the search stands.
    fn mean(&self) -> Vec<f64>;
    /// Step size relative to the genes' first ones.
    fn step(&self) -> f64 {
        1.0
    }
    /// Points of the next generation.
    fn population(&self) -> usize;
    /// Whether this point should take part in the next ranking too.
    fn keeps(&self, _point: &[f64]) -> bool {
        false
    }
    /// Why going on is of no use, where the strategy knows.
    fn stopped(&self) -> Option<&'static str> {
        None
    }
    /// Points that no other one beats in every objective, with their objectives.
    fn front(&self) -> Vec<(Vec<f64>, Vec<f64>)> {
        Vec::new()
    }
}

/// A generation with its fitness, higher is better, never NaN. Injected points follow the sampled.
pub(super) struct Told<'a> {
    pub points: &'a [Vec<f64>],
    /// The first objective of each point.
    pub fitness: Vec<f64>,
    /// Every objective of each point.
    pub objectives: &'a [Vec<f64>],
    /// Points from this one on were injected.
    pub sampled: usize,
    /// Where genes are conditional: which mattered, a row a point.
    pub active: Option<Vec<Vec<bool>>>,
}

impl Told<'_> {
    /// Indices, best first; equal ones in the order of proposal.
    pub(super) fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.fitness.len()).collect();
        order.sort_by(|&a, &b| self.fitness[b].total_cmp(&self.fitness[a]));
        order
    }

    /// The first of the best points with its fitness, unless every one failed.
    pub(super) fn best(&self) -> Option<(f64, &Vec<f64>)> {
        let best = self.ranking().first().map(|&i| (self.fitness[i], &self.points[i]));
        best.filter(|(fitness, _)| *fitness > f64::NEG_INFINITY)
    }
}

/// What an optimiser is made from.
pub(super) struct Plan<'a> {
    pub genes: &'a [GeneInfo],
    /// Which genes are switches: `low` is off, `high` is on.
    pub binary: &'a [bool],
    /// The first mean, inside the bounds.
    pub start: Vec<f64>,
    pub population: usize,
    pub seed: u64,
    /// Every parameter of the optimiser's row.
    pub options: Options,
    /// Whether genes are conditional.
    pub conditional: bool,
}

impl Plan<'_> {
    pub(super) fn option(&self, name: &str) -> f64 {
        self.options.get(name).copied().unwrap_or(f64::NAN)
    }
}

/// Genes with their switches: what a raw point means.
#[derive(Clone)]
pub(super) struct Meaning {
    pub genes: Vec<GeneInfo>,
    pub binary: Vec<bool>,
}

impl Meaning {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { genes: plan.genes.to_vec(), binary: plan.binary.to_vec() }
    }

    /// The genome of a raw point: folded at the bounds, switches on above the middle.
    pub(super) fn genome(&self, point: &[f64]) -> Vec<f64> {
        let one = |((&x, gene), &binary): ((&f64, &GeneInfo), &bool)| match binary {
            true if x > f64::midpoint(gene.low, gene.high) => gene.high,
            true => gene.low,
            false => fold(x, gene),
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
