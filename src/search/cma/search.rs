//! CMA-ES as a strategy: real genes in units of their first step sizes, a switch as the sign of a hidden number, with
//! margins, injected points and restarts. Ranked points come in, samples go out. `search/table.rs` makes one for each
//! CMA-ES optimiser.
//!
//! **Margin** (Hamano et al., arXiv 2205.13482): a switch is on if its hidden number is above 0. After each update the
//! mean of that number is clamped so that both on and off keep a probability of at least α = 1/(n λ). No switch is
//! therefore ever decided for good. Hidden numbers start with step size 1 and a mean that gives the switch its first
//! probability.
//!
//! **Restarts** (Auger & Hansen 2005; Hansen 2009): when [`StopCriteria`] ends a run, the next run begins at a random
//! place. IPOP multiplies the population by `factor` each time. BIPOP alternates between such large runs and small runs
//! with few points and a small first step; the kind that has used fewer evaluations is next. Without restarts a run
//! goes on, and begins again from its mean only if its numbers overflow or degenerate.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::distribution::{Cma, Point};
use super::stop::StopCriteria;
use crate::limits::{GENERATION, POPULATION};
use crate::search::normal::{quantile, reseeded};
use crate::search::space::{GeneInfo, nearest_image};
use crate::search::strategy::{CheckedSetup, Encoding, GenerationResult, Strategy};

/// Which run follows a run that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::search) enum Restarts {
    None,
    Ipop,
    Bipop,
}

/// A sequence of CMA-ES runs.
pub(in crate::search) struct CmaSearch {
    encoding: Encoding,
    /// First step size of each gene; 1 for a switch.
    scale: Vec<f64>,
    diagonal: bool,
    active: bool,
    /// Whether the strategy learns which genes each point uses.
    conditional: bool,
    /// α of the margin; `None` without a margin.
    margin: Option<f64>,
    restarts: Restarts,
    factor: f64,
    /// λ of the first run.
    population: usize,
    seed: u64,
    state: State,
}

struct State {
    cma: Cma,
    stop: StopCriteria,
    /// Number of runs begun after the first.
    run: u64,
    /// How often the population of the large runs has grown.
    grown: i32,
    /// Whether this is one of the small runs.
    small: bool,
    /// Evaluations used by the large runs and by the small runs; then evaluations of this run.
    used: [u64; 2],
    here: u64,
}

impl CmaSearch {
    /// Makes the strategy; `margin` of `Some(0)` means 1/(n λ).
    pub(in crate::search) fn new(
        setup: &CheckedSetup,
        diagonal: bool,
        margin: Option<f64>,
        restarts: Restarts,
    ) -> Self {
        let encoding = Encoding::new(setup);
        let scale: Vec<f64> = encoding
            .genes
            .iter()
            .zip(&encoding.binary)
            .map(|(g, &b)| if b { 1.0 } else { g.sigma })
            .collect();
        let least = 1.0 / (setup.genes.len() * setup.population) as f64;
        let conditional = setup.conditional && setup.options.get("conditional").is_none_or(|&c| c > 0.5);
        // Negative weights are undefined for genes that a point does not use.
        let active = !conditional && setup.option("active") > 0.5;
        let start = hidden_start(&encoding, &setup.start, least.min(0.25));
        let start = start.iter().zip(&scale).map(|(x, s)| x / s).collect();
        Self {
            state: State::new(Cma::new(start, 1.0, setup.population, diagonal, active, setup.seed)),
            margin: margin.map(|m| if m > 0.0 { m } else { least.min(0.49) }),
            factor: setup.option("factor"),
            population: setup.population,
            seed: setup.seed,
            encoding,
            scale,
            diagonal,
            active,
            conditional,
            restarts,
        }
    }

    /// Clamps the means of switches so that on and off both have at least probability α.
    fn keep_margin(&mut self) {
        let Some(margin) = self.margin else { return };
        let reach = -quantile(margin);
        let cma = &mut self.state.cma;
        for (j, _) in self.encoding.binary.iter().enumerate().filter(|(_, b)| **b) {
            let most = reach * cma.deviation(j);
            cma.mean[j] = cma.mean[j].clamp(-most, most);
        }
    }

    /// A raw point in the search's coordinates. A switch becomes its hidden number. A real gene of an injected point
    /// becomes the mirror image nearest to the mean.
    fn coordinates(&self, point: &[f64], injected: bool) -> Vec<f64> {
        let cma = &self.state.cma;
        let one = |(j, (&x, &scale)): (usize, (&f64, &f64))| {
            let gene = &self.encoding.genes[j];
            let mean = cma.mean[j];
            if self.encoding.binary[j] {
                let hidden = x - f64::midpoint(gene.low, gene.high);
                return match injected {
                    false => hidden,
                    // An injected genome only says on or off, so take a likely hidden number on that side.
                    true if (hidden > 0.0) == (mean > 0.0) => mean,
                    true => 0.5 * cma.deviation(j) * hidden.signum(),
                };
            }
            if injected { nearest_image(x, mean * scale, gene.low, gene.high) / scale } else { x / scale }
        };
        point.iter().zip(&self.scale).enumerate().map(one).collect()
    }

    fn raw(&self, x: &[f64]) -> Vec<f64> {
        let one = |(j, (&x, &scale)): (usize, (&f64, &f64))| {
            let gene = &self.encoding.genes[j];
            if self.encoding.binary[j] { x + f64::midpoint(gene.low, gene.high) } else { x * scale }
        };
        x.iter().zip(&self.scale).enumerate().map(one).collect()
    }

