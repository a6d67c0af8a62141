//! Where to look next: a [`Space`] maps genomes to recipes and back, an [`Optimiser`] proposes
//! genomes and learns from their fitness. Recipes and numbers come in, genomes go out; nothing
//! here knows a model. [`OPTIMISERS`] is the table of what there is.
//!
//! Genomes that leave an [`Optimiser`] lie inside the bounds of their genes. The search itself
//! walks in unbounded coordinates and is folded back at the bounds like a mirror ([`fold`]), so
//! that no probability gathers on a bound as it would with clamping.

mod any;
mod cat;
mod cma;
mod cma_search;
mod constants;
mod controls;
mod eigen;
mod exact;
mod gene;
mod irt;
mod layout;
mod normal;
mod nsga;
mod optimiser;
mod pareto;
mod path;
mod race;
mod shape;
mod simple;
mod space;
mod stop;
mod strategy;
mod table;

pub use any::{AnySpace, NoPoint};
pub use constants::default_population;
pub use gene::{GeneInfo, GeneRange, Genome, fold};
pub use irt::{Answered, Estimate, Irt};
pub use layout::Groups;
pub use optimiser::{Optimiser, SearchError, Setup};
pub use pareto::{crowding, dominates, fronts};
pub use path::{PathError, PathSpace, PathSpaceConfig, Scales};
pub use race::{Race, Runner, above, order as question_order, ranked};
pub use space::{Searched, Space, SpaceConfig, SpaceError};
pub use strategy::Active;
pub use table::{KINDS, OPTIMISERS, Options, Parameter, Row, optimiser_row, optimisers_help};

/// Version of the search's arithmetic: a session's journal records it, since resuming proposes the
/// same points only by the same arithmetic. 0 (in journals without it): CMA-ES of the `cmaes` crate. 1: with
/// a margin it learnt from the better half alone.
pub const VERSION: u32 = 2;
