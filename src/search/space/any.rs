//! One face on every kind of search space.

use super::gene::{Active, GeneInfo, Genome};
use super::parameters::{Space, SpaceError};
use super::path::{PathError, PathSpace};
use crate::recipe::Recipe;

/// What a session searches.
#[derive(Clone, Debug)]
pub enum AnySpace {
    /// Numbers of a merge.
    Parameters(Space),
    /// Paths through layers.
    Path(PathSpace),
}

/// Why a recipe is no point of a space.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoPoint {
    #[error(transparent)]
    Parameters(#[from] SpaceError),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl AnySpace {
    /// The genes, in genome order.
    #[must_use]
    pub fn genes(&self) -> &[GeneInfo] {
        match self {
            Self::Parameters(space) => space.genes(),
            Self::Path(space) => space.genes(),
        }
    }

    /// Which genes are switches; empty where none is.
    #[must_use]
    pub fn binary(&self) -> Vec<bool> {
        match self {
            Self::Parameters(_) => Vec::new(),
            Self::Path(space) => space.binary(),
        }
    }

    /// Which genes matter in a genome, where not all do.
    #[must_use]
    pub fn active(&self) -> Option<Active> {
        match self {
            Self::Parameters(_) => None,
            Self::Path(space) => Some(space.active()),
        }
    }

    /// Where the search begins.
    #[must_use]
    pub fn start(&self) -> Genome {
        match self {
            Self::Parameters(space) => space.start(),
            Self::Path(space) => space.start(),
        }
    }

    /// The genome with every number in its bounds.
    #[must_use]
    pub fn fold(&self, genome: &Genome) -> Genome {
        match self {
            Self::Parameters(space) => space.fold(genome),
            Self::Path(space) => space.fold(genome),
        }
    }

    /// The recipe that a genome stands for.
    #[must_use]
    pub fn to_recipe(&self, genome: &Genome) -> Recipe {
        match self {
            Self::Parameters(space) => space.to_recipe(genome),
            Self::Path(space) => space.to_recipe(genome),
        }
    }

    /// The point of the space that stands for a recipe, where there is one.
    pub fn from_recipe(&self, recipe: &Recipe) -> Result<Genome, NoPoint> {
        Ok(match self {
            Self::Parameters(space) => space.from_recipe(recipe)?,
            Self::Path(space) => space.from_recipe(recipe)?,
        })
    }
}
