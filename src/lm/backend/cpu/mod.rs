//! The CPU backend: our own kernels, one thread per call, no allocation once buffers have grown.
//!
//! In: weights of any float dtype, packed once in that dtype, and rows of activations in float32. Out: rows. Each output
//! is a fixed chain of operations over its own row, so every result is the same to the bit for any batch, any neighbours
//! and any instruction set. In bfloat16 ([`Cpu::rounding`]) weights and activations are rounded where a card stores them.

// A kernel is compiled for the instruction set of the function into which it is inlined.
#![allow(clippy::inline_always)]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
pub(in crate::lm) mod attention;
pub(in crate::lm) mod cache;
pub(in crate::lm) mod format;
mod inner;
pub(in crate::lm) mod matmul;
pub(in crate::lm) mod matrix;
pub(in crate::lm) mod packed;
pub(in crate::lm) mod rows;
mod rowwise;
pub(in crate::lm) mod simd;
mod zeroed;

use std::sync::atomic::{AtomicUsize, Ordering};

use cache::Cache;
use matmul::How;
use matrix::{Matrix, padded};
use rows::{Rows, Table, Vector};
use simd::{Isa, LANES, Line, floats_mut, lines};
use zeroed::zeros;

use crate::checkpoint::TensorView;
use crate::lm::{
    LmError,
    backend::{AttentionStep, Backend, Span},
    rope::Rope,
    shape::{Activation, DecoderShape, Features},
};

/// Weights with at most this many bytes stay in the last-level cache.
const FITS_IN_CACHE: usize = 8 << 20;
/// A model with more parameters reads its weights for longer than threads take to meet after each product.
const WORTH_SHARING: usize = 16 << 20;
/// Rows of the tallest tile of the matrix product.
const TALLEST_TILE: usize = 12;

/// The instructions by which this CPU multiplies in bfloat16.
pub(crate) fn bf16_instructions() -> &'static str {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if amx::order().is_some() {
        return "AMX tiles";
    }
    match Isa::detect() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(_, Some(_)) => "AVX512-BF16",
        _ => "widening to f32",
    }
}

/// The CPU backend.
pub(crate) struct Cpu {
    isa: Isa,
    /// Rounds weights and activations to bfloat16 where a card does.
    rounds: bool,
    /// Uses the tiles of AMX, where there are any.
    tiles: bool,
    /// Threads that may work on one product.
    team: AtomicUsize,
}

impl Cpu {
    /// In float32.
    pub fn new() -> Self {
        Self::with(Isa::detect(), false)
    }

    /// In bfloat16.
    pub fn rounding() -> Self {
        Self { tiles: true, ..Self::with(Isa::detect(), true) }
    }

    /// With this instruction set, without tiles.
    pub const fn with(isa: Isa, rounds: bool) -> Self {
        Self { isa, rounds, tiles: false, team: AtomicUsize::new(1) }
    }

    /// Rounds the first `lines` lines of each row, where this backend rounds.
    fn round(&self, rows: &mut Rows, lines: usize) {
        if self.rounds {
            rows.round(self.isa, lines);
        }
    }
}

/// The first `width` values of a row that is written anew; the padding of its last line becomes zero.
fn fresh_row(rows: &mut Rows, i: usize, width: usize) -> &mut [f32] {
    let row = rows.row_mut(i);
    row[lines(width) - 1] = Line::ZERO;
    &mut floats_mut(row)[..width]
}

impl Backend for Cpu {
    type Matrix = Matrix;
    type Table = Table;
    type Vector = Vector;
    type Rows = Rows;
    type Cache = Cache;

    const DEFAULT_BATCH: usize = 128;
    const PARALLEL: bool = true;