    /// Begins the next run after this one has ended.
    fn begin_again(&mut self) {
        let mut state = State {
            run: self.state.run + 1,
            grown: self.state.grown,
            used: self.state.used,
            ..State::new(self.state.cma.clone())
        };
        state.used[usize::from(self.state.small)] += self.state.here;
        let seed = reseeded(self.seed, state.run);
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let (mut lambda, mut step) = (self.population, 1.0);
        let mean = match self.restarts {
            Restarts::None => self.sound_mean(),
            Restarts::Ipop | Restarts::Bipop => self.anywhere(&mut rng),
        };
        if self.restarts != Restarts::None {
            state.small =
                self.restarts == Restarts::Bipop && self.state.run > 0 && state.used[1] < state.used[0];
            if !state.small {
                state.grown += 1;
            }
            let large = self.population as f64 * libm::pow(self.factor, f64::from(state.grown));
            let large = large.min(self.most());
            lambda = large as usize;
            if state.small {
                // Hansen 2009: λ_s = λ (½ λ_large/λ)^(U²), σ = 10^(−2U).
                let (u, v) = (rng.random::<f64>(), rng.random::<f64>());
                let ratio = (0.5 * large / self.population as f64).max(1.0);
                lambda = (self.population as f64 * libm::pow(ratio, u * u)) as usize;
                step = libm::pow(10.0, -2.0 * v);
            }
        }
        state.cma = Cma::new(mean, step, lambda, self.diagonal, self.active, seed);
        self.state = state;
    }

    /// The largest population that restarts grow to.
    fn most(&self) -> f64 {
        let by_memory = GENERATION / self.encoding.genes.len().max(1);
        POPULATION.min(by_memory).max(self.population) as f64
    }

    /// The mean, or the start where the mean is not finite.
    fn sound_mean(&self) -> Vec<f64> {
        let mean = &self.state.cma.mean;
        if mean.iter().all(|m| m.is_finite()) {
            return mean.clone();
        }
        let start: Vec<f64> = self.encoding.genes.iter().map(|g| g.start).collect();
        start.iter().zip(&self.scale).map(|(x, s)| x / s).collect()
    }

    /// A start for another run: switches are undecided, other genes are anywhere in their bounds.
    fn anywhere(&self, rng: &mut ChaCha12Rng) -> Vec<f64> {
        let point = self.encoding.anywhere(rng);
        let one = |((x, s), &b): ((&f64, &f64), &bool)| if b { 0.0 } else { x / s };
        point.iter().zip(&self.scale).zip(&self.encoding.binary).map(one).collect()
    }
}

impl State {
    fn new(cma: Cma) -> Self {
        Self { cma, stop: StopCriteria::default(), run: 0, grown: 0, small: false, used: [0; 2], here: 0 }
    }
}

/// The start, with the value of each switch read as its probability. A switch becomes the mean of a hidden number with
/// deviation 1, kept `least` away from certainty, plus the middle that [`CmaSearch::raw`] adds.
fn hidden_start(encoding: &Encoding, start: &[f64], least: f64) -> Vec<f64> {
    let one = |((&x, gene), &binary): ((&f64, &GeneInfo), &bool)| {
        if !binary {
            return x;
        }
        quantile(((x - gene.low) / (gene.high - gene.low)).clamp(least, 1.0 - least))
    };
    start.iter().zip(&encoding.genes).zip(&encoding.binary).map(one).collect()
}

impl Strategy for CmaSearch {
    fn sample(&mut self) -> Vec<Vec<f64>> {
        self.state.cma.sample().iter().map(|x| self.raw(x)).collect()
    }

    /// Updates from the λ best of the sampled and injected points. If all are equal, the distribution stays and other
    /// points are drawn from it.
    fn tell(&mut self, result: &GenerationResult) {
        let mut order = result.ranking();
        order.truncate(self.state.cma.constants().lambda);
        self.state.here += result.sampled as u64;
        let ranked: Vec<f64> = order.iter().map(|&i| result.fitness[i]).collect();
        let same = ranked.first() == ranked.last();
        if same {
            self.state.cma.skip();
        } else {
            let x: Vec<Vec<f64>> =
                order.iter().map(|&i| self.coordinates(&result.points[i], i >= result.sampled)).collect();
            let rows = result.active.as_ref().filter(|_| self.conditional);
            let mut points = Vec::with_capacity(x.len());
            for (&i, x) in order.iter().zip(&x) {
                let active = rows.map(|rows| rows[i].as_slice());
                points.push(Point { x, injected: i >= result.sampled, active });
            }
            self.state.cma.tell(&points);
            self.keep_margin();
        }
        self.state.stop.tell(&self.state.cma, &ranked);
        let over = match self.restarts {
            Restarts::None => !self.state.cma.is_sound() || !(1e-14..1e6).contains(&self.state.cma.step),
            Restarts::Ipop | Restarts::Bipop => {
                // A small run may use half as many evaluations as the large runs have used (Hansen 2009).
                self.state.stop.stopped().is_some()
                    || (self.state.small && 2 * self.state.here > self.state.used[0].max(1))
            }
        };
        if over {
            self.begin_again();
        }
    }

    fn mean(&self) -> Vec<f64> {
        self.raw(&self.state.cma.mean)
    }

    fn step(&self) -> f64 {
        self.state.cma.step
    }

    fn population(&self) -> usize {
        self.state.cma.constants().lambda
    }

    fn keeps(&self, point: &[f64]) -> bool {
        self.state.cma.is_far(&self.coordinates(point, true))
    }

    fn stopped(&self) -> Option<&'static str> {
        self.state.stop.stopped()
    }
}
