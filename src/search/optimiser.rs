//! One ask/tell interface for every optimiser. A [`Setup`] comes in, generations of genomes go out, their fitness comes
//! back. The session's evolve loop calls it; `search/table.rs` lists the optimisers.

use super::error::SearchError;
use super::space::{ActiveGenes, GeneInfo, Genome, reflect};
use super::strategy::{CheckedSetup, Encoding, GenerationResult, Options, Strategy};
use super::table::{Matrix, OptimiserSpec, optimiser_row};
use crate::limits;

/// The inputs for making an optimiser.
#[derive(Clone)]
pub struct Setup<'a> {
    /// A name from the table of optimisers.
    pub kind: &'a str,
    /// Genes with their bounds and first step sizes.
    pub genes: &'a [GeneInfo],
    /// Which genes are switches (a genome holds `low` for off and `high` for on); empty if there are none. A switch's
    /// start, as a share of the way from `low` to `high`, is its first probability of being on.
    pub binary: &'a [bool],
    /// Tells which genes a genome uses; `None` if every genome uses all.
    pub active: Option<ActiveGenes>,
    /// The first mean of the search distribution.
    pub start: &'a Genome,
    /// Candidates in each generation; `None` for the default in the optimiser's row of the table.
    pub population: Option<usize>,
    pub seed: u64,
    /// Parameters that differ from the defaults in that row.
    pub options: Options,
}

/// Proposes a generation of genomes ([`Self::ask`]), learns from their fitness ([`Self::tell`]).
///
/// Its state depends only on the setup, the fitness told and the genomes injected, to the bit. To resume, a session
/// makes the optimiser again and tells it the fitness in the journal.
pub struct Optimiser {
    encoding: Encoding,
    active: Option<ActiveGenes>,
    strategy: Box<dyn Strategy>,
    /// Number of generations told.
    generation: u64,
    /// The generation that was asked for and not yet told, as raw points.
    pending: Option<Vec<Vec<f64>>>,
    /// Injected genomes that take part in the next ranking, with their objectives (−∞ for a failure).
    injected: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Checks that a generation and the optimiser's matrix fit in memory.
fn check_size(row: &OptimiserSpec, binary: &[bool], population: usize) -> Result<(), SearchError> {
    let dim = binary.len();
    if dim > limits::GENES {
        let advice = "take coarser groups";
        return Err(SearchError::Genes { kind: row.name, found: dim, most: limits::GENES, advice });
    }
    let full = match row.matrix {
        Matrix::None => 0,
        Matrix::All => dim,
        Matrix::Numbers => binary.iter().filter(|b| !**b).count(),
    };
    if full > limits::FULL_GENES {
        let advice =
            "take its separable kind, sep-cma-es, sep-margin-cma-es or sep-cat-cma-es, or coarser groups";
        return Err(SearchError::Genes { kind: row.name, found: full, most: limits::FULL_GENES, advice });
    }
    let most = limits::POPULATION.min(limits::GENERATION / dim);
    if population > most {
        return Err(SearchError::Crowd { found: population, dim, most });
    }
    Ok(())
}

impl Optimiser {
    /// An optimiser over real genes, without switches, with default parameters.
    pub fn new(
        kind: &str,
        genes: &[GeneInfo],
        start: &Genome,
        population: Option<usize>,
        seed: u64,
    ) -> Result<Self, SearchError> {
        let options = Options::new();
        Self::with(Setup { kind, genes, binary: &[], active: None, start, population, seed, options })
    }

    /// An optimiser with switches, conditional genes or other parameters.
    pub fn with(setup: Setup) -> Result<Self, SearchError> {
        let Setup { genes, start, seed, .. } = setup;
        let row = optimiser_row(setup.kind)?;
        let options = row.options(&setup.options)?;
        let dim = genes.len();
        if dim == 0 {
            return Err(SearchError::NoGenes);
        }
        if start.0.len() != dim {
            return Err(SearchError::Start { found: start.0.len(), dim });
        }
        let binary: Vec<bool> = (0..dim).map(|j| setup.binary.get(j).copied().unwrap_or(false)).collect();
        let still = |(g, binary): &(&GeneInfo, &bool)| !(**binary || g.sigma.is_finite() && g.sigma > 0.0);
        if let Some((gene, _)) = genes.iter().zip(&binary).find(still) {
            return Err(SearchError::Sigma(gene.name.clone()));
        }
        let population = setup.population.unwrap_or_else(|| (row.population)(dim));
        if population < row.least {
            return Err(SearchError::Population { kind: row.name, found: population, least: row.least });
        }
        check_size(row, &binary, population)?;
        let start: Vec<f64> = start.0.iter().zip(genes).map(|(&x, g)| reflect(x, g)).collect();
        let conditional = setup.active.is_some();
        let checked = CheckedSetup { genes, binary: &binary, start, population, seed, options, conditional };
        let strategy = (row.make)(&checked)?;
        let encoding = Encoding::new(&checked);
        Ok(Self {
            encoding,
            active: setup.active,
            strategy,
            generation: 0,
            pending: None,
            injected: Vec::new(),
        })
    }