    /// A model whose weights stay in the cache gains nothing from a large batch; with a small batch, keys and values
    /// stay in the cache too. With the bundled zoo's shape, 12 sequences decode 1.5 times as fast as 128. A larger
    /// model reads its weights from memory, once for all sequences of the batch.
    fn batch_size(&self, shape: &DecoderShape, most: usize) -> usize {
        if shape.parameters() * size_of::<f32>() <= FITS_IN_CACHE { most.min(TALLEST_TILE) } else { most }
    }

    fn team_pays(&self, shape: &DecoderShape) -> bool {
        shape.parameters() > WORTH_SHARING
    }

    fn team(&self, threads: usize) {
        self.team.store(threads, Ordering::Relaxed);
    }

    /// Few enough rows that activations stay in the second-level cache, enough rows that one read of the weights serves
    /// many.
    fn prefill_rows(&self) -> usize {
        192
    }

    fn matrix(&self, outs: &[Features], ins: Features, bias: bool) -> Result<Matrix, LmError> {
        Matrix::new(outs, ins, bias)
    }

    fn head(&self, vocab: usize, hidden: usize) -> Result<Matrix, LmError> {
        let mut head = Matrix::new(&[Features::one(vocab)], Features::one(hidden), false)?;
        head.rounds = false;
        Ok(head)
    }

    fn write_matrix(&self, m: &mut Matrix, part: usize, weight: &TensorView) -> Result<(), LmError> {
        m.write(part, weight, self.rounds)
    }

    fn write_bias(&self, m: &mut Matrix, part: usize, bias: &TensorView) -> Result<(), LmError> {
        let mut values = vec![0.0; bias.shape.iter().product()];
        bias.read_f32(0, &mut values);
        m.write_bias(part, &values);
        Ok(())
    }

    fn table(&self, vocab: usize, hidden: usize) -> Result<Table, LmError> {
        Ok(Table::new(vocab, hidden))
    }

    fn write_table(&self, t: &mut Table, weight: &TensorView) -> Result<(), LmError> {
        t.write(weight, self.rounds)
    }

    fn vector(&self, len: usize) -> Result<Vector, LmError> {
        Ok(Vector { data: zeros("weights", lines(len))?, width: len })
    }

    fn write_vector(&self, v: &mut Vector, weight: &TensorView, offset: f32) -> Result<(), LmError> {
        let values = &mut floats_mut(&mut v.data)[..v.width];
        weight.read_f32(0, values);
        for w in values {
            *w += offset;
        }
        Ok(())
    }

