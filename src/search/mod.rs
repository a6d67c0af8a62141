//! Decides which candidates to try next: a space maps genomes to recipes and back, an [`Optimiser`] proposes genomes
//! and learns from their fitness. Recipes and numbers come in, genomes go out; nothing here uses a model. The session's
//! evolve loop calls it. [`OPTIMISERS`] is the table of all optimisers; [`Race`] and [`Irt`] decide which candidates
//! stop early.
//!
//! Genomes from an [`Optimiser`] lie inside the bounds of their genes. The search itself uses unbounded coordinates,
//! which are reflected at the bounds ([`reflect`]): clamping would pile up probability on a bound.

mod baselines;
mod cma;
mod error;
mod irt;
mod normal;
mod nsga;
mod optimiser;
mod pareto;
mod race;
mod simple_es;
mod space;
mod strategy;
mod table;

pub use cma::default_population;
pub use error::SearchError;
pub use irt::{Answers, Estimate, Irt};
pub use optimiser::{Optimiser, Setup};
pub use pareto::{crowding, dominates, fronts};
pub use race::{Race, RacedCandidate, error_quantile, question_order, ranking_fitness};
pub use space::{
    ActiveGenes, AnySpace, GeneInfo, GeneRange, Genome, Groups, NotInSpace, PathError, PathSpace,
    PathSpaceConfig, Scales, SearchedParam, Space, SpaceConfig, SpaceError, reflect,
};
pub use strategy::Options;
pub use table::{OPTIMISER_NAMES, OPTIMISERS, OptimiserParam, OptimiserSpec, optimiser_row, optimisers_help};

/// Version of the search's arithmetic. A session's journal records it, because a resumed session proposes the same
/// points only with the same arithmetic. 0 (in journals without a version): CMA-ES of the `cmaes` crate. 1: CMA-ES with
/// a margin learnt from the better half alone.
pub const VERSION: u32 = 2;
