//! The decoder itself, over any backend: blocks of weights, and the path through them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    LmError,
    memory::Found,
    ops::{Attention, Backend, Span},
    rope::Rope,
    shape::Shape,
};

/// Weights of one decoder block.
pub(crate) struct Block<B: Backend> {
    /// Whose block it is: a model, and its layer there.
    pub model: usize,
    pub layer: usize,
    pub input_norm: B::Vector,
    /// Query, key and value projections, fused.
    pub qkv: B::Matrix,
    /// Of each head's queries, and keys.
    pub qk_norm: Option<(B::Vector, B::Vector)>,
    pub attention_out: B::Matrix,
    /// Of what attention, and the MLP, give.
    pub post_norms: Option<(B::Vector, B::Vector)>,
    pub mlp_norm: B::Vector,
    /// Gate and up projections, fused.
    pub gate_up: B::Matrix,
    pub down: B::Matrix,
}

/// One step of the path that a token travels: a block, and a factor on what enters it. A stock
/// model is every block once, in order, with factor 1. Steps share blocks; each step has its own
/// keys and values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub block: usize,
    pub scale: f32,
}

/// Shown a step's place, its heads' outputs and its gated neurons.
pub(crate) type Seen<'a, B> =
    dyn FnMut(usize, &<B as Backend>::Rows, &<B as Backend>::Rows) -> Result<(), LmError> + 'a;

/// A decoder's weights on a device.
pub(crate) struct Model<B: Backend> {
    pub backend: B,
    /// Of the first model, whose embedding, final norm and head are used.
    pub shape: Shape,
    /// Of every model that blocks come from. Hidden size and heads are the same in all.
    pub shapes: Vec<Shape>,
    /// The rotations that shapes name by their views.
    pub ropes: Vec<Rope>,
    pub table: B::Table,
    pub blocks: Vec<Block<B>>,
    pub steps: Vec<Step>,
    pub norm: B::Vector,
    pub head: B::Matrix,
    /// Buffers of earlier generations, for the next: a cache's pages are costly to get anew.
    spare: Mutex<Vec<Workspace<B>>>,
    found: Mutex<Found>,
}

/// Buffers for one thread's batch: activations that are reused from step to step, and the cache.
pub(crate) struct Workspace<B: Backend> {
    pub cache: B::Cache,
    pub steps: usize,
    pub slots: usize,
    pub capacity: usize,
    /// The residual stream.
    x: B::Rows,
    /// What the last sublayer adds to it; the next norm does the adding.
    delta: B::Rows,
    normed: B::Rows,
    qkv: B::Rows,
    mixed: B::Rows,
    gate_up: B::Rows,
    gated: B::Rows,
    last: B::Rows,
    /// Of the rows that were asked for, `[rows, vocab]`.
    pub logits: B::Rows,
}

impl<B: Backend> Model<B> {
    /// A model without blocks; `shapes` holds at least one.
    pub fn new(
        backend: B,
        shapes: Vec<Shape>,
        ropes: Vec<Rope>,
        table: B::Table,
        norm: B::Vector,
        head: B::Matrix,
    ) -> Self {
        let shape = shapes[0].clone();
        let (blocks, steps, spare) = (Vec::new(), Vec::new(), Mutex::default());
        let found = Mutex::default();
        Self { backend, shape, shapes, ropes, table, blocks, steps, norm, head, spare, found }
    }

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

    /// Runs the tokens `ids` (those of each span, one span after another) and leaves the logits of
    /// the given rows, in ascending order, in the workspace. Without rows it only fills the cache.
    ///
    /// Every id is below `vocab`, every span within the workspace's slots and capacity.
    pub fn forward(
        &self,
        ids: &[u32],
        spans: &[Span],
        rows: &[usize],
        w: &mut Workspace<B>,
    ) -> Result<(), LmError> {
        self.forward_seen(ids, spans, rows, w, &mut |_, _, _| Ok(()))
    }

    /// As [`Self::forward`]; `see` is shown, for each step, the heads' outputs and the gated
    /// neurons of the rows that are still run.
    pub fn forward_seen(
        &self,
        ids: &[u32],
        spans: &[Span],
        rows: &[usize],
        w: &mut Workspace<B>,
        see: &mut Seen<'_, B>,
    ) -> Result<(), LmError> {
        let b = &self.backend;
        b.embed(&self.table, ids, &mut w.x)?;
        w.delta = B::Rows::default();
        for (place, step) in self.steps.iter().enumerate() {
            let block = &self.blocks[step.block];
            let shape = &self.shapes[block.model];
            let scale = if place == 0 { step.scale * self.shape.embed_scale } else { step.scale };
            b.add_norm(&mut w.x, &w.delta, scale, &block.input_norm, shape.eps, &mut w.normed)?;
            b.linear(&w.normed, &block.qkv, &mut w.qkv)?;
            let attention = Attention {
                shape,
                view: shape.views[block.layer],
                qk_norm: block.qk_norm.as_ref().map(|(q, k)| (q, k)),
                step: place,
            };
            b.attend(&attention, &mut w.qkv, &mut w.cache, spans, &mut w.mixed)?;
            if place + 1 == self.steps.len() && rows.len() < ids.len() {
                // Nobody reads the other rows any more.
                if rows.is_empty() {
                    return Ok(());
                }
                b.select(&w.x, rows, &mut w.last)?;
                std::mem::swap(&mut w.x, &mut w.last);
                b.select(&w.mixed, rows, &mut w.last)?;
                std::mem::swap(&mut w.mixed, &mut w.last);
            }
            b.linear(&w.mixed, &block.attention_out, &mut w.delta)?;
            if let Some((norm, _)) = &block.post_norms {
                w.norm_delta(b, norm, shape.eps)?;
            }
            b.add_norm(&mut w.x, &w.delta, 1.0, &block.mlp_norm, shape.eps, &mut w.normed)?;
            b.linear(&w.normed, &block.gate_up, &mut w.gate_up)?;
            b.gate(&w.gate_up, shape.intermediate, shape.activation, &mut w.gated)?;
            see(place, &w.mixed, &w.gated)?;
            b.linear(&w.gated, &block.down, &mut w.delta)?;
            if let Some((_, norm)) = &block.post_norms {
                w.norm_delta(b, norm, shape.eps)?;
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        b.add_norm(&mut w.x, &w.delta, 1.0, &self.norm, self.shape.eps, &mut w.normed)?;
        b.linear(&w.normed, &self.head, &mut w.logits)?;
        match self.shape.logit_cap {
            Some(cap) => b.squeeze(&mut w.logits, cap),
            None => Ok(()),
        }
    }
}

impl<B: Backend> Workspace<B> {
    /// A norm over what a sublayer gives, before it joins the residual stream.
    fn norm_delta(&mut self, b: &B, norm: &B::Vector, eps: f32) -> Result<(), LmError> {
        b.add_norm(&mut self.delta, &B::Rows::default(), 1.0, norm, eps, &mut self.normed)?;
        std::mem::swap(&mut self.delta, &mut self.normed);
        Ok(())
    }
}
