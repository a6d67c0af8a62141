//! What is remembered of a tensor from one candidate to the next.

use std::sync::OnceLock;

use super::delta::Delta;
use super::extent::Extent;
use super::shares::Shares;
use super::trim::Trim;

/// Of a tensor that the pool's models have under one name. Task vectors are those against the
/// pool's base.
pub(super) struct Known {
    /// Of all models together, if all store it as bfloat16.
    pub(super) extent: Option<Extent>,
    /// Magnitude order of each model's task vector in f32 and in bfloat16, made when first trimmed.
    trims: Vec<[OnceLock<Trim>; 2]>,
    /// Sums of each model's task vector under a drop mask.
    shares: Vec<Shares>,
}

impl Known {
    /// Nothing yet, for a pool of so many models; each adds its extent.
    pub(super) fn new(models: usize) -> Self {
        Self {
            extent: Some(Extent::NONE),
            trims: (0..models).map(|_| Default::default()).collect(),
            shares: (0..models).map(|_| Shares::default()).collect(),
        }
    }

    /// The magnitude order of a model's task vector.
    pub(super) fn trim(&self, model: usize, delta: &Delta<'_>) -> &Trim {
        self.trims[model][usize::from(delta.narrow)].get_or_init(|| Trim::new(delta))
    }

    /// Sums of a model's task vector.
    pub(super) fn shares(&self, model: usize) -> &Shares {
        &self.shares[model]
    }
}
