//! The CPU backend: our own f32 kernels, one thread per call, no allocation once buffers have grown.
//!
//! In: weights of any float dtype, packed once, and rows of activations. Out: rows. Each output is a fixed chain of
//! operations over its own row, so every result is the same to the bit for any batch, any neighbours and any
//! instruction set.

// A kernel is compiled for the instruction set of the function into which it is inlined.
#![allow(clippy::inline_always)]

pub(in crate::lm) mod attention;
pub(in crate::lm) mod cache;
pub(in crate::lm) mod matmul;
pub(in crate::lm) mod matrix;
pub(in crate::lm) mod packed;
mod rowwise;
pub(in crate::lm) mod simd;

use cache::Cache;
use matrix::{Matrix, Rows, Table, Vector, zeros};
use simd::Isa;
use simd::{LANES, floats, floats_mut, lines};

use crate::checkpoint::TensorView;
use crate::lm::{
    LmError,
    backend::{AttentionStep, Backend, Span},
    rope::Rope,
    shape::{Activation, DecoderShape, Features},
};

/// Weights with at most this many bytes stay in the last-level cache.
const FITS_IN_CACHE: usize = 8 << 20;
/// Rows of the tallest tile of the matrix product.
const TALLEST_TILE: usize = 12;

/// The CPU backend.
pub(crate) struct Cpu {
    isa: Isa,
    /// Rounds weights and activations to bfloat16 where a card does.
    rounds: bool,
}

impl Cpu {
    /// With the best instruction set of this machine.
    pub fn new() -> Self {
        Self::with(Isa::detect())
    }

    /// With this instruction set.
    pub const fn with(isa: Isa) -> Self {
        Self { isa, rounds: false }
    }

    /// As [`Self::new`], in bfloat16.
    pub fn rounding() -> Self {
        Self { rounds: true, ..Self::new() }
    }
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

    /// Few enough rows that activations stay in the second-level cache, enough rows that one read of the weights serves
    /// many.
    fn prefill_rows(&self) -> usize {
        192
    }

    fn matrix(&self, outs: &[Features], ins: Features, bias: bool) -> Result<Matrix, LmError> {
        Matrix::new(outs, ins, bias)
    }

    fn write_matrix(&self, m: &mut Matrix, part: usize, weight: &TensorView) -> Result<(), LmError> {
        m.write(part, |out, row| weight.read_f32(out * row.len(), row));
        Ok(())
    }

    fn write_bias(&self, m: &mut Matrix, part: usize, bias: &TensorView) -> Result<(), LmError> {
        let mut values = vec![0.0; bias.shape.iter().product()];
        bias.read_f32(0, &mut values);
        m.write_bias(part, &values);
        Ok(())
    }

    fn table(&self, vocab: usize, hidden: usize) -> Result<Table, LmError> {
        Ok(Table { data: zeros("weights", vocab.saturating_mul(lines(hidden)))?, width: hidden })
    }

    fn write_table(&self, t: &mut Table, weight: &TensorView) -> Result<(), LmError> {
        let width = t.width;
        for (i, row) in t.data.chunks_exact_mut(lines(width)).enumerate() {
            weight.read_f32(i * width, &mut floats_mut(row)[..width]);
        }
        Ok(())
    }

    fn tie(&self, table: &Table, head: &mut Matrix) -> Result<(), LmError> {
        let stride = lines(table.width) * LANES;
        let data = floats(&table.data);
        head.write(0, |out, row| row.copy_from_slice(&data[out * stride..out * stride + row.len()]));
        Ok(())
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
        let n = lines(table.width);
        out.resize(ids.len(), n);
        for (i, id) in ids.iter().enumerate() {
            out.row_mut(i)[..n].copy_from_slice(&table.data[*id as usize * n..][..n]);
        }
        Ok(())
    }

    fn write_rows(&self, x: &mut Rows, first: usize, width: usize, values: &[f32]) -> Result<(), LmError> {
        for (i, row) in values.chunks_exact(width).enumerate() {
            floats_mut(x.row_mut(first + i))[..width].copy_from_slice(row);
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
        rowwise::add_norm(self.isa, x, delta, scale, &weight.data, weight.width, eps, out);
        Ok(())
    }

    fn linear(&self, x: &Rows, m: &Matrix, out: &mut Rows) -> Result<(), LmError> {
        matmul::matmul(self.isa, x, m, out);
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
        attention::attend(self.isa, attention, qkv, cache, spans, out);
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
