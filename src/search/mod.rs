//! Where to look next: a [`Space`] maps genomes to recipes and back, an [`Optimiser`] proposes
//! genomes and learns from their fitness. Recipes and numbers come in, genomes go out; nothing
//! here knows a model.
//!
//! Genomes that leave an [`Optimiser`] lie inside the bounds of their genes. The search itself
//! walks in unbounded coordinates and is folded back at the bounds like a mirror ([`fold`]), so
//! that no probability gathers on a bound as it would with clamping.

mod cma;
mod gene;
mod optimiser;
mod simple;
mod space;

pub use gene::{GeneInfo, GeneKind, GeneRange, Genome, fold};
pub use optimiser::{KINDS, Optimiser, SearchError, default_population};
pub use space::{Groups, Space, SpaceConfig, SpaceError};
