//! Where to look next: a [`Space`] maps genomes to recipes and back, an [`Optimiser`] proposes
//! genomes and learns from their fitness. Recipes and numbers come in, genomes go out; nothing
//! here knows a model. [`OPTIMISERS`] is the table of what there is.
//!
//! Genomes that leave an [`Optimiser`] lie inside the bounds of their genes. The search itself
//! walks in unbounded coordinates and is folded back at the bounds like a mirror ([`fold`]), so
//! that no probability gathers on a bound as it would with clamping.

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
pub use irt::{Answered, Estimate, Irt};
pub use optimiser::{Optimiser, Setup};
pub use pareto::{crowding, dominates, fronts};
pub use race::{Race, Runner, above, order as question_order, ranked};
pub use space::{
    Active, AnySpace, GeneInfo, GeneRange, Genome, Groups, NoPoint, PathError, PathSpace, PathSpaceConfig,
    Scales, Searched, Space, SpaceConfig, SpaceError, fold,
};
pub use strategy::Options;
pub use table::{KINDS, OPTIMISERS, Parameter, Row, optimiser_row, optimisers_help};

/// Version of the search's arithmetic: a session's journal records it, since resuming proposes the
/// same points only by the same arithmetic. 0 (in journals without it): CMA-ES of the `cmaes` crate. 1: with
/// a margin it learnt from the better half alone.
pub const VERSION: u32 = 2;
