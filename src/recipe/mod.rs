//! A merge as data: which checkpoints, which method, which weight and density for each
//! layer group of each source. Text comes in, a checked [`Recipe`] goes out; no tensors here.

mod check;
mod error;
mod group;
mod method;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use error::RecipeError;
pub use group::{LayerGroup, PerGroup};
pub use method::{MaskStream, Method};

use serde::{Deserialize, Serialize};

/// A whole merge as data. Read it from TOML, edit it, save it, compare it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// How the task vectors are combined.
    pub method: Method,
    /// The common ancestor whose weights the task vectors are measured against
    /// (`zoo:base`, a folder, `org/name[@revision]`).
    pub base: String,
    /// The fine-tunes that take part, in the order that the mask stream and the sums follow.
    pub sources: Vec<Source>,
    /// Factor on the summed task vectors before they are added to the base (mergekit's `lambda`).
    pub lambda: f64,
    /// Divide by the sum of weights; `None` takes the method's own default.
    pub normalize: Option<bool>,
    /// Where DARE's random numbers come from.
    pub mask: MaskStream,
    /// Seed of the mask stream.
    pub seed: u64,
}

/// One fine-tune in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// `zoo:ja`, a folder, or `org/name[@revision]`.
    pub model: String,
    /// Weight of this source's task vector, per layer group.
    pub weight: PerGroup,
    /// Share of the task vector's elements that is kept, in (0, 1], per layer group.
    pub density: PerGroup,
}
