//! Buffers of a batch, kept from one generation to the next.

use std::sync::{MutexGuard, PoisonError};

use super::{Model, memory_limit::Found};
use crate::lm::{LmError, backend::Backend};

/// Buffers for one thread's batch: activations that are reused from step to step, and the cache.
pub(crate) struct Workspace<B: Backend> {
    pub cache: B::Cache,
    pub steps: usize,
    pub slots: usize,
    pub capacity: usize,
    /// The residual stream.
    pub(super) x: B::Rows,
    /// What the last sublayer adds to it; the next norm does the adding.
    pub(super) delta: B::Rows,
    pub(super) normed: B::Rows,
    pub(super) qkv: B::Rows,
    pub(super) mixed: B::Rows,
    pub(super) gate_up: B::Rows,
    pub(super) gated: B::Rows,
    pub(super) last: B::Rows,
    /// Of the rows that were asked for, `[rows, vocab]`.
    pub logits: B::Rows,
}

impl<B: Backend> Model<B> {
    /// Buffers for `slots` sequences of at most `capacity` tokens each: the smallest kept ones that do.
    /// Those of a batch are not taken for a single sequence.
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
            // Too small for what is asked now.
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

    /// What memory is known to allow.
    pub fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sequences of `capacity` tokens that each of `threads` kept batches has room for, where `wanted` are
    /// wanted; 0 where there are fewer of them.
    pub fn kept(&self, threads: usize, wanted: usize, capacity: usize) -> usize {
        let steps = self.steps.len();
        let spare = self.spare();
        let alike = |w: &&Workspace<B>| (w.slots > 1) == (wanted > 1);
        let fit = spare.iter().filter(alike).filter(|w| w.steps >= steps && w.capacity >= capacity);
        let mut slots: Vec<usize> = fit.map(|w| w.slots).collect();
        slots.sort_unstable_by(|a, b| b.cmp(a));
        slots.get(threads.max(1) - 1).copied().unwrap_or(0)
    }

    /// Bytes of all buffers that are kept, as far as they are keys and values.
    pub fn kept_bytes(&self) -> usize {
        let bytes = |w: &Workspace<B>| self.backend.cache_bytes(&self.shape, w.steps, w.capacity) * w.slots;
        self.spare().iter().map(bytes).sum()
    }

    /// Frees all buffers that are kept.
    pub fn give_up(&self) {
        self.spare().clear();
    }

    /// Gives buffers back for the next generation.
    pub fn put_back(&self, workspace: Workspace<B>) {
        self.spare().push(workspace);
    }
}
