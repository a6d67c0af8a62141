//! The backward pass of the model, written by hand.

use anyhow::{Context, Result};
use candle_core::Tensor;

use crate::model::{
    Batch, DOWN, EMBED, GATE_UP, Kept, Model, NORM, NORM_1, NORM_2, OUT, PER_BLOCK, QKV, flat, rotary, rotate,
};
use crate::ops::{self, tensor, with};
use crate::tokenizer::IMAGE_ID;

impl Model {
    /// The gradients of [`Self::split_heads`], back in rows.
    fn join_heads(
        &self,
        [dq, dk, dv]: [&[f32]; 3],
        batch: &Batch,
        (cos, sin): &(Vec<f32>, Vec<f32>),
    ) -> Result<Tensor> {
        let s = &self.shape;
        let (dim, half, time) = (s.head_dim, s.head_dim / 2, batch.time);
        let mut out = vec![0f32; batch.tokens.len() * s.qkv()];
        for (token, row) in out.chunks_exact_mut(s.qkv()).enumerate() {
            let (b, t) = (token / time, token % time);
            let (cos, sin) = (&cos[t * half..][..half], &sin[t * half..][..half]);
            for head in 0..s.heads {
                let to = &mut row[head * dim..][..dim];
                to.copy_from_slice(&dq[((b * s.heads + head) * time + t) * dim..][..dim]);
                rotate(to, cos, sin, -1.0);
            }
            for head in 0..s.kv_heads {
                let at = ((b * s.kv_heads + head) * time + t) * dim;
                let to = &mut row[s.q() + head * dim..][..dim];
                to.copy_from_slice(&dk[at..][..dim]);
                rotate(to, cos, sin, -1.0);
                row[s.q() + s.kv() + head * dim..][..dim].copy_from_slice(&dv[at..][..dim]);
            }
        }
        tensor(out, (batch.tokens.len(), s.qkv()))
    }

    /// The inverse of [`Self::gather_heads`].
    fn scatter_heads(&self, rows: &[f32], batch: &Batch) -> Result<Tensor> {
        let s = &self.shape;
        let (dim, time) = (s.head_dim, batch.time);
        let mut out = vec![0f32; rows.len()];
        for (i, to) in out.chunks_exact_mut(dim).enumerate() {
            let (t, head, b) = (i % time, i / time % s.heads, i / time / s.heads);
            let at = ((b * time + t) * s.heads + head) * dim;
            to.copy_from_slice(&rows[at..at + dim]);
        }
        let lots = batch.rows * s.kv_heads;
        tensor(out, (lots, s.group() * time, dim))
    }

    /// Mean loss over the batch's places.
    #[cfg(test)]
    pub fn loss(&self, batch: &Batch) -> Result<f32> {
        Ok(self.loss_and_gradients(batch)?.0)
    }

    /// Mean loss over the batch's places, and the gradient of every parameter.
    pub fn loss_and_gradients(&self, batch: &Batch) -> Result<(f32, Vec<Vec<f32>>)> {
        let shape = &self.shape;
        let width = shape.hidden;
        let turns = rotary(shape, batch.time);
        let (x, mut kept) = self.blocks(batch)?;
        let picked = with(&x, |x| gather_rows(x, &batch.places, width))?;
        let picked = tensor(picked, (batch.places.len(), width))?;
        let (normed, factors) = Self::norm(&picked, &self.params[NORM])?;
        let logits = normed.matmul(&self.params[EMBED].t()?)?;
        let (loss, d_logits) = with(&logits, |l| ops::cross_entropy(l, &batch.targets))?;
        let d_logits = tensor(d_logits, logits.shape().clone())?;

        let mut grads: Vec<Vec<f32>> = self.params.iter().map(|p| vec![0f32; p.elem_count()]).collect();
        grads[EMBED] = flat(&d_logits.t()?.matmul(&normed)?)?;
        let d_normed = d_logits.matmul(&self.params[EMBED])?;
        let mut d_picked = vec![0f32; picked.elem_count()];
        self.norm_back(&picked, NORM, &factors, &d_normed, &mut d_picked, &mut grads)?;
        let mut dx = vec![0f32; x.elem_count()];
        for (row, &place) in d_picked.chunks_exact(width).zip(&batch.places) {
            ops::add_to(&mut dx[place * width..][..width], row);
        }
        for layer in (0..shape.layers).rev() {
            let keep = kept.pop().context("a block's state is missing")?;
            dx = self.backward_block(layer, &keep, dx, batch, &turns, &mut grads)?;
        }
        let mut seen = Vec::new();
        for (row, &token) in dx.chunks_exact(width).zip(&batch.tokens) {
            if token == IMAGE_ID && batch.pictures.is_some() {
                seen.extend_from_slice(row);
            } else {
                ops::add_to(&mut grads[EMBED][token as usize * width..][..width], row);
            }
        }
        if let Some(features) = &batch.pictures {
            let rows = features.dim(0)?;
            self.project_back(features, &tensor(seen, (rows, width))?, &mut grads)?;
        }
        Ok((loss, grads))
    }

