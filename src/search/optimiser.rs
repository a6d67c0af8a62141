//! One ask/tell over every optimiser.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::cma::Cma;
use super::gene::{GeneInfo, Genome, fold};
use super::simple::SimpleEs;

/// Names that [`Optimiser::new`] knows.
pub const KINDS: [&str; 3] = ["cma-es", "simple-es", "random"];

/// Why an optimiser can't be made or told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    #[error("there is no optimiser \"{name}\", did you mean \"{nearest}\"? (known: {})", KINDS.join(", "))]
    Kind { name: String, nearest: &'static str },
    #[error("a population of {found} is too small for {kind}: give at least {least}, or 0 for the default")]
    Population { kind: &'static str, found: usize, least: usize },
    #[error("the search space has no genes: nothing can be searched")]
    NoGenes,
    #[error("the start has {found} numbers, the search space has {dim} genes")]
    Start { found: usize, dim: usize },
    #[error("gene {0} has a first step size that is not above 0: set sigma")]
    Sigma(String),
}

/// Default population, 4 + ⌊3 ln n⌋ (Hansen, arXiv 1604.00772, table 1).
#[must_use]
pub fn default_population(dim: usize) -> usize {
    4 + (3.0 * (dim.max(1) as f64).ln()).floor() as usize
}

/// Proposes a generation of genomes ([`Self::ask`]), learns from their fitness ([`Self::tell`]).
///
/// Everything follows from the seed and the fitness told: to rebuild an optimiser, make it again
/// and tell it the same fitness, generation by generation.
pub struct Optimiser {
    genes: Vec<GeneInfo>,
    population: usize,
    seed: u64,
    restarts: u64,
    generation: u64,
    search: Search,
    /// The generation asked for and not yet told, in the search's own coordinates.
    pending: Option<Vec<Vec<f64>>>,
}

enum Search {
    Cma(Box<Cma>),
    SimpleEs(SimpleEs),
    Random { rng: ChaCha12Rng, best: Option<(f64, Vec<f64>)> },
}

impl Optimiser {
    /// `kind` is one of [`KINDS`]; `start` is the first mean; bounds and first step sizes are the
    /// genes'. `population` of `None` is [`default_population`].
    pub fn new(
        kind: &str,
        genes: &[GeneInfo],
        start: &Genome,
        population: Option<usize>,
        seed: u64,
    ) -> Result<Self, SearchError> {
        let dim = genes.len();
        if dim == 0 {
            return Err(SearchError::NoGenes);
        }
        if start.0.len() != dim {
            return Err(SearchError::Start { found: start.0.len(), dim });
        }
        if let Some(gene) = genes.iter().find(|g| !(g.sigma.is_finite() && g.sigma > 0.0)) {
            return Err(SearchError::Sigma(gene.name.clone()));
        }
        let mean: Vec<f64> = start.0.iter().zip(genes).map(|(&x, g)| fold(x, g)).collect();
        let population = population.unwrap_or_else(|| default_population(dim));
        let least = |kind, least| {
            if population < least {
                Err(SearchError::Population { kind, found: population, least })
            } else {
                Ok(())
            }
        };
        let search = match kind {
            "cma-es" => {
                least("cma-es", 4)?;
                Search::Cma(Box::new(Cma::new(genes, &mean, 1.0, population, seed)))
            }
            "simple-es" => {
                least("simple-es", 1)?;
                Search::SimpleEs(SimpleEs::new(genes, mean, seed))
            }
            "random" => {
                least("random", 1)?;
                Search::Random { rng: ChaCha12Rng::seed_from_u64(seed), best: None }
            }
            other => return Err(unknown_kind(other)),
        };
        let genes = genes.to_vec();
        Ok(Self { genes, population, seed, restarts: 0, generation: 0, search, pending: None })
    }

    /// The next generation, inside the bounds. Asked again before [`Self::tell`], it is the same one.
    pub fn ask(&mut self) -> Vec<Genome> {
        let points = match self.pending.take() {
            Some(points) => points,
            None => self.sample(),
        };
        let folded = points.iter().map(|p| self.folded(p)).collect();
        self.pending = Some(points);
        folded
    }

    /// Fitness of the generation last asked for, in its order; higher is better. What is not a
    /// number, or missing, ranks last with −∞; equal ones rank in order of proposal. Without a
    /// generation asked for, nothing happens.
    pub fn tell(&mut self, fitness: &[f64]) {
        let Some(points) = self.pending.take() else { return };
        let at = |i: usize| fitness.get(i).copied().filter(|f| !f.is_nan()).unwrap_or(f64::NEG_INFINITY);
        let fitness: Vec<f64> = (0..points.len()).map(at).collect();
        self.generation += 1;
        match &mut self.search {
            Search::Cma(cma) => cma.tell(&fitness),
            Search::SimpleEs(es) => es.tell(&points, &fitness),
            Search::Random { best, .. } => {
                for (point, &f) in points.iter().zip(&fitness) {
                    if best.as_ref().is_none_or(|(b, _)| f > *b) {
                        *best = Some((f, point.clone()));
                    }
                }
            }
        }
    }

    /// Mean of the search distribution, inside the bounds; for random search the best point so far.
    #[must_use]
    pub fn mean(&self) -> Genome {
        match &self.search {
            Search::Cma(cma) => self.folded(&cma.mean()),
            Search::SimpleEs(es) => self.folded(es.mean()),
            Search::Random { best: Some((_, point)), .. } => self.folded(point),
            Search::Random { best: None, .. } => {
                Genome(self.genes.iter().map(|g| f64::midpoint(g.low, g.high)).collect())
            }
        }
    }

    /// Step size now, in the units of the genes (the mean over genes where they start with
    /// different ones). Random search keeps the first.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        let first = self.genes.iter().map(|g| g.sigma).sum::<f64>() / self.genes.len() as f64;
        match &self.search {
            Search::Cma(cma) => first * cma.step(),
            Search::SimpleEs(_) | Search::Random { .. } => first,
        }
    }

    /// Candidates a generation.
    #[must_use]
    pub const fn population(&self) -> usize {
        self.population
    }

    /// Generations told so far.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Goes on from a genome made by hand: it becomes the mean, the step size stays, and what
    /// CMA-ES had learnt of the shape (covariance, evolution paths) is forgotten, since it was
    /// learnt elsewhere. A generation asked for and not told is dropped. New random numbers follow
    /// from the seed and the number of restarts. Random search has no mean to move: nothing
    /// changes but the dropped generation.
    pub fn restart_from(&mut self, mean: &Genome) {
        self.pending = None;
        self.restarts += 1;
        // The golden ratio's bits spread neighbouring seeds apart (Steele et al., SplitMix64).
        let seed = self.seed ^ self.restarts.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let at = |i: usize| mean.0.get(i).copied().unwrap_or(f64::NAN);
        let mean: Vec<f64> = self.genes.iter().enumerate().map(|(i, g)| fold(at(i), g)).collect();
        match &mut self.search {
            Search::Cma(cma) => **cma = Cma::new(&self.genes, &mean, cma.step(), self.population, seed),
            Search::SimpleEs(es) => *es = SimpleEs::new(&self.genes, mean, seed),
            Search::Random { .. } => {}
        }
    }

    fn sample(&mut self) -> Vec<Vec<f64>> {
        match &mut self.search {
            Search::Cma(cma) => cma.sample(),
            Search::SimpleEs(es) => es.sample(self.population),
            Search::Random { rng, .. } => {
                let genes = &self.genes;
                let mut point =
                    || genes.iter().map(|g| g.low + (g.high - g.low) * rng.random::<f64>()).collect();
                (0..self.population).map(|_| point()).collect()
            }
        }
    }

    fn folded(&self, point: &[f64]) -> Genome {
        Genome(point.iter().zip(&self.genes).map(|(&x, g)| fold(x, g)).collect())
    }
}

fn unknown_kind(name: &str) -> SearchError {
    let distance = |kind: &&&str| strsim::damerau_levenshtein(kind, name);
    let nearest = KINDS.iter().min_by_key(distance).copied().unwrap_or(KINDS[0]);
    SearchError::Kind { name: name.to_owned(), nearest }
}
