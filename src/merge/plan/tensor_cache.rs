//! What is remembered of a tensor from one candidate to the next.

use std::sync::OnceLock;

use crate::merge::kernels::exponents::Extent;
use crate::merge::kernels::mask_l1::Shares;
use crate::merge::kernels::task_vector::Delta;
use crate::merge::kernels::trim::{Cut, Trim};

/// Of a tensor that the pool's models have under one name. Task vectors are those against the
/// pool's base.
pub(crate) struct Known {
    /// Of all models together, if all store it as bfloat16.
    extent: OnceLock<Option<Extent>>,
    remembers: bool,
    /// Magnitude order of each model's task vector in f32 and in bfloat16, made when first trimmed.
    trims: Vec<[OnceLock<Trim>; 2]>,
    /// Sums of each model's task vector under a drop mask.
    shares: Vec<Shares>,
}

impl Known {
    /// Nothing yet, for a pool of so many models. Whether it `remembers` orders for the next candidate.
    pub(crate) fn new(models: usize, remembers: bool) -> Self {
        Self {
            remembers,
            extent: OnceLock::new(),
            trims: (0..models).map(|_| Default::default()).collect(),
            shares: (0..models).map(|_| Shares::default()).collect(),
        }
    }

    /// The extent of all models together; `None` while it is not known, and where one does not store
    /// the tensor as bfloat16.
    pub(crate) fn extent(&self) -> Option<Extent> {
        self.extent.get().copied().flatten()
    }

    /// Whether the models' values were looked at.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.extent.get().is_some()
    }

    /// The models' values were looked at, with this extent.
    pub(crate) fn looked_at(&self, extent: Option<Extent>) {
        // Whoever comes second found the same.
        let _ = self.extent.set(extent);
    }

    /// Where to cut a model's task vector so that its `k` largest magnitudes are kept.
    pub(crate) fn cut(&self, model: usize, delta: &Delta<'_>, k: usize) -> Cut {
        if !self.remembers {
            return Trim::once(k, delta, self.extent());
        }
        let slot = &self.trims[model][usize::from(delta.narrow)];
        if slot.get().is_none() {
            // Made outside of the slot, for it is made on all threads: one that waits for others may
            // take up another merge meanwhile, and must not find the slot locked by itself.
            let _ = slot.set(Trim::new(delta));
        }
        slot.get_or_init(|| Trim::new(delta)).cut(k, delta)
    }

    /// Sums of a model's task vector.
    pub(crate) fn shares(&self, model: usize) -> &Shares {
        &self.shares[model]
    }
}
