//! The operations that a device must provide to run a decoder: the [`Backend`] trait, and one folder for
//! each implementation.
//!
//! In: checked tensors, token ids, and the sequence of each row ([`Span`]). Out: activations, logits, chosen ids.
//! `model` calls it; devices differ only here.
//!
//! | folder | runs on | kernels |
//! |---|---|---|
//! | `cpu` | this machine's CPU, f32 | our own, in Rust |
//! | `cuda` | an NVIDIA card, bf16; in tests an emulated card | our own, in CUDA C |
//! | `candle` | candle's CPU device, f32 | candle's operations: the reference for tests |
//!
//! To add a backend: add a folder here that implements [`Backend`], its variant in `lm/engine.rs` (the enum and two
//! macros), and its user-visible name in `lm/device.rs`. The compiler finds every match that lacks it; `lm/tests.rs`
//! compares every backend with the reference.
//!
//! Activations are *rows*, one row per token. Sequences of different length follow one another without padding.

pub(crate) mod candle;
pub(crate) mod cpu;
#[cfg(any(feature = "cuda", test))]
pub(crate) mod cuda;

use std::ops::Range;

use crate::checkpoint::TensorView;
use crate::lm::{
    LmError,
    rope::Rope,
    shape::{Activation, DecoderShape, Features, LayerAttention},
};

/// Consecutive tokens of one sequence among the rows of a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The sequence's slot in the key-value cache.
    pub slot: usize,
    /// Position of the first of these tokens in its sequence; all earlier positions are in the cache.
    pub start: usize,
    /// Number of tokens.
    pub len: usize,
}

/// The parameters of attention in the current decoder step; `V` is the backend's norm weight.
pub(crate) struct AttentionStep<'a, V> {
    pub shape: &'a DecoderShape,
    pub layer: LayerAttention,
    /// Weights of the norms on each head's queries and keys, if the family has them.
    pub qk_norm: Option<(&'a V, &'a V)>,
    /// Index of the step in the cache.
    pub step: usize,
}

/// Operations of a device.
///
/// Every operation is a function of each row alone: no result depends on which other rows are in the
/// batch. An `Err` means that memory ran out ([`LmError::Memory`]) or that the device failed.
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

    /// Most sequences that one thread decodes at once, unless the caller sets a number.
    const DEFAULT_BATCH: usize;
    /// Whether several threads may run at once. A device with one queue allows one.
    const PARALLEL: bool;

    /// Number of threads to use when the caller asks for `asked`; 0 means one per core.
    fn threads(asked: usize) -> usize {
        match asked {
            _ if !Self::PARALLEL => 1,
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            _ => asked,
        }
    }

    /// Whether several threads compute one product of this model faster than one thread does, for few rows.
    fn team_pays(&self, _shape: &DecoderShape) -> bool {
        false
    }
    /// Sets how many threads may work on one product: those that have no batch of their own.
    fn team(&self, _threads: usize) {}

    /// The fastest number of sequences to decode at once, at most `most`.
    fn batch_size(&self, shape: &DecoderShape, most: usize) -> usize;
    /// Most rows of a forward pass over prompts.
    fn prefill_rows(&self) -> usize;

    /// Makes room for a matrix whose outputs are the given parts, one after another; `bias` adds a bias to each.
    fn matrix(&self, outs: &[Features], ins: Features, bias: bool) -> Result<Self::Matrix, LmError>;
    /// Allocates the language-model head, whose outputs are the logits.
    fn head(&self, vocab: usize, hidden: usize) -> Result<Self::Matrix, LmError> {
        self.matrix(&[Features::one(vocab)], Features::one(hidden), false)
    }
    /// Writes part `part` of a matrix from a checked tensor `[out, in]`.
    fn write_matrix(&self, m: &mut Self::Matrix, part: usize, weight: &TensorView) -> Result<(), LmError>;
    /// Writes the bias of part `part` from a checked tensor `[out]`.
    fn write_bias(&self, m: &mut Self::Matrix, part: usize, bias: &TensorView) -> Result<(), LmError>;
    /// Allocates an embedding.
    fn table(&self, vocab: usize, hidden: usize) -> Result<Self::Table, LmError>;
    /// Writes an embedding from a checked tensor.
    fn write_table(&self, t: &mut Self::Table, weight: &TensorView) -> Result<(), LmError>;
    /// Allocates a norm's weight.
    fn vector(&self, len: usize) -> Result<Self::Vector, LmError>;
    /// Writes a norm's weight: a checked tensor's values plus `offset`.
    fn write_vector(&self, v: &mut Self::Vector, weight: &TensorView, offset: f32) -> Result<(), LmError>;

    /// Allocates a cache for `slots` sequences of at most `capacity` tokens through `steps` decoder steps,
    /// each of which rotates by one of `ropes`.
    fn cache(
        &self,
        shape: &DecoderShape,
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
    /// Copies positions `range` of slot `from` to slot `to` of the same cache; the two differ.
    fn copy_slot(
        &self,
        cache: &mut Self::Cache,
        from: usize,
        range: Range<usize>,
        to: usize,
    ) -> Result<(), LmError>;
    /// Bytes of the keys and values of one sequence.
    fn cache_bytes(&self, shape: &DecoderShape, steps: usize, capacity: usize) -> usize {
        [steps, 2 * shape.keys().total(), size_of::<f32>()].into_iter().fold(capacity, usize::saturating_mul)
    }
    /// Free bytes for caches, if the device reports them.
    fn free_bytes(&self) -> Option<usize> {
        None
    }

    /// `out = table[ids]`; every id is below the vocabulary's size.
    fn embed(&self, table: &Self::Table, ids: &[u32], out: &mut Self::Rows) -> Result<(), LmError>;
    /// The same where the embedding is the head's weight `[vocab, hidden]` (tied weights).
    fn embed_tied(&self, head: &Self::Matrix, ids: &[u32], out: &mut Self::Rows) -> Result<(), LmError>;
    /// Writes the rows of `x` from row `first` on: `values` are the rows, `width` each, one after another.
    fn write_rows(
        &self,
        x: &mut Self::Rows,
        first: usize,
        width: usize,
        values: &[f32],
    ) -> Result<(), LmError>;
    /// `x = (x + delta) · scale; out = x / rms(x) · weight`. An empty `delta` is skipped.
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
        attention: &AttentionStep<'_, Self::Vector>,
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
    fn softcap(&self, x: &mut Self::Rows, cap: f32) -> Result<(), LmError>;
    /// `out[i] = x[rows[i]]`.
    fn select(&self, x: &Self::Rows, rows: &[usize], out: &mut Self::Rows) -> Result<(), LmError>;
    /// For each row the index of its greatest value among the first `width`. Ties go to the lowest index; NaN counts as
    /// less than everything.
    fn argmax(&self, x: &Self::Rows, width: usize, out: &mut Vec<u32>) -> Result<(), LmError>;
    /// The features of each row, without the padding that a backend puts between blocks.
    fn read_features(&self, x: &Self::Rows, features: Features) -> Result<Vec<Vec<f32>>, LmError>;
    /// The first `width` values of each row, one row after another.
    fn read_into(&self, x: &Self::Rows, width: usize, out: &mut Vec<f32>) -> Result<(), LmError> {
        out.clear();
        self.read(x, width)?.iter().for_each(|row| out.extend_from_slice(row));
        Ok(())
    }
    /// The first `width` values of each row.
    fn read(&self, x: &Self::Rows, width: usize) -> Result<Vec<Vec<f32>>, LmError>;
}
