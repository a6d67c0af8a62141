//! Baselines that learn nothing: random search and a grid. Genes come in, points go out, and both report the best point
//! so far. `search/table.rs` makes them.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::error::SearchError;
use super::space::GeneInfo;
use super::strategy::{CheckedSetup, Encoding, GenerationResult, Strategy};

/// The best point told so far.
#[derive(Default)]
struct Best(Option<(f64, Vec<f64>)>);

impl Best {
    fn take(&mut self, result: &GenerationResult) {
        if let Some((fitness, point)) = result.best()
            && self.0.as_ref().is_none_or(|(best, _)| fitness > *best)
        {
            self.0 = Some((fitness, point.clone()));
        }
    }

    fn or(&self, other: impl FnOnce() -> Vec<f64>) -> Vec<f64> {
        self.0.as_ref().map_or_else(other, |(_, point)| point.clone())
    }
}

/// Draws points uniformly between the bounds.
pub(super) struct Random {
    encoding: Encoding,
    population: usize,
    rng: ChaCha12Rng,
    best: Best,
}

impl Random {
    pub(super) fn new(setup: &CheckedSetup) -> Self {
        Self {
            encoding: Encoding::new(setup),
            population: setup.population,
            rng: ChaCha12Rng::seed_from_u64(setup.seed),
            best: Best::default(),
        }
    }
}

impl Strategy for Random {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        (0..self.population).map(|_| self.encoding.anywhere(&mut self.rng)).collect()
    }

    fn tell(&mut self, result: &GenerationResult) {
        self.best.take(result);
    }

    fn mean(&self) -> Vec<f64> {
        self.best.or(|| self.encoding.middle())
    }

    fn population(&self) -> usize {
        self.population
    }
}

/// Every combination of `points` evenly spaced values for each gene, bounds included; a switch has two values. The
/// order steps through the grid by about 0.618 of its size, so that any part of the order covers the whole grid. After
/// the last combination the order starts again.
pub(super) struct Grid {
    encoding: Encoding,
    points: u64,
    total: u64,
    stride: u64,
    population: usize,
    /// Index of the next combination.
    next: u64,
    best: Best,
}

/// Maximum number of points of a grid.
const MAX_POINTS: u64 = 1_000_000_000;

impl Grid {
    pub(super) fn new(setup: &CheckedSetup) -> Result<Self, SearchError> {
        let encoding = Encoding::new(setup);
        let points = setup.option("points").round().max(1.0) as u64;
        let mut sizes = encoding.binary.iter().map(|&b| if b { 2 } else { points });
        let total = sizes.try_fold(1u64, |t, s| t.checked_mul(s).filter(|t| *t <= MAX_POINTS));
        let Some(total) = total else {
            return Err(SearchError::Grid { points, dim: encoding.genes.len() });
        };
        let mut stride = ((total as f64 * 0.618) as u64).max(1);
        while gcd(stride, total) > 1 {
            stride += 1;
        }
        let (population, next) = (setup.population, setup.seed % total);
        Ok(Self { encoding, points, total, stride, population, next, best: Best::default() })
    }

    fn point(&self, mut index: u64) -> Vec<f64> {
        let mut one = |(gene, &binary): (&GeneInfo, &bool)| {
            let points = if binary { 2 } else { self.points };
            let at = index % points;
            index /= points;
            if points == 1 {
                return f64::midpoint(gene.low, gene.high);
            }
            gene.low + (gene.high - gene.low) * (at as f64 / (points - 1) as f64)
        };
        self.encoding.genes.iter().zip(&self.encoding.binary).map(&mut one).collect()
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Strategy for Grid {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        let first = self.next;
        let step =
            |i: usize| (u128::from(first) + i as u128 * u128::from(self.stride)) % u128::from(self.total);
        self.next = step(self.population) as u64;
        (0..self.population).map(|i| self.point(step(i) as u64)).collect()
    }

    fn tell(&mut self, result: &GenerationResult) {
        self.best.take(result);
    }

    fn mean(&self) -> Vec<f64> {
        self.best.or(|| self.encoding.middle())
    }

    fn population(&self) -> usize {
        self.population
    }
}
