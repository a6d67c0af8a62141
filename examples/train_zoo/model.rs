//! A small Llama: parameters, and the forward pass.
//!
//! Rows are tokens, padded on the right to one length per batch. Query, key and value projections are
//! kept as one matrix, and so are gate and up; `export` takes them apart again.

use anyhow::Result;
use candle_core::Tensor;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::ops::{self, tensor, with};
use crate::tokenizer::IMAGE_ID;

/// The shape of a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    pub vocab: usize,
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub mlp: usize,
    /// Width of a picture's features, which a projector brings to `hidden`; 0: a model of texts alone.
    pub features: usize,
}

pub const EPS: f32 = 1e-5;
pub const THETA: f32 = 10_000.0;

impl Shape {
    /// Columns of the joint query, key and value projection.
    pub fn qkv(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    pub fn q(&self) -> usize {
        self.heads * self.head_dim
    }

    pub fn kv(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Query heads that share one key/value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Where the projector's parameters begin.
    pub fn projector(&self) -> usize {
        NORM_1 + PER_BLOCK * self.layers
    }

    /// The parameters in order: embedding, final norm, six a block, and four of the projector if there is one.
    pub fn dims(&self) -> Vec<Vec<usize>> {
        let mut dims = vec![vec![self.vocab, self.hidden], vec![self.hidden]];
        for _ in 0..self.layers {
            dims.extend([
                vec![self.hidden],
                vec![self.qkv(), self.hidden],
                vec![self.hidden, self.q()],
                vec![self.hidden],
                vec![2 * self.mlp, self.hidden],
                vec![self.hidden, self.mlp],
            ]);
        }
        if self.features > 0 {
            dims.extend([
                vec![self.hidden, self.features],
                vec![self.hidden],
                vec![self.hidden, self.hidden],
                vec![self.hidden],
            ]);
        }
        dims
    }
}

/// Parameters of one block, as offsets into [`Model::params`].
pub const EMBED: usize = 0;
pub const NORM: usize = 1;
pub const PER_BLOCK: usize = 6;
pub const NORM_1: usize = 2;
pub const QKV: usize = 3;
pub const OUT: usize = 4;
pub const NORM_2: usize = 5;
pub const GATE_UP: usize = 6;
pub const DOWN: usize = 7;

/// A model's parameters in the order of [`Shape::dims`].
#[derive(Clone)]
pub struct Model {
    pub shape: Shape,
    pub params: Vec<Tensor>,
}

/// A padded batch: `rows` sequences of `time` tokens, and the places where the loss falls.
pub struct Batch {
    pub rows: usize,
    pub time: usize,
    pub tokens: Vec<u32>,
    /// What stands at the image tokens, in order: the features of all patches of all pictures.
    pub pictures: Option<Tensor>,
    /// Flat positions whose next token is to be predicted.
    pub places: Vec<usize>,
    /// Those next tokens.
    pub targets: Vec<u32>,
}

/// What the backward pass needs of one block. `k` and `v` also fill the cache in generation.
pub struct Kept {
    pub x: Tensor,
    pub factors_1: Vec<f32>,
    pub normed_1: Tensor,
    pub q: Tensor,
    pub k: Tensor,
    pub v: Tensor,
    pub p: Tensor,
    pub mixed: Tensor,
    pub middle: Tensor,
    pub factors_2: Vec<f32>,
    pub normed_2: Tensor,
    pub gate_up: Tensor,
    pub gated: Tensor,
}

/// cos and sin of the rotary angles, `time` rows of `head_dim / 2`.
pub fn rotary(shape: &Shape, time: usize) -> (Vec<f32>, Vec<f32>) {
    let half = shape.head_dim / 2;
    let angles =
        (0..time).flat_map(|t| (0..half).map(move |i| t as f32 * THETA.powf(-(i as f32) / half as f32)));
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}

/// Turns one head's vector by its position; `way` −1 turns it back.
pub fn rotate(vector: &mut [f32], cos: &[f32], sin: &[f32], way: f32) {
    let half = vector.len() / 2;
    let (low, high) = vector.split_at_mut(half);
    for i in 0..half {
        let (a, b) = (low[i], high[i]);
        low[i] = a * cos[i] - way * b * sin[i];
        high[i] = b * cos[i] + way * a * sin[i];
    }
}

impl Model {
    /// Normal initialisation, smaller for the projections that write to the residual stream.
    pub fn random(shape: Shape, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut params = Vec::new();
        for (i, dims) in shape.dims().into_iter().enumerate() {
            let count: usize = dims.iter().product();
            let values = if i >= shape.projector() {
                if dims.len() == 1 { vec![0.0; count] } else { normal(count, 0.1, rng) }
            } else if dims.len() == 1 {
                vec![1.0; count]
            } else {
                let residual = i >= 2 && matches!((i - 2) % PER_BLOCK + 2, OUT | DOWN);
                let deviation = if residual { 0.06 / (2.0 * shape.layers as f32).sqrt() } else { 0.06 };
                normal(count, deviation, rng)
            };
            params.push(tensor(values, dims)?);
        }
        Ok(Self { shape, params })
    }

    /// The same model of texts with a projector that has learnt nothing.
    pub fn with_projector(&self, features: usize, rng: &mut ChaCha8Rng) -> Result<Self> {
        let shape = Shape { features, ..self.shape };
        let mut grown = Self::random(shape, rng)?;
        grown.params[..self.params.len()].clone_from_slice(&self.params);
        Ok(grown)
    }

    /// This language model behind the projector of another.
    pub fn behind(&self, other: &Self) -> Self {
        let mut seeing = other.clone();
        let own = self.shape.projector();
        seeing.params[..own].clone_from_slice(&self.params[..own]);
        seeing
    }

    /// Pictures' features to rows of the hidden width: what the first layer gives, its GELU, and the rows.
    pub fn project(&self, features: &Tensor) -> Result<[Tensor; 3]> {
        let at = self.shape.projector();
        let layer = |x: &Tensor, param: usize| -> Result<Tensor> {
            let out = x.matmul(&self.params[param].t()?)?;
            let sum = with(&out, |out| with(&self.params[param + 1], |bias| ops::add_bias(out, bias)))??;
            tensor(sum, out.shape().clone())
        };
        let wide = layer(features, at)?;
        let active = tensor(with(&wide, ops::gelu)?, wide.shape().clone())?;
        let rows = layer(&active, at + 2)?;
        Ok([wide, active, rows])
    }

    /// The rows that enter the first block.
    fn enter(&self, batch: &Batch) -> Result<Tensor> {
        let x = self.embed(&batch.tokens)?;
        let Some(features) = &batch.pictures else { return Ok(x) };
        let width = self.shape.hidden;
        let mut values = flat(&x)?;
        let [_, _, rows] = self.project(features)?;
        with(&rows, |rows| {
            let places = batch.tokens.iter().enumerate().filter(|(_, token)| **token == IMAGE_ID);
            for ((at, _), row) in places.zip(rows.chunks_exact(width)) {
                values[at * width..][..width].copy_from_slice(row);
            }
        })?;
        tensor(values, (batch.tokens.len(), width))
    }

    /// One parameter of a block.
    pub fn block(&self, layer: usize, which: usize) -> &Tensor {
        &self.params[layer * PER_BLOCK + which]
    }

    /// Embeds tokens.
    pub fn embed(&self, tokens: &[u32]) -> Result<Tensor> {
        let width = self.shape.hidden;
        let rows = with(&self.params[EMBED], |table| {
            let mut rows = Vec::with_capacity(tokens.len() * width);
            for &token in tokens {
                let at = token as usize * width;
                rows.extend_from_slice(&table[at..at + width]);
            }
            rows
        })?;
        tensor(rows, (tokens.len(), width))
    }

    /// Normed rows and their factors.
    pub fn norm(x: &Tensor, weight: &Tensor) -> Result<(Tensor, Vec<f32>)> {
        let (out, factors) = with(x, |x| with(weight, |w| ops::rms_norm(x, w, EPS)))??;
        Ok((tensor(out, x.shape().clone())?, factors))
    }

    /// Runs all blocks over a padded batch.
    pub fn blocks(&self, batch: &Batch) -> Result<(Tensor, Vec<Kept>)> {
        let turns = rotary(&self.shape, batch.time);
        let mut x = self.enter(batch)?;
        let mut kept = Vec::with_capacity(self.shape.layers);
        for layer in 0..self.shape.layers {
            let (next, keep) = self.forward_block(layer, x, batch, &turns)?;
            x = next;
            kept.push(keep);
        }
        Ok((x, kept))
    }

    fn forward_block(
        &self,
        layer: usize,
        x: Tensor,
        batch: &Batch,
        turns: &(Vec<f32>, Vec<f32>),
    ) -> Result<(Tensor, Kept)> {
        let shape = &self.shape;
        let (normed_1, factors_1) = Self::norm(&x, self.block(layer, NORM_1))?;
        let qkv = normed_1.matmul(&self.block(layer, QKV).t()?)?;
        let [q, k, v] = with(&qkv, |qkv| self.split_heads(qkv, batch, turns))??;
        let scores = q.matmul(&k.transpose(1, 2)?)?;
        let scale = (shape.head_dim as f32).sqrt().recip();
        let p = with(&scores, |s| ops::causal_softmax(s, batch.time, scale))?;
        let p = tensor(p, scores.shape().clone())?;
        let heads = p.matmul(&v)?;
        let mixed = with(&heads, |heads| self.gather_heads(heads, batch))??;
        let written = mixed.matmul(&self.block(layer, OUT).t()?)?;
        let middle = sum_of(&x, &written)?;
        let (normed_2, factors_2) = Self::norm(&middle, self.block(layer, NORM_2))?;
        let gate_up = normed_2.matmul(&self.block(layer, GATE_UP).t()?)?;
        let gated = with(&gate_up, |g| ops::swiglu(g, shape.mlp))?;
        let gated = tensor(gated, (batch.tokens.len(), shape.mlp))?;
        let out = sum_of(&middle, &gated.matmul(&self.block(layer, DOWN).t()?)?)?;
        let keep =
            Kept { x, factors_1, normed_1, q, k, v, p, mixed, middle, factors_2, normed_2, gate_up, gated };
        Ok((out, keep))
    }

    /// Rows of q, k, v to `[rows × kv heads, group × time, dim]` and twice `[.., time, dim]`, q and k turned.
    fn split_heads(
        &self,
        qkv: &[f32],
        batch: &Batch,
        (cos, sin): &(Vec<f32>, Vec<f32>),
    ) -> Result<[Tensor; 3]> {
        let s = &self.shape;
        let (dim, half, time) = (s.head_dim, s.head_dim / 2, batch.time);
        let tokens = batch.tokens.len();
        let mut q = vec![0f32; tokens * s.q()];
        let mut k = vec![0f32; tokens * s.kv()];
        let mut v = vec![0f32; tokens * s.kv()];
        for (token, row) in qkv.chunks_exact(s.qkv()).enumerate() {
            let (b, t) = (token / time, token % time);
            let (cos, sin) = (&cos[t * half..][..half], &sin[t * half..][..half]);
            for head in 0..s.heads {
                let to = &mut q[((b * s.heads + head) * time + t) * dim..][..dim];
                to.copy_from_slice(&row[head * dim..][..dim]);
                rotate(to, cos, sin, 1.0);
            }
            for head in 0..s.kv_heads {
                let at = ((b * s.kv_heads + head) * time + t) * dim;
                let to = &mut k[at..][..dim];
                to.copy_from_slice(&row[s.q() + head * dim..][..dim]);
                rotate(to, cos, sin, 1.0);
                v[at..][..dim].copy_from_slice(&row[s.q() + s.kv() + head * dim..][..dim]);
            }
        }
        let lots = batch.rows * s.kv_heads;
        Ok([
            tensor(q, (lots, s.group() * time, dim))?,
            tensor(k, (lots, time, dim))?,
            tensor(v, (lots, time, dim))?,
        ])
    }

    /// `[rows × kv heads, group × time, dim]` to one row a token.
    fn gather_heads(&self, heads: &[f32], batch: &Batch) -> Result<Tensor> {
        let s = &self.shape;
        let (dim, time) = (s.head_dim, batch.time);
        let mut out = vec![0f32; heads.len()];
        for (i, from) in heads.chunks_exact(dim).enumerate() {
            let (t, head, b) = (i % time, i / time % s.heads, i / time / s.heads);
            let at = ((b * time + t) * s.heads + head) * dim;
            out[at..at + dim].copy_from_slice(from);
        }
        tensor(out, (batch.tokens.len(), s.q()))
    }
}

/// Values from a normal distribution.
pub fn normal(count: usize, deviation: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count)
        .map(|_| {
            let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
            let turn = std::f32::consts::TAU * rng.random::<f32>();
            radius * turn.cos() * deviation
        })
        .collect()
}

/// A tensor's values.
pub fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    with(tensor, <[f32]>::to_vec)
}

fn sum_of(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let out = with(a, |a| with(b, |b| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f32>>()))??;
    tensor(out, a.shape().clone())
}
