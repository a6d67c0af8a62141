//! The search spaces. Each maps a genome (one number for each gene) to a recipe and back. Bounds and models come in
//! from a session's config; genes and recipes go out. Parameters of a merge ([`Space`]) and paths through layers
//! ([`PathSpace`]) share the type [`AnySpace`].

mod any;
mod gene;
mod layout;
mod parameters;
mod path;

pub use any::{AnySpace, NotInSpace};
pub(super) use gene::nearest_image;
pub use gene::{ActiveGenes, GeneInfo, GeneRange, Genome, reflect};
pub use layout::Groups;
pub use parameters::{SearchedParam, Space, SpaceConfig, SpaceError};
pub use path::{PathError, PathSpace, PathSpaceConfig, Scales};
