//! What is remembered of one tensor from one candidate to the next: exponents, magnitude orders, sums under masks.
//! The pool keeps one for each tensor; `run::select` asks it while a tensor is merged.

use std::sync::OnceLock;

use crate::merge::kernels::exponents::ExponentRange;
use crate::merge::kernels::mask_table::MaskTable;
use crate::merge::kernels::sampled_threshold;
use crate::merge::kernels::selection::Cut;
use crate::merge::kernels::task_vector::TaskVector;
use crate::merge::kernels::trim::Trim;

/// Of a tensor that the pool's models have under one name. Task vectors are those against the
/// pool's base, in the type in which the base stores it.
pub(crate) struct TensorCache {
    /// Of all models together, if all store it as bfloat16.
    exponents: OnceLock<Option<ExponentRange>>,
    /// Whether more than one merge is to come, so that magnitude orders are worth keeping.
    remembers: bool,
    /// Magnitude order of each model's task vector, made when first trimmed.
    trims: Vec<OnceLock<Trim>>,
    /// Sums of each model's task vector under a drop mask.
    masks: Vec<MaskTable>,
}

impl TensorCache {
    /// Nothing yet, for a pool of so many models. Whether it `remembers` orders for the next candidate.
    pub(crate) fn new(models: usize, remembers: bool) -> Self {
        Self {
            exponents: OnceLock::new(),
            remembers,
            trims: (0..models).map(|_| OnceLock::new()).collect(),
            masks: (0..models).map(|_| MaskTable::default()).collect(),
        }
    }

    /// The exponents of all models together; `None` while they are not known, and where a model does not
    /// store the tensor as bfloat16.
    pub(crate) fn exponents(&self) -> Option<ExponentRange> {
        self.exponents.get().copied().flatten()
    }

    /// Whether the models' values were looked at.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.exponents.get().is_some()
    }

    /// The models' values were looked at, and have these exponents.
    pub(crate) fn looked_at(&self, exponents: Option<ExponentRange>) {
        // Whoever comes second found the same.
        let _ = self.exponents.set(exponents);
    }

    /// Where to cut a model's task vector so that its `k` largest magnitudes stay.
    pub(crate) fn cut(&self, model: usize, delta: &TaskVector<'_>, k: usize) -> Cut {
        if !self.remembers {
            return sampled_threshold::cut_once(k, delta, self.exponents());
        }
        let slot = &self.trims[model];
        if slot.get().is_none() {
            // Made outside of the slot, for it is made on all threads: one that waits for others may
            // take up another merge meanwhile, and must not find the slot locked by itself.
            let _ = slot.set(Trim::new(delta));
        }
        slot.get_or_init(|| Trim::new(delta)).cut(k, delta)
    }

    /// Sums of a model's task vector under a drop mask.
    pub(crate) fn mask_table(&self, model: usize) -> &MaskTable {
        &self.masks[model]
    }
}
