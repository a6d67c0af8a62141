//! Buffers of one thread's batch, kept from one generation to the next.
//!
//! A generation takes a workspace ([`Model::workspace`]) and returns it. `decoding::batch_size` includes kept
//! workspaces when it sizes a batch, and frees them if memory is short.

use std::sync::{MutexGuard, PoisonError};

use super::{Model, memory_limit::MemoryLimit};
use crate::lm::{LmError, backend::Backend};

/// Activations, reused from step to step, and the cache of one thread's batch.
pub(crate) struct Workspace<B: Backend> {
    pub cache: B::Cache,
    pub steps: usize,
    pub slots: usize,
    pub capacity: usize,
    /// The residual stream.
    pub(super) x: B::Rows,
    /// The last sublayer's output. The next norm adds it to `x`.
    pub(super) delta: B::Rows,
    pub(super) normed: B::Rows,
    pub(super) qkv: B::Rows,
    pub(super) mixed: B::Rows,
    pub(super) gate_up: B::Rows,
    pub(super) gated: B::Rows,
    pub(super) last: B::Rows,
    /// Logits of the requested rows, `[rows, vocab]`.
    pub logits: B::Rows,
}

impl<B: Backend> Model<B> {
    /// Buffers for `slots` sequences of at most `capacity` tokens each: the smallest kept ones that are large enough,
    /// else new ones. A batch's buffers are not used for a single sequence.
    pub fn workspace(&self, slots: usize, capacity: usize) -> Result<Workspace<B>, LmError> {
        let steps = self.steps.len();
        let alike = |w: &Workspace<B>| (w.slots > 1) == (slots > 1);
        let fits =
            |w: &Workspace<B>| alike(w) && w.steps >= steps && w.slots >= slots && w.capacity >= capacity;
        {
            let mut spare = self.spare();
            let places = (0..spare.len()).filter(|i| fits(&spare[*i]));
            if let Some(place) = places.min_by_key(|i| spare[*i].slots * spare[*i].capacity) {
                return Ok(spare.swap_remove(place));
            }
            // The kept buffers are too small.
            spare.retain(|w| !alike(w) || slots > 1);
        }
        Ok(Workspace {
            cache: self.backend.cache(&self.shape, &self.ropes, steps, slots, capacity)?,
            steps,
            slots,
            capacity,
            x: B::Rows::default(),
            delta: B::Rows::default(),
            normed: B::Rows::default(),
            qkv: B::Rows::default(),
            mixed: B::Rows::default(),
            gate_up: B::Rows::default(),
            gated: B::Rows::default(),
            last: B::Rows::default(),
            logits: B::Rows::default(),
        })
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Workspace<B>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The known memory limit.
    pub fn memory_limit(&self) -> MutexGuard<'_, MemoryLimit> {
        self.memory_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sequences of `capacity` tokens fit in each of `threads` kept workspaces; 0 if fewer are kept. `wanted`
    /// says whether a batch or a single sequence will run.
    pub fn kept(&self, threads: usize, wanted: usize, capacity: usize) -> usize {
        let steps = self.steps.len();
        let spare = self.spare();
        let alike = |w: &&Workspace<B>| (w.slots > 1) == (wanted > 1);
        let fit = spare.iter().filter(alike).filter(|w| w.steps >= steps && w.capacity >= capacity);
        let mut slots: Vec<usize> = fit.map(|w| w.slots).collect();
        slots.sort_unstable_by(|a, b| b.cmp(a));
        slots.get(threads.max(1) - 1).copied().unwrap_or(0)
    }

    /// Bytes of the keys and values in all kept buffers.
    pub fn kept_bytes(&self) -> usize {
        let bytes = |w: &Workspace<B>| self.backend.cache_bytes(&self.shape, w.steps, w.capacity) * w.slots;
        self.spare().iter().map(bytes).sum()
    }

    /// Frees all kept buffers.
    pub fn free_kept(&self) {
        self.spare().clear();
    }

    /// Returns buffers for the next generation.
    pub fn put_back(&self, workspace: Workspace<B>) {
        self.spare().push(workspace);
    }
}
