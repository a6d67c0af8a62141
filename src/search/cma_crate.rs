//! CMA-ES (Hansen, arXiv 1604.00772) on the `cmaes` crate, turned into ask/tell.
//!
//! The crate calls its objective itself and can be neither cloned nor saved. But the points of a
//! generation do not depend on that generation's fitness, so a second instance with the same seed,
//! fed the ranks of all past generations, samples exactly what the first one will: that is how
//! [`Cma::sample`] looks ahead. A look-ahead costs one update a past generation (0.02 ms at n = 18,
//! 2 ms at n = 198), little beside one evaluation.
//!
//! The crate's own termination tests are ignored: the session decides when to stop. Only where
//! going on would be numerically void (step size or axis ratio out of range) does the search start
//! afresh from its mean with the first step size.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use cmaes::{CMAES, CMAESOptions, DVector};

use super::gene::GeneInfo;
use super::strategy::{Strategy, Told};

/// Step sizes relative to the first one outside which the search starts afresh.
const STEP_RANGE: std::ops::Range<f64> = 1e-14..1e6;
/// Ratio of the longest to the shortest axis above which the search starts afresh.
const MAX_AXIS_RATIO: f64 = 1e7;

/// CMA-ES in coordinates where every gene's first step size is 1.
pub(super) struct Cma {
    /// First step size of each gene.
    scale: Vec<f64>,
    start: Vec<f64>,
    step: f64,
    population: usize,
    seed: u64,
    /// Ranks told since the last fresh start, one row a generation.
    past: Vec<Vec<f64>>,
    live: Instance,
}

type Objective = Box<dyn FnMut(&DVector<f64>) -> f64 + Send>;

/// The crate's optimiser with the tape that feeds its objective.
struct Instance {
    cma: CMAES<Objective>,
    tape: Arc<Mutex<Tape>>,
}

/// Values that the objective hands out in call order, and the points that it saw.
#[derive(Default)]
struct Tape {
    values: Vec<f64>,
    points: Vec<Vec<f64>>,
}

impl Cma {
    /// `step` multiplies the genes' first step sizes; `population` is at least 4.
    pub(super) fn new(genes: &[GeneInfo], mean: &[f64], step: f64, population: usize, seed: u64) -> Self {
        let scale: Vec<f64> = genes.iter().map(|g| g.sigma).collect();
        let start: Vec<f64> = mean.iter().zip(&scale).map(|(m, s)| m / s).collect();
        let live = Instance::new(&start, step, population, seed);
        Self { scale, start, step, population, seed, past: Vec::new(), live }
    }

    /// The points of the next generation.
    pub(super) fn sample(&self) -> Vec<Vec<f64>> {
        let mut scout = Instance::new(&self.start, self.step, self.population, self.seed);
        for ranks in &self.past {
            scout.step(ranks);
        }
        // One value too few: the last call gets NaN, and the crate stops before it updates.
        let points = scout.step(&vec![0.0; self.population - 1]);
        points.iter().map(|p| self.unscaled(p)).collect()
    }

    /// Takes the fitness of the points of [`Self::sample`], higher is better; −∞ is allowed.
    pub(super) fn tell(&mut self, fitness: &[f64]) {
        let ranks = ranks(fitness);
        self.live.step(&ranks);
        self.past.push(ranks);
        if !self.is_sound() {
            let start: Vec<f64> = self.live.cma.mean().iter().copied().collect();
            if start.iter().all(|x| x.is_finite()) {
                self.start = start;
            }
            self.step = 1.0;
            self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            self.past.clear();
            self.live = Instance::new(&self.start, self.step, self.population, self.seed);
        }
    }

    pub(super) fn mean(&self) -> Vec<f64> {
        self.unscaled(self.live.cma.mean().as_slice())
    }

    /// Step size relative to the genes' first ones.
    pub(super) fn step(&self) -> f64 {
        self.live.cma.sigma()
    }

    fn is_sound(&self) -> bool {
        let cma = &self.live.cma;
        STEP_RANGE.contains(&cma.sigma())
            && cma.axis_ratio() < MAX_AXIS_RATIO
            && cma.mean().iter().all(|x| x.is_finite())
            && cma.covariance_matrix().iter().all(|x| x.is_finite())
    }

    fn unscaled(&self, point: &[f64]) -> Vec<f64> {
        point.iter().zip(&self.scale).map(|(x, s)| x * s).collect()
    }
}

impl Strategy for Cma {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        Self::sample(self)
    }

    /// Injected points are left out: the crate can't take them.
    fn tell(&mut self, told: &Told) {
        Self::tell(self, &told.fitness[..told.sampled]);
    }

    fn mean(&self) -> Vec<f64> {
        Self::mean(self)
    }

    fn step(&self) -> f64 {
        Self::step(self)
    }

    fn population(&self) -> usize {
        self.population
    }

    fn restart_from(&mut self, mean: &[f64], seed: u64) {
        self.start = mean.iter().zip(&self.scale).map(|(m, s)| m / s).collect();
        self.step = self.live.cma.sigma();
        self.seed = seed;
        self.past.clear();
        self.live = Instance::new(&self.start, self.step, self.population, seed);
    }

    /// The crate's state can't be saved.
    fn save(&self) -> Option<String> {
        None
    }

    fn load(&mut self, _text: &str) -> bool {
        false
    }
}

