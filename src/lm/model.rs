//! The decoder itself, over any backend: blocks of weights, and the path through them.

use super::{
    LmError,
    ops::{Backend, Span},
    shape::Shape,
};

/// Weights of one decoder block.
pub(crate) struct Block<B: Backend> {
    pub input_norm: B::Vector,
    /// Query, key and value projections, fused.
    pub qkv: B::Matrix,
    pub attention_out: B::Matrix,
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

/// A decoder's weights on a device.
pub(crate) struct Model<B: Backend> {
    pub backend: B,
    pub shape: Shape,
    pub table: B::Table,
    pub blocks: Vec<Block<B>>,
    pub steps: Vec<Step>,
    pub norm: B::Vector,
    pub head: B::Matrix,
}

/// Buffers for one thread's batch: activations that are reused from step to step, and the cache.
pub(crate) struct Workspace<B: Backend> {
    pub cache: B::Cache,
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
    /// Buffers for `slots` sequences of at most `capacity` tokens each.
    pub fn workspace(&self, slots: usize, capacity: usize) -> Result<Workspace<B>, LmError> {
        Ok(Workspace {
            cache: self.backend.cache(&self.shape, self.steps.len(), slots, capacity)?,
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

    /// Runs the tokens `ids` (those of each span, one span after another) and leaves the logits of
    /// the given rows in the workspace. Without rows it only fills the cache.
    ///
    /// Every id is below `vocab`, every span within the workspace's slots and capacity.
    pub fn forward(
        &self,
        ids: &[u32],
        spans: &[Span],
        rows: &[usize],
        w: &mut Workspace<B>,
    ) -> Result<(), LmError> {
        let (b, shape) = (&self.backend, &self.shape);
        b.embed(&self.table, ids, &mut w.x)?;
        w.delta = B::Rows::default();
        for (place, step) in self.steps.iter().enumerate() {
            let block = &self.blocks[step.block];
            b.add_norm(&mut w.x, &w.delta, step.scale, &block.input_norm, shape.eps, &mut w.normed)?;
            b.linear(&w.normed, &block.qkv, &mut w.qkv)?;
            b.attend(shape, &mut w.qkv, &mut w.cache, place, spans, &mut w.mixed)?;
            b.linear(&w.mixed, &block.attention_out, &mut w.delta)?;
            b.add_norm(&mut w.x, &w.delta, 1.0, &block.mlp_norm, shape.eps, &mut w.normed)?;
            b.linear(&w.normed, &block.gate_up, &mut w.gate_up)?;
            b.swiglu(&w.gate_up, shape.intermediate, &mut w.gated)?;
            b.linear(&w.gated, &block.down, &mut w.delta)?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        b.select(&w.x, &w.delta, rows, &mut w.last)?;
        let nothing = B::Rows::default();
        b.add_norm(&mut w.last, &nothing, 1.0, &self.norm, shape.eps, &mut w.normed)?;
        b.linear(&w.normed, &self.head, &mut w.logits)
    }
}
