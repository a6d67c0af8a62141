//! `CatCMA` with margin, over real genes and switches (Hamano et al., arXiv 2504.07884): real genes are drawn from the
//! normal distribution of CMA-ES, each switch from its own probability. Ranked points come in, samples go out;
//! `search/table.rs` makes it.
//!
//! The probabilities follow the stochastic natural gradient of the ranks, with a step of length δ in the metric of the
//! Fisher information. δ shrinks if successive steps contradict each other (ASNG, Akimoto et al. 2019, algorithm 1). No
//! probability comes nearer to 0 or 1 than 1 − 0.73^(1/m), where m is the number of switches. A switch takes no
//! dimension of the covariance matrix; this needs fewer evaluations than a margin on hidden numbers.

use rand::Rng;

use super::distribution::{Cma, Point};
use super::stop::StopCriteria;
use crate::search::normal::{reseeded, stream};
use crate::search::space::{GeneInfo, nearest_image};
use crate::search::strategy::{CheckedSetup, Encoding, GenerationResult, Strategy};

/// The signal-to-noise ratio at which δ stays the same (ASNG's α).
const SIGNAL: f64 = 1.5;

pub(in crate::search) struct CatSearch {
    encoding: Encoding,
    /// Indices of the real genes and of the switches.
    real: Vec<usize>,
    switches: Vec<usize>,
    /// Lower bound for the probability of on, and for the probability of off.
    least: f64,
    population: usize,
    active: bool,
    conditional: bool,
    diagonal: bool,
    seed: u64,
    state: State,
}

struct State {
    /// CMA-ES over the real genes, in units of their first steps; `None` if all genes are switches.
    cma: Option<Cma>,
    stop: StopCriteria,
    generation: u64,
    run: u64,
    /// For each switch, the probability that it is on.
    on: Vec<f64>,
    /// ASNG's s, γ, and Δ = 1/δ.
    path: Vec<f64>,
    gamma: f64,
    shrink: f64,
}

impl CatSearch {
    pub(in crate::search) fn new(setup: &CheckedSetup, diagonal: bool) -> Self {
        let encoding = Encoding::new(setup);
        let (switches, real): (Vec<usize>, Vec<usize>) =
            (0..setup.genes.len()).partition(|&j| encoding.binary[j]);
        let least = 1.0 - libm::pow(0.73, 1.0 / switches.len().max(1) as f64);
        let conditional = setup.conditional && setup.options.get("conditional").is_none_or(|&c| c > 0.5);
        let active = !conditional && setup.option("active") > 0.5;
        let share = |&j: &usize| {
            let gene = &setup.genes[j];
            (setup.start[j] - gene.low) / (gene.high - gene.low)
        };
        let on: Vec<f64> = switches.iter().map(|j| share(j).clamp(least, 1.0 - least)).collect();
        let start: Vec<f64> = real.iter().map(|&j| setup.start[j] / setup.genes[j].sigma).collect();
        let cma =
            (!real.is_empty()).then(|| Cma::new(start, 1.0, setup.population, diagonal, active, setup.seed));
        let state = State {
            cma,
            stop: StopCriteria::default(),
            generation: 0,
            run: 0,
            path: vec![0.0; on.len()],
            on,
            gamma: 0.0,
            shrink: 1.0,
        };
        let (population, seed) = (setup.population, setup.seed);
        Self { encoding, real, switches, least, population, active, conditional, diagonal, seed, state }
    }

    fn gene(&self, j: usize) -> &GeneInfo {
        &self.encoding.genes[j]
    }

    /// Makes a raw point of real numbers (in first steps) and switches.
    fn raw(&self, real: &[f64], on: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut out = vec![0.0; self.encoding.genes.len()];
        for (&j, x) in self.real.iter().zip(real) {
            out[j] = x * self.gene(j).sigma;
        }
        for (k, &j) in self.switches.iter().enumerate() {
            let gene = self.gene(j);
            out[j] = gene.low + (gene.high - gene.low) * on(k);
        }
        out
    }

    /// The real genes of a raw point, in first steps. For an injected point each is the mirror image nearest to the
    /// mean.
    fn coordinates(&self, point: &[f64], injected: bool) -> Vec<f64> {
        let Some(cma) = &self.state.cma else { return Vec::new() };
        let one = |(&j, mean): (&usize, &f64)| {
            let gene = self.gene(j);
            let x = if injected {
                nearest_image(point[j], mean * gene.sigma, gene.low, gene.high)
            } else {
                point[j]
            };
            x / gene.sigma
        };
        self.real.iter().zip(&cma.mean).map(one).collect()
    }

    /// Whether a switch is on in a raw point.
    fn is_on(&self, point: &[f64], k: usize) -> f64 {
        let j = self.switches[k];
        f64::from(u8::from(point[j] > f64::midpoint(self.gene(j).low, self.gene(j).high)))
    }

