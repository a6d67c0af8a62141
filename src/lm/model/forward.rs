//! One forward pass: tokens in, logits of the requested rows out; keys and values go to the cache. `decoding` calls it,
//! and so does all code that needs the logits or units of a single sequence.

use super::{Model, Workspace};
use crate::lm::{
    LmError,
    backend::{AttentionStep, Backend, Span},
};

/// Called for each step with its index, the outputs of its heads and its gated neurons.
pub(crate) type StepObserver<'a, B> =
    dyn FnMut(usize, &<B as Backend>::Rows, &<B as Backend>::Rows) -> Result<(), LmError> + 'a;

impl<B: Backend> Model<B> {
    /// Runs the tokens `ids` (those of each span, one span after another) and leaves the logits of the given rows, in
    /// ascending order, in the workspace. Without rows, it only fills the cache.
    ///
    /// Every id must be below `vocab` or stand for a row of the model's images, every span within the workspace's slots and capacity.
    pub fn forward(
        &self,
        ids: &[u32],
        spans: &[Span],
        rows: &[usize],
        w: &mut Workspace<B>,
    ) -> Result<(), LmError> {
        self.forward_seen(ids, spans, rows, w, &mut |_, _, _| Ok(()))
    }

    /// Like [`Self::forward`]; `see` is called at each step with the heads' outputs and the gated neurons of the rows
    /// that still run.
    pub fn forward_seen(
        &self,
        ids: &[u32],
        spans: &[Span],
        rows: &[usize],
        w: &mut Workspace<B>,
        see: &mut StepObserver<'_, B>,
    ) -> Result<(), LmError> {
        let b = &self.backend;
        self.embed(ids, w)?;
        w.delta = B::Rows::default();
        for (place, step) in self.steps.iter().enumerate() {
            let block = &self.blocks[step.block];
            let shape = &self.shapes[block.model];
            let scale = if place == 0 { step.scale * self.shape.embed_scale } else { step.scale };
            b.add_norm(&mut w.x, &w.delta, scale, &block.input_norm, shape.eps, &mut w.normed)?;
            b.linear(&w.normed, &block.qkv, &mut w.qkv)?;
            let attention = AttentionStep {
                shape,
                layer: shape.attention[block.layer],
                qk_norm: block.qk_norm.as_ref().map(|(q, k)| (q, k)),
                step: place,
            };
            b.attend(&attention, &mut w.qkv, &mut w.cache, spans, &mut w.mixed)?;
            if place + 1 == self.steps.len() && rows.len() < ids.len() {
                // After the last step's attention, no other row is read.
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
            Some(cap) => b.softcap(&mut w.logits, cap),
            None => Ok(()),
        }
    }

    /// The rows that enter the first block: embeddings of tokens, features of images.
    fn embed(&self, ids: &[u32], w: &mut Workspace<B>) -> Result<(), LmError> {
        let is_row = |id: &u32| *id as usize >= self.shape.vocab;
        let embed = |ids: &[u32], x: &mut B::Rows| match &self.table {
            Some(table) => self.backend.embed(table, ids, x),
            None => self.backend.embed_tied(&self.head, ids, x),
        };
        let Some(images) = self.images.as_ref().filter(|_| ids.iter().any(is_row)) else {
            return embed(ids, &mut w.x);
        };
        let tokens: Vec<u32> = ids.iter().map(|id| if is_row(id) { 0 } else { *id }).collect();
        embed(&tokens, &mut w.x)?;
        let (mut at, mut values) = (0, Vec::new());
        for run in ids.chunk_by(|a, b| is_row(a) && *b == a + 1) {
            if is_row(&run[0]) {
                let first = run[0] as usize;
                values.clear();
                images.read(first..first + run.len(), &mut values);
                // The first step multiplies all rows by the scale of embeddings, which features do not have.
                for value in &mut values {
                    *value /= self.shape.embed_scale;
                }
                self.backend.write_rows(&mut w.x, at, self.shape.hidden, &values)?;
            }
            at += run.len();
        }
        Ok(())
    }
}

impl<B: Backend> Workspace<B> {
    /// Applies a norm to a sublayer's output before it joins the residual stream.
    fn norm_delta(&mut self, b: &B, norm: &B::Vector, eps: f32) -> Result<(), LmError> {
        b.add_norm(&mut self.delta, &B::Rows::default(), 1.0, norm, eps, &mut self.normed)?;
        std::mem::swap(&mut self.delta, &mut self.normed);
        Ok(())
    }
}
