//! NSGA-II (Deb et al. 2002) as ask/tell, for several objectives: binary tournaments by front and crowding, simulated
//! binary crossover and polynomial mutation (the variants that respect the bounds), joint ranking of parents and
//! children. A switch is inherited from one of the parents, and flipped where a real gene would be mutated.
//! `search/table.rs` makes it.

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::normal::stream;
use super::pareto::{crowding, fronts};
use super::strategy::{CheckedSetup, Encoding, GenerationResult, Strategy};

pub(super) struct Nsga {
    encoding: Encoding,
    population: usize,
    /// Probability of crossover and the two distribution indices (η).
    crossover: f64,
    crossover_index: f64,
    mutation_index: f64,
    start: Vec<f64>,
    seed: u64,
    generation: u64,
    /// At most `population` members, best first, each with its front and crowding.
    parents: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    x: Vec<f64>,
    /// Objectives; −∞ for a failure.
    objectives: Vec<f64>,
    /// Index of the member's front; 0 for the first.
    front: usize,
    /// Crowding distance within the front.
    crowding: f64,
}

impl Nsga {
    pub(super) fn new(setup: &CheckedSetup) -> Self {
        Self {
            encoding: Encoding::new(setup),
            population: setup.population,
            crossover: setup.option("crossover"),
            crossover_index: setup.option("crossover_index"),
            mutation_index: setup.option("mutation_index"),
            start: setup.start.clone(),
            seed: setup.seed,
            generation: 0,
            parents: Vec::new(),
        }
    }

    /// A binary tournament: the better of two random parents.
    fn parent(&self, rng: &mut ChaCha12Rng) -> &Member {
        let parents = &self.parents;
        let (a, b) = (rng.random_range(0..parents.len() as u64), rng.random_range(0..parents.len() as u64));
        let (a, b) = (&parents[a as usize], &parents[b as usize]);
        if b.front < a.front || (b.front == a.front && b.crowding > a.crowding) { b } else { a }
    }

    /// Makes two children from two parents.
    fn children(&self, rng: &mut ChaCha12Rng) -> [Vec<f64>; 2] {
        let (mut a, mut b) = (self.parent(rng).x.clone(), self.parent(rng).x.clone());
        if rng.random::<f64>() < self.crossover {
            for (j, gene) in self.encoding.genes.iter().enumerate() {
                if rng.random::<f64>() < 0.5 {
                    if !self.encoding.binary[j] {
                        (a[j], b[j]) = self.mixed(a[j], b[j], gene.low, gene.high, rng);
                    }
                    if rng.random::<f64>() < 0.5 {
                        std::mem::swap(&mut a[j], &mut b[j]);
                    }
                }
            }
        }
        self.mutate(&mut a, rng);
        self.mutate(&mut b, rng);
        [a, b]
    }

    /// Simulated binary crossover of one gene; returns the values of both children.
    fn mixed(&self, a: f64, b: f64, low: f64, high: f64, rng: &mut ChaCha12Rng) -> (f64, f64) {
        let (small, large) = if a < b { (a, b) } else { (b, a) };
        let gap = large - small;
        let power = self.crossover_index + 1.0;
        let u = rng.random::<f64>();
        if gap < 1e-14 {
            return (small, large);
        }
        let spread = |room: f64| {
            let alpha = 2.0 - libm::pow(1.0 + 2.0 * room / gap, -power);
            let base = if u <= 1.0 / alpha { u * alpha } else { 1.0 / (2.0 - u * alpha) };
            libm::pow(base, 1.0 / power)
        };
        let middle = f64::midpoint(small, large);
        let down = middle - 0.5 * spread(small - low) * gap;
        let up = middle + 0.5 * spread(high - large) * gap;
        (down.clamp(low, high), up.clamp(low, high))
    }

    /// Polynomial mutation; it changes one gene in n on average.
    fn mutate(&self, x: &mut [f64], rng: &mut ChaCha12Rng) {
        let share = 1.0 / x.len() as f64;
        let power = self.mutation_index + 1.0;
        for (j, x) in x.iter_mut().enumerate() {
            let gene = &self.encoding.genes[j];
            if rng.random::<f64>() >= share {
                continue;
            }
            if self.encoding.binary[j] {
                *x = gene.low + gene.high - *x;
                continue;
            }
            let u = rng.random::<f64>();
            let width = gene.high - gene.low;
            let kept = |room: f64| libm::pow(1.0 - room / width, power);
            let shift = if u < 0.5 {
                libm::pow(2.0 * u + (1.0 - 2.0 * u) * kept(*x - gene.low), 1.0 / power) - 1.0
            } else {
                1.0 - libm::pow(2.0 * (1.0 - u) + (2.0 * u - 1.0) * kept(gene.high - *x), 1.0 / power)
            };
            *x = (*x + shift * width).clamp(gene.low, gene.high);
        }
    }
}

impl Strategy for Nsga {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        let mut rng = stream(self.seed, self.generation);
        let mut out = Vec::with_capacity(self.population + 1);
        if self.parents.is_empty() {
            out.push(self.encoding.decode(&self.start));
            out.resize_with(self.population, || self.encoding.decode(&self.encoding.anywhere(&mut rng)));
        }
        while out.len() < self.population {
            out.extend(self.children(&mut rng));
        }
        out.truncate(self.population);
        out
    }

    fn tell(&mut self, result: &GenerationResult) {
        self.generation += 1;
        let member = |(x, o): (&Vec<f64>, &Vec<f64>)| Member {
            x: self.encoding.decode(x),
            objectives: o.iter().map(|&o| if o.is_finite() { o } else { f64::NEG_INFINITY }).collect(),
            front: 0,
            crowding: 0.0,
        };
        let mut all = std::mem::take(&mut self.parents);
        all.extend(result.points.iter().zip(result.objectives).map(member));
        let objectives: Vec<Vec<f64>> = all.iter().map(|m| m.objectives.clone()).collect();
        let mut order = Vec::new();
        for (level, front) in fronts(&objectives).into_iter().enumerate() {
            let distances = crowding(&front, &objectives);
            let mut members: Vec<(usize, f64)> = front.into_iter().zip(distances).collect();
            members.sort_by(|a, b| b.1.total_cmp(&a.1));
            for &(i, distance) in &members {
                all[i].front = level;
                all[i].crowding = distance;
            }
            order.extend(members.iter().map(|(i, _)| *i));
            if order.len() >= self.population {
                break;
            }
        }
        order.truncate(self.population);
        self.parents = order.into_iter().map(|i| all[i].clone()).collect();
    }

    /// The parent with the highest first objective.
    fn mean(&self) -> Vec<f64> {
        let first = |m: &Member| m.objectives.first().copied().unwrap_or(f64::NEG_INFINITY);
        let best = self.parents.iter().rev().max_by(|a, b| first(a).total_cmp(&first(b)));
        best.map_or_else(|| self.start.clone(), |m| m.x.clone())
    }

    fn population(&self) -> usize {
        self.population
    }

    fn front(&self) -> Vec<(Vec<f64>, Vec<f64>)> {
        let first = self.parents.iter().filter(|m| m.front == 0);
        first.map(|m| (m.x.clone(), m.objectives.clone())).collect()
    }
}
