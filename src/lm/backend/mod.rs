//! What a device must be able to do for the decoder: the only place where devices differ.
//!
//! The decoder is one code path over [`Backend`]. [`Cpu`](super::cpu::Cpu) runs this crate's own
//! kernels on buffers that it reuses from step to step, `cuda` its own on a card;
//! [`Composed`](super::composed::Composed) builds each operation from candle's, for reference.
//!
//! Activations are *rows*: one row a token, whatever sequence the token belongs to. Sequences of
//! different length lie one after another without padding; a [`Span`] says which rows are whose.

pub(crate) mod candle;
pub(crate) mod cpu;
#[cfg(any(feature = "cuda", test))]
pub(crate) mod cuda;

use std::ops::Range;

use crate::checkpoint::TensorView;
use crate::lm::{
    LmError,
    rope::Rope,
    shape::{Activation, Blocks, Shape, View},
};

/// Consecutive tokens of one sequence within a batch of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Place of the sequence in the key-value cache.
    pub slot: usize,
    /// Position of the first of these tokens in its sequence; all before it are in the cache.
    pub start: usize,
    /// Number of tokens.
    pub len: usize,
}

/// One step's attention.
pub(crate) struct Attention<'a, V> {
    pub shape: &'a Shape,
    pub view: View,
    /// Weights of the norms on each head's queries and keys.
    pub qk_norm: Option<(&'a V, &'a V)>,
    /// Place of the step in the cache.
    pub step: usize,
}

/// Operations of a device. All are exact functions of each row alone: no result depends on which
/// other rows are in the batch.
pub(crate) trait Backend: Send + Sync + Sized {
    /// Weight of a linear layer, `[out, in]`, possibly several fused along `out`.
    type Matrix: Send + Sync;
    /// An embedding, `[vocab, hidden]`.
    type Table: Send + Sync;
    /// Weight of a norm, `[hidden]`.
    type Vector: Send + Sync;
    /// Activations, `[rows, features]`. `Default` is empty.
    type Rows: Default + Send + Sync;
    /// Keys and values of some sequences at every step of the decoder.
    type Cache: Send + Sync;

    /// How many sequences to decode at once where `most` are allowed: what is fastest here.
    fn batch(&self, shape: &Shape, most: usize) -> usize;
    /// Most rows of a forward pass while prompts run.
    fn prefill_rows(&self) -> usize;

    /// Room for a matrix with the given parts along `out`; `bias` adds a bias to each.
    fn matrix(&self, outs: &[Blocks], ins: Blocks, bias: bool) -> Result<Self::Matrix, LmError>;
    /// Room for the head, whose outputs are the logits.
    fn head(&self, vocab: usize, hidden: usize) -> Result<Self::Matrix, LmError> {
        self.matrix(&[Blocks::one(vocab)], Blocks::one(hidden), false)
    }
    /// Writes part `part` of a matrix from a checked tensor `[out, in]`.
    fn write_matrix(&self, m: &mut Self::Matrix, part: usize, weight: &TensorView) -> Result<(), LmError>;
    /// Writes the bias of part `part` from a checked tensor `[out]`.
    fn write_bias(&self, m: &mut Self::Matrix, part: usize, bias: &TensorView) -> Result<(), LmError>;
    /// Room for an embedding.
    fn table(&self, vocab: usize, hidden: usize) -> Result<Self::Table, LmError>;
    /// Writes an embedding from a checked tensor.
    fn write_table(&self, t: &mut Self::Table, weight: &TensorView) -> Result<(), LmError>;
    /// Makes a head `[vocab, hidden]` of the embedding (tied weights).
    fn tie(&self, table: &Self::Table, head: &mut Self::Matrix) -> Result<(), LmError>;
    /// Room for a norm's weight.
    fn vector(&self, len: usize) -> Result<Self::Vector, LmError>;
    /// Writes a norm's weight, a checked tensor's values plus `offset`.
    fn write_vector(&self, v: &mut Self::Vector, weight: &TensorView, offset: f32) -> Result<(), LmError>;