    /// The projector's gradients; its own forward pass is cheap enough to be run again.
    fn project_back(&self, features: &Tensor, dy: &Tensor, grads: &mut [Vec<f32>]) -> Result<()> {
        let (at, width) = (self.shape.projector(), self.shape.hidden);
        let [wide, active, _] = self.project(features)?;
        grads[at + 2] = flat(&dy.t()?.matmul(&active)?)?;
        grads[at + 3] = with(dy, |dy| ops::sum_rows(dy, width))?;
        let d_active = dy.matmul(&self.params[at + 2])?;
        let d_wide = with(&wide, |wide| with(&d_active, |d| ops::gelu_back(wide, d)))??;
        grads[at + 1] = ops::sum_rows(&d_wide, width);
        let d_wide = tensor(d_wide, wide.shape().clone())?;
        grads[at] = flat(&d_wide.t()?.matmul(features)?)?;
        Ok(())
    }

    fn norm_back(
        &self,
        x: &Tensor,
        param: usize,
        factors: &[f32],
        dy: &Tensor,
        dx: &mut [f32],
        grads: &mut [Vec<f32>],
    ) -> Result<()> {
        with(x, |x| {
            with(dy, |dy| {
                with(&self.params[param], |w| {
                    ops::rms_norm_back(x, w, factors, dy, dx, &mut grads[param]);
                })
            })
        })??
    }

    fn backward_block(
        &self,
        layer: usize,
        keep: &Kept,
        dx: Vec<f32>,
        batch: &Batch,
        turns: &(Vec<f32>, Vec<f32>),
        grads: &mut [Vec<f32>],
    ) -> Result<Vec<f32>> {
        let shape = &self.shape;
        let at = layer * PER_BLOCK;
        let rows = (batch.tokens.len(), shape.hidden);
        // MLP
        let d_out = tensor(dx, rows)?;
        let d_gated = d_out.matmul(self.block(layer, DOWN))?;
        grads[at + DOWN] = flat(&d_out.t()?.matmul(&keep.gated)?)?;
        let d_gate_up = with(&keep.gate_up, |g| with(&d_gated, |d| ops::swiglu_back(g, d, shape.mlp)))??;
        let d_gate_up = tensor(d_gate_up, keep.gate_up.shape().clone())?;
        grads[at + GATE_UP] = flat(&d_gate_up.t()?.matmul(&keep.normed_2)?)?;
        let d_normed = d_gate_up.matmul(self.block(layer, GATE_UP))?;
        let mut d_middle = flat(&d_out)?;
        let (x, f) = (&keep.middle, &keep.factors_2);
        self.norm_back(x, at + NORM_2, f, &d_normed, &mut d_middle, grads)?;
        // Attention
        let d_middle = tensor(d_middle, rows)?;
        let d_mixed = d_middle.matmul(self.block(layer, OUT))?;
        grads[at + OUT] = flat(&d_middle.t()?.matmul(&keep.mixed)?)?;
        let d_heads = with(&d_mixed, |d| self.scatter_heads(d, batch))??;
        let dp = d_heads.matmul(&keep.v.transpose(1, 2)?)?;
        let dv = keep.p.transpose(1, 2)?.matmul(&d_heads)?;
        let scale = (shape.head_dim as f32).sqrt().recip();
        let ds = with(&keep.p, |p| with(&dp, |dp| ops::causal_softmax_back(p, dp, batch.time, scale)))??;
        let ds = tensor(ds, keep.p.shape().clone())?;
        let dq = ds.matmul(&keep.k)?;
        let dk = ds.transpose(1, 2)?.matmul(&keep.q)?;
        let d_qkv =
            with(&dq, |dq| with(&dk, |dk| with(&dv, |dv| self.join_heads([dq, dk, dv], batch, turns))))????;
        grads[at + QKV] = flat(&d_qkv.t()?.matmul(&keep.normed_1)?)?;
        let d_normed = d_qkv.matmul(self.block(layer, QKV))?;
        let mut dx = flat(&d_middle)?;
        let (x, f) = (&keep.x, &keep.factors_1);
        self.norm_back(x, at + NORM_1, f, &d_normed, &mut dx, grads)?;
        Ok(dx)
    }
}

fn gather_rows(x: &[f32], places: &[usize], width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(places.len() * width);
    for &place in places {
        out.extend_from_slice(&x[place * width..][..width]);
    }
    out
}