    /// The next generation, inside the bounds. A second call before [`Self::tell`] gives the same generation.
    pub fn ask(&mut self) -> Vec<Genome> {
        let points = match self.pending.take() {
            Some(points) => points,
            None => self.strategy.sample(),
        };
        let genomes = points.iter().map(|p| Genome(self.encoding.decode(p))).collect();
        self.pending = Some(points);
        genomes
    }

    /// Takes the fitness of the last generation asked for, in its order; higher is better. NaN or a missing value ranks
    /// last, as −∞. Equal values rank in the order of proposal. If no generation was asked for, nothing happens.
    pub fn tell(&mut self, fitness: &[f64]) {
        self.tell_all(&fitness.iter().map(|&f| vec![f]).collect::<Vec<_>>());
    }

    /// As [`Self::tell`], with several objectives for each candidate. An optimiser of one objective uses the first.
    pub fn tell_all(&mut self, objectives: &[Vec<f64>]) {
        let Some(mut points) = self.pending.take() else { return };
        self.generation += 1;
        let sampled = points.len();
        let count = objectives.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let number = |f: Option<&f64>| f.copied().filter(|f| !f.is_nan()).unwrap_or(f64::NEG_INFINITY);
        let mut rows: Vec<Vec<f64>> = (0..sampled)
            .map(|i| (0..count).map(|m| number(objectives.get(i).and_then(|o| o.get(m)))).collect())
            .collect();
        let injected = std::mem::take(&mut self.injected);
        for (genome, values) in &injected {
            points.push(genome.clone());
            rows.push((0..count).map(|m| number(values.get(m))).collect());
        }
        let active = self.active.as_ref().map(|active| {
            let row = |point: &Vec<f64>| {
                let mut row = active(&self.encoding.decode(point));
                row.resize(self.encoding.genes.len(), true);
                row
            };
            points.iter().map(row).collect()
        });
        let fitness: Vec<f64> = rows.iter().map(|r| r[0]).collect();
        let told = GenerationResult { points: &points, fitness, objectives: &rows, sampled, active };
        // One ranking moves the mean by a few steps at most. An injected point that is still farther away, and in the
        // better half, takes part in the next ranking too.
        let mut sorted = told.fitness[..sampled].to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let bar = sorted[(sampled - 1) / 2];
        self.strategy.tell(&told);
        self.injected = injected
            .into_iter()
            .zip(&told.fitness[sampled..])
            .filter(|((genome, _), fitness)| **fitness > bar && self.strategy.keeps(genome))
            .map(|(one, _)| one)
            .collect();
    }

    /// Adds a genome that was not drawn, with its objectives, to the next ranking (Hansen, arXiv 1110.4181). CMA-ES
    /// clips its step to the greatest length of a drawn step. The genome is ranked again as long as it is farther away
    /// than that and in the better half.
    pub fn inject(&mut self, genome: &Genome, objectives: &[f64]) {
        let at = |j: usize| genome.0.get(j).copied().unwrap_or(f64::NAN);
        let point = self.encoding.genes.iter().enumerate().map(|(j, g)| reflect(at(j), g)).collect();
        let values = objectives.iter().map(|&o| if o.is_finite() { o } else { f64::NEG_INFINITY }).collect();
        self.injected.push((point, values));
    }

    /// Mean of the search distribution, inside the bounds. For the baselines it is the best point so far.
    #[must_use]
    pub fn mean(&self) -> Genome {
        Genome(self.encoding.decode(&self.strategy.mean()))
    }

    /// The present step size in the genes' units. If genes start with different step sizes, it is the mean over all
    /// genes but the switches. An optimiser without a step size keeps the first one.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        let real = || self.encoding.genes.iter().zip(&self.encoding.binary).filter(|(_, b)| !**b);
        let first = real().map(|(g, _)| g.sigma).sum::<f64>() / real().count().max(1) as f64;
        let first = if real().next().is_none() { 1.0 } else { first };
        first * self.strategy.step()
    }

    /// Number of candidates in the generation asked for, else in the next one. A restart may change it.
    #[must_use]
    pub fn population(&self) -> usize {
        self.pending.as_ref().map_or_else(|| self.strategy.population(), Vec::len)
    }

    /// Number of generations told so far.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Name of the stopping criterion that is met, if any. An optimiser with restarts never meets one.
    #[must_use]
    pub fn stopped(&self) -> Option<&'static str> {
        self.strategy.stopped()
    }

    /// The Pareto front of the parents, with their objectives; empty for an optimiser of one objective.
    #[must_use]
    pub fn front(&self) -> Vec<(Genome, Vec<f64>)> {
        self.strategy.front().into_iter().map(|(x, o)| (Genome(self.encoding.decode(&x)), o)).collect()
    }
}