impl Instance {
    fn new(start: &[f64], step: f64, population: usize, seed: u64) -> Self {
        let tape = Arc::new(Mutex::new(Tape::default()));
        let shared = Arc::clone(&tape);
        let objective: Objective = Box::new(move |x: &DVector<f64>| {
            let mut tape = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let value = tape.values.get(tape.points.len()).copied().unwrap_or(f64::NAN);
            tape.points.push(x.as_slice().to_vec());
            value
        });
        let cma = options(start, step, population, seed)
            .build(objective)
            .expect("dimension, population and step size were checked by Optimiser::new");
        Self { cma, tape }
    }

    /// Runs one generation with these values and returns its points.
    fn step(&mut self, values: &[f64]) -> Vec<Vec<f64>> {
        {
            let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
            tape.values = values.to_vec();
            tape.points.clear();
        }
        // Whether the crate would stop here is of no interest: it goes on when called again.
        let _ = self.cma.next();
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut tape.points)
    }
}

fn options(start: &[f64], step: f64, population: usize, seed: u64) -> CMAESOptions {
    CMAESOptions::new(start.to_vec(), step).population_size(population).seed(seed)
}

/// The crate minimises, and only order matters to CMA-ES: the best gets 0, the worst n − 1.
/// Ranks keep infinities and ties away from the crate's arithmetic.
fn ranks(fitness: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..fitness.len()).collect();
    order.sort_by(|&a, &b| fitness[b].partial_cmp(&fitness[a]).unwrap_or(Ordering::Equal));
    let mut out = vec![0.0; fitness.len()];
    for (rank, &i) in order.iter().enumerate() {
        out[i] = rank as f64;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::gene::GeneKind;
    use super::*;

    const N: usize = 10;

    fn sphere(x: &[f64]) -> f64 {
        x.iter().map(|v| v * v).sum()
    }

    fn ellipsoid(x: &[f64]) -> f64 {
        x.iter().enumerate().map(|(i, v)| 10f64.powf(6.0 * i as f64 / (N - 1) as f64) * v * v).sum()
    }

    /// All values that the crate sees, driven directly, until one is below 1e-8.
    fn run(function: fn(&[f64]) -> f64, seed: u64) -> Vec<f64> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        let objective: Objective = Box::new(move |x: &DVector<f64>| {
            // The search works in units of the first step size.
            let value = function((x * 0.3).as_slice());
            shared.lock().unwrap().push(value);
            value
        });
        let mut cma = options(&[0.7 / 0.3; N], 1.0, 10, seed).build(objective).unwrap();
        loop {
            let _ = cma.next();
            let mut seen = seen.lock().unwrap();
            if let Some(i) = seen.iter().position(|v| *v < 1e-8) {
                seen.truncate(i + 1);
                return seen.clone();
            }
            assert!(seen.len() < 100_000, "seed {seed} did not arrive");
        }
    }

    #[test]
    fn needs_no_more_evaluations_than_pycma_by_half() {
        let golden = include_str!("../../tests/golden/search/pycma.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        for (name, function) in [("sphere", sphere as fn(&[f64]) -> f64), ("ellipsoid", ellipsoid)] {
            let mut runs: Vec<usize> = (1..=10).map(|seed| run(function, seed).len()).collect();
            runs.sort_unstable();
            let median = (runs[4] + runs[5]) as f64 / 2.0;
            let pycma = golden[name]["median"].as_f64().unwrap();
            println!("{name}: median {median} evaluations, pycma {pycma}: {runs:?}");
            assert!(median <= 1.5 * pycma, "{name}: {median} against pycma's {pycma}");
        }
    }

    #[test]
    fn looking_ahead_shows_the_points_that_the_crate_evaluates() {
        let gene = |i| GeneInfo {
            name: format!("x{i}"),
            kind: GeneKind::Weight,
            source: 0,
            group: None,
            low: -5.0,
            high: 5.0,
            start: 0.7,
            sigma: 0.3,
        };
        let genes: Vec<GeneInfo> = (0..N).map(gene).collect();
        let mut cma = Cma::new(&genes, &[0.7; N], 1.0, 10, 4);
        let expected = run(sphere, 4);
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            let values: Vec<f64> = cma.sample().iter().map(|p| sphere(p)).collect();
            cma.tell(&values.iter().map(|v| -v).collect::<Vec<_>>());
            seen.extend(values);
        }
        assert!(expected.iter().zip(&seen).all(|(a, b)| (a - b).abs() <= 1e-12 * a.abs()));
    }
}