    /// Updates the probabilities from points, best first; `weights` are the weights of the better half.
    fn learn_switches(&mut self, points: &[&Vec<f64>], rows: Option<&[&[bool]]>, weights: &[f64]) {
        let m = self.switches.len();
        if m == 0 {
            return;
        }
        let mut gradient = vec![0.0; m];
        for (i, (point, w)) in points.iter().zip(weights).enumerate() {
            for (k, g) in gradient.iter_mut().enumerate() {
                if rows.is_none_or(|rows| rows[i][self.switches[k]]) {
                    *g += w * (self.is_on(point, k) - self.state.on[k]);
                }
            }
        }
        // Lengths are in the metric of the Fisher information, 1/(p (1 − p)).
        let state = &mut self.state;
        let scaled: Vec<f64> =
            gradient.iter().zip(&state.on).map(|(g, p)| g / (p * (1.0 - p)).sqrt()).collect();
        let length = scaled.iter().map(|s| s * s).sum::<f64>().sqrt();
        if length <= 0.0 {
            return;
        }
        let step = 1.0 / state.shrink / (length + 1e-8);
        for (p, g) in state.on.iter_mut().zip(&gradient) {
            *p = (*p + step * g).clamp(self.least, 1.0 - self.least);
        }
        let beta = (1.0 / state.shrink / (m as f64).sqrt()).min(1.0);
        let push = (beta * (2.0 - beta)).sqrt() / length;
        for (s, g) in state.path.iter_mut().zip(&scaled) {
            *s = (1.0 - beta) * *s + push * g;
        }
        state.gamma = (1.0 - beta) * (1.0 - beta) * state.gamma + beta * (2.0 - beta);
        let square: f64 = state.path.iter().map(|s| s * s).sum();
        state.shrink *= libm::exp(beta * (state.gamma - square / SIGNAL));
    }

    /// Restarts the normal distribution if its numbers overflow or degenerate.
    fn keep_sound(&mut self) {
        let Some(cma) = &self.state.cma else { return };
        if cma.is_sound() && (1e-14..1e6).contains(&cma.step) {
            return;
        }
        let start = || self.real.iter().map(|&j| self.gene(j).start / self.gene(j).sigma).collect();
        let mean = if cma.mean.iter().all(|m| m.is_finite()) { cma.mean.clone() } else { start() };
        self.state.run += 1;
        let seed = reseeded(self.seed, self.state.run);
        self.state.cma = Some(Cma::new(mean, 1.0, self.population, self.diagonal, self.active, seed));
        self.state.stop = StopCriteria::default();
    }
}

impl Strategy for CatSearch {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        let real = self.state.cma.as_ref().map_or_else(|| vec![Vec::new(); self.population], Cma::sample);
        // The switches use another stream than the real numbers.
        let mut rng = stream(reseeded(self.seed, u64::MAX), self.state.generation);
        let mut out = Vec::with_capacity(real.len());
        for real in &real {
            let drawn: Vec<f64> =
                self.state.on.iter().map(|p| f64::from(u8::from(rng.random::<f64>() < *p))).collect();
            out.push(self.raw(real, |k| drawn[k]));
        }
        out
    }

    fn tell(&mut self, result: &GenerationResult) {
        self.state.generation += 1;
        let mut order = result.ranking();
        order.truncate(self.population);
        let ranked: Vec<f64> = order.iter().map(|&i| result.fitness[i]).collect();
        if ranked.first() == ranked.last() {
            if let Some(cma) = &mut self.state.cma {
                cma.skip();
            }
        } else {
            let points: Vec<&Vec<f64>> = order.iter().map(|&i| &result.points[i]).collect();
            let rows: Option<Vec<&[bool]>> = result
                .active
                .as_ref()
                .filter(|_| self.conditional)
                .map(|rows| order.iter().map(|&i| rows[i].as_slice()).collect());
            let weights = weights(self.population);
            self.learn_switches(&points, rows.as_deref(), &weights);
            let injected = |i: usize| order[i] >= result.sampled;
            let x: Vec<Vec<f64>> =
                points.iter().enumerate().map(|(i, point)| self.coordinates(point, injected(i))).collect();
            let of_real = |row: &&[bool]| -> Vec<bool> { self.real.iter().map(|&j| row[j]).collect() };
            let active: Option<Vec<Vec<bool>>> = rows.map(|rows| rows.iter().map(of_real).collect());
            let mut list = Vec::with_capacity(x.len());
            for (i, x) in x.iter().enumerate() {
                let active = active.as_ref().map(|rows| rows[i].as_slice());
                list.push(Point { x, injected: injected(i), active });
            }
            if let Some(cma) = &mut self.state.cma {
                cma.tell(&list);
            }
        }
        if let Some(cma) = &self.state.cma {
            self.state.stop.tell(cma, &ranked);
        }
        self.keep_sound();
    }

    fn mean(&self) -> Vec<f64> {
        let real = self.state.cma.as_ref().map_or(&[][..], |cma| &cma.mean);
        self.raw(real, |k| self.state.on[k])
    }

    fn step(&self) -> f64 {
        self.state.cma.as_ref().map_or(1.0, |cma| cma.step)
    }

    fn population(&self) -> usize {
        self.population
    }

    fn keeps(&self, point: &[f64]) -> bool {
        self.state.cma.as_ref().is_some_and(|cma| cma.is_far(&self.coordinates(point, true)))
    }

    fn stopped(&self) -> Option<&'static str> {
        self.state.stop.stopped()
    }
}

/// Weights of the better half of λ points, best first.
fn weights(lambda: usize) -> Vec<f64> {
    let half = libm::log(f64::midpoint(lambda as f64, 1.0));
    let raw: Vec<f64> = (1..=lambda).map(|i| half - libm::log(i as f64)).take_while(|w| *w > 0.0).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|w| w / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::weights;

    #[test]
    fn the_weights_are_those_of_the_better_half() {
        assert_eq!(weights(2), [1.0]);
        let ten = weights(10);
        assert_eq!(ten.len(), 5);
        assert!((ten.iter().sum::<f64>() - 1.0).abs() < 1e-14 && (ten[0] - 0.456_272_6).abs() < 1e-6);
    }
}
