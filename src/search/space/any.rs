//! Every kind of search space behind one type. The session makes one from its config and asks it for recipes. To add a
//! kind of space, add a variant here and a file beside this one; the compiler then lists the matches to extend.

use super::gene::{ActiveGenes, GeneInfo, Genome};
use super::parameters::{Space, SpaceError};
use super::path::{PathError, PathSpace};
use crate::recipe::Recipe;

/// The space that a session searches.
#[derive(Clone, Debug)]
pub enum AnySpace {
    /// Parameters of a merge.
    Parameters(Space),
    /// Paths through layers.
    Path(PathSpace),
}

/// Why a space does not contain a recipe.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotInSpace {
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

    /// Which genes are switches; empty if there are none.
    #[must_use]
    pub fn binary(&self) -> Vec<bool> {
        match self {
            Self::Parameters(_) => Vec::new(),
            Self::Path(space) => space.binary(),
        }
    }

    /// Tells which genes a genome uses; `None` if every genome uses all.
    #[must_use]
    pub fn active(&self) -> Option<ActiveGenes> {
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

    /// The genome with every number reflected into its bounds.
    #[must_use]
    pub fn reflect(&self, genome: &Genome) -> Genome {
        match self {
            Self::Parameters(space) => space.reflect(genome),
            Self::Path(space) => space.reflect(genome),
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

    /// The genome that stands for a recipe.
    ///
    /// # Errors
    /// A recipe that no genome of this space stands for.
    pub fn from_recipe(&self, recipe: &Recipe) -> Result<Genome, NotInSpace> {
        Ok(match self {
            Self::Parameters(space) => space.from_recipe(recipe)?,
            Self::Path(space) => space.from_recipe(recipe)?,
        })
    }
}