    /// Cache for `slots` sequences of at most `capacity` tokens through `steps` decoder steps,
    /// each of which turns by one of `ropes`.
    fn cache(
        &self,
        shape: &Shape,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Self::Cache, LmError>;
    /// Copies the first `len` positions of slot 0 of `from` into slot `slot` of `to`.
    fn copy_prefix(
        &self,
        from: &Self::Cache,
        len: usize,
        to: &mut Self::Cache,
        slot: usize,
    ) -> Result<(), LmError>;
    /// Copies positions `range` of slot `from` into slot `to`, another one, of the same cache.
    fn copy_slot(
        &self,
        cache: &mut Self::Cache,
        from: usize,
        range: Range<usize>,
        to: usize,
    ) -> Result<(), LmError>;
    /// Bytes of one sequence's keys and values.
    fn cache_bytes(&self, shape: &Shape, steps: usize, capacity: usize) -> usize {
        [steps, 2 * shape.keys().features(), size_of::<f32>()]
            .into_iter()
            .fold(capacity, usize::saturating_mul)
    }
    /// Bytes that are free for caches; none where nobody knows.
    fn free_bytes(&self) -> Option<usize> {
        None
    }

    /// `out = table[ids]`; every id is below the vocabulary's size.
    fn embed(&self, table: &Self::Table, ids: &[u32], out: &mut Self::Rows) -> Result<(), LmError>;
    /// `x = (x + delta) · scale; out = x / rms(x) · weight`, with an empty `delta` left out.
    fn add_norm(
        &self,
        x: &mut Self::Rows,
        delta: &Self::Rows,
        scale: f32,
        weight: &Self::Vector,
        eps: f32,
        out: &mut Self::Rows,
    ) -> Result<(), LmError>;
    /// `out = x · mᵀ + bias`.
    fn linear(&self, x: &Self::Rows, m: &Self::Matrix, out: &mut Self::Rows) -> Result<(), LmError>;
    /// Causal attention of each row over its own sequence: rotates queries and keys by their
    /// positions, appends keys and values to the cache at `step`, and writes the heads' outputs
    /// side by side. `qkv` holds the query, key and value parts of a fused projection.
    fn attend(
        &self,
        layer: &Attention<'_, Self::Vector>,
        qkv: &mut Self::Rows,
        cache: &mut Self::Cache,
        spans: &[Span],
        out: &mut Self::Rows,
    ) -> Result<(), LmError>;
    /// `out = activation(gate) · up`, from the two parts of a fused projection, each `width` wide.
    fn gate(
        &self,
        gate_up: &Self::Rows,
        width: usize,
        activation: Activation,
        out: &mut Self::Rows,
    ) -> Result<(), LmError>;
    /// `x = cap · tanh(x / cap)`.
    fn squeeze(&self, x: &mut Self::Rows, cap: f32) -> Result<(), LmError>;
    /// `out[i] = x[rows[i]]`.
    fn select(&self, x: &Self::Rows, rows: &[usize], out: &mut Self::Rows) -> Result<(), LmError>;
    /// For each row the index of its greatest value among the first `width`: the lowest such
    /// index, and NaN counts as less than everything.
    fn argmax(&self, x: &Self::Rows, width: usize, out: &mut Vec<u32>) -> Result<(), LmError>;
    /// The features of each row, without what a backend pads its blocks with.
    fn read_blocks(&self, x: &Self::Rows, blocks: Blocks) -> Result<Vec<Vec<f32>>, LmError>;
    /// The first `width` values of each row, one row after another.
    fn read_into(&self, x: &Self::Rows, width: usize, out: &mut Vec<f32>) -> Result<(), LmError> {
        out.clear();
        self.read(x, width)?.iter().for_each(|row| out.extend_from_slice(row));
        Ok(())
    }
    /// The first `width` values of each row.
    fn read(&self, x: &Self::Rows, width: usize) -> Result<Vec<Vec<f32>>, LmError>;
}