    fn cache(
        &self,
        shape: &DecoderShape,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Cache, LmError> {
        Cache::new(shape, ropes, steps, slots, capacity)
    }

    fn copy_prefix(&self, from: &Cache, len: usize, to: &mut Cache, slot: usize) -> Result<(), LmError> {
        to.copy_prefix(from, len, slot);
        Ok(())
    }

    fn copy_slot(
        &self,
        cache: &mut Cache,
        from: usize,
        range: std::ops::Range<usize>,
        to: usize,
    ) -> Result<(), LmError> {
        cache.copy_slot(from, &range, to);
        Ok(())
    }

    fn cache_bytes(&self, shape: &DecoderShape, steps: usize, capacity: usize) -> usize {
        Cache::bytes(shape, steps, capacity)
    }

    fn free_bytes(&self) -> Option<usize> {
        crate::memory::free().and_then(|free| usize::try_from(free.bytes).ok())
    }

    fn embed(&self, table: &Table, ids: &[u32], out: &mut Rows) -> Result<(), LmError> {
        out.resize(ids.len(), lines(table.width));
        for (i, id) in ids.iter().enumerate() {
            let row = fresh_row(out, i, table.width);
            table.read(*id as usize, row);
        }
        Ok(())
    }

    fn embed_tied(&self, head: &Matrix, ids: &[u32], out: &mut Rows) -> Result<(), LmError> {
        let width = head.width();
        out.resize(ids.len(), lines(width));
        for (i, id) in ids.iter().enumerate() {
            let row = fresh_row(out, i, width);
            head.read_row(*id as usize, row);
        }
        Ok(())
    }

    fn write_rows(&self, x: &mut Rows, first: usize, width: usize, values: &[f32]) -> Result<(), LmError> {
        for (i, row) in values.chunks_exact(width).enumerate() {
            let to = &mut floats_mut(x.row_mut(first + i))[..width];
            to.copy_from_slice(row);
            if self.rounds {
                for x in to {
                    *x = half::bf16::from_f32(*x).to_f32();
                }
            }
        }
        Ok(())
    }

    fn add_norm(
        &self,
        x: &mut Rows,
        delta: &Rows,
        scale: f32,
        weight: &Vector,
        eps: f32,
        out: &mut Rows,
    ) -> Result<(), LmError> {
        let n = lines(weight.width);
        rowwise::add(self.isa, x, delta, scale, n);
        self.round(x, n);
        rowwise::norm(self.isa, x, &weight.data, weight.width, eps, out);
        self.round(out, n);
        Ok(())
    }

    fn linear(&self, x: &Rows, m: &Matrix, out: &mut Rows) -> Result<(), LmError> {
        let how = How { isa: self.isa, team: self.team.load(Ordering::Relaxed), tiles: self.tiles };
        if !self.rounds {
            matmul::matmul(&how, x, m, out);
            return Ok(());
        }
        matmul::matmul_bf16(&how, x, m, out);
        if m.rounds {
            self.round(out, m.out_lines);
        }
        // As on a card, which stores the product before it adds the bias.
        if let Some(bias) = &m.bias {
            rowwise::add_bias(self.isa, out, bias);
            self.round(out, m.out_lines);
        }
        Ok(())
    }

    fn attend(
        &self,
        attention: &AttentionStep<'_, Vector>,
        qkv: &mut Rows,
        cache: &mut Cache,
        spans: &[Span],
        out: &mut Rows,
    ) -> Result<(), LmError> {
        attention::attend(self.isa, attention, qkv, cache, spans, self.rounds, out);
        self.round(out, padded(attention.shape.queries()));
        Ok(())
    }

    fn gate(
        &self,
        gate_up: &Rows,
        width: usize,
        activation: Activation,
        out: &mut Rows,
    ) -> Result<(), LmError> {
        rowwise::gate(self.isa, gate_up, width, activation, out);
        self.round(out, lines(width));
        Ok(())
    }

    fn softcap(&self, x: &mut Rows, cap: f32) -> Result<(), LmError> {
        rowwise::softcap(self.isa, x, cap);
        Ok(())
    }

    fn select(&self, x: &Rows, rows: &[usize], out: &mut Rows) -> Result<(), LmError> {
        out.resize(rows.len(), x.stride - 1);
        for (i, from) in rows.iter().enumerate() {
            out.row_mut(i).copy_from_slice(x.row(*from));
        }
        Ok(())
    }

    fn argmax(&self, x: &Rows, width: usize, out: &mut Vec<u32>) -> Result<(), LmError> {
        rowwise::argmax(self.isa, x, width, out);
        Ok(())
    }

    fn read_features(&self, x: &Rows, features: Features) -> Result<Vec<Vec<f32>>, LmError> {
        let stride = lines(features.width) * LANES;
        let block = |row: &[f32], i: usize| row[i * stride..][..features.width].to_vec();
        let row = |i: usize| (0..features.blocks).flat_map(|b| block(x.values(i), b)).collect();
        Ok((0..x.n).map(row).collect())
    }

    fn read_into(&self, x: &Rows, width: usize, out: &mut Vec<f32>) -> Result<(), LmError> {
        out.clear();
        (0..x.n).for_each(|i| out.extend_from_slice(&x.values(i)[..width]));
        Ok(())
    }

    fn read(&self, x: &Rows, width: usize) -> Result<Vec<Vec<f32>>, LmError> {
        Ok((0..x.n).map(|i| x.values(i)[..width].to_vec()).collect())
    }
}
