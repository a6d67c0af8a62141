//! Facts about one tensor that are kept from one candidate to the next: exponents, magnitude orders, sums under masks.
//! The pool keeps one cache per tensor; `run::select` reads it while a tensor is merged.

use std::sync::OnceLock;

use crate::merge::kernels::exponents::ExponentRange;
use crate::merge::kernels::mask_table::MaskTable;
use crate::merge::kernels::sampled_threshold;
use crate::merge::kernels::selection::Cut;
use crate::merge::kernels::task_vector::TaskVector;
use crate::merge::kernels::trim::Trim;

/// Cached facts about one tensor name in all models of the pool. Task vectors are taken against the pool's base, in the
/// type in which the base stores the tensor.
pub(crate) struct TensorCache {
    /// Exponents of all models together, if all store the tensor as bfloat16.
    exponents: OnceLock<Option<ExponentRange>>,
    /// Whether more than one merge follows, so that magnitude orders are worth keeping.
    remembers: bool,
    /// Magnitude order of each model's task vector, made when it is first trimmed.
    trims: Vec<OnceLock<Trim>>,
    /// Sums of each model's task vector under a drop mask.
    masks: Vec<MaskTable>,
}

impl TensorCache {
    /// An empty cache for a pool of `models` models. `remembers` says whether to keep orders for the next candidate.
    pub(crate) fn new(models: usize, remembers: bool) -> Self {
        Self {
            exponents: OnceLock::new(),
            remembers,
            trims: (0..models).map(|_| OnceLock::new()).collect(),
            masks: (0..models).map(|_| MaskTable::default()).collect(),
        }
    }

    /// Whether it keeps orders for the next candidate.
    pub(crate) const fn remembers(&self) -> bool {
        self.remembers
    }

    /// The exponents of all models together; `None` if they are not known yet, or if a model does not store the tensor
    /// as bfloat16.
    pub(crate) fn exponents(&self) -> Option<ExponentRange> {
        self.exponents.get().copied().flatten()
    }

    /// Whether the models' values were checked.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.exponents.get().is_some()
    }

    /// Records that the models' values were checked and have these exponents.
    pub(crate) fn looked_at(&self, exponents: Option<ExponentRange>) {
        // A second thread found the same exponents.
        let _ = self.exponents.set(exponents);
    }

    /// The cut that keeps the `k` largest magnitudes of a model's task vector.
    pub(crate) fn cut(&self, model: usize, delta: &TaskVector<'_>, k: usize) -> Cut {
        if !self.remembers {
            return sampled_threshold::cut_once(k, delta, self.exponents());
        }
        let slot = &self.trims[model];
        if slot.get().is_none() {
            // Computed outside of the slot, because all threads take part: a thread that waits may start another merge
            // meanwhile, and must not find the slot locked by itself.
            let _ = slot.set(Trim::new(delta));
        }
        slot.get_or_init(|| Trim::new(delta)).cut(k, delta)
    }

    /// Sums of a model's task vector under a drop mask.
    pub(crate) fn mask_table(&self, model: usize) -> &MaskTable {
        &self.masks[model]
    }
}
