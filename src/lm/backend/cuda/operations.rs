//! The operations of the CUDA backend: each is a kernel launch or a cuBLAS product.
//!
//! In and out: buffers on the card. `model` calls it.

use std::ops::Range;

use super::cache::{Cache, sequence_bytes};
use super::kernels::{
    AddNormArgs, ArgmaxArgs, BiasArgs, CopyArgs, DecodeArgs, GateArgs, NUMBERS_PER_BLOCK, PrefillArgs,
    ROTATE_HEADS, RotateArgs, SelectArgs, SoftcapArgs, THREADS, WIDE_THREADS,
};
use super::rows::Rows;
use super::weights::{Matrix, Table, Vector};
use super::{Cuda, fault};
use crate::checkpoint::TensorView;
use crate::gpu::{Driver, Format, Product};
use crate::lm::{
    LmError,
    backend::{AttentionStep, Backend, Span},
    rope::Rope,
    shape::{Activation, DecoderShape, Features},
};

/// Rows of a forward pass over prompts: enough to keep the card's matrix units busy.
const PREFILL_ROWS: usize = 2048;

/// A sequence's slot in a cache, and the position at which a copy starts.
struct CachePlace {
    slot: u32,
    start: u32,
}

/// Arguments of the copying kernel, with no positions set yet.
fn copy_args<D: Driver>(card: &D, (from, to): (&Cache<D>, &Cache<D>), places: &[CachePlace; 2]) -> CopyArgs {
    CopyArgs {
        from: card.address(&from.data),
        to: card.address(&to.data),
        from_capacity: from.capacity as u32,
        to_capacity: to.capacity as u32,
        from_slots: from.slots as u32,
        to_slots: to.slots as u32,
        from_slot: places[0].slot,
        to_slot: places[1].slot,
        start: places[0].start,
        length: 0,
    }
}

impl<D: Driver> Backend for Cuda<D> {
    type Matrix = Matrix<D>;
    type Table = Table<D>;
    type Vector = Vector<D>;
    type Rows = Rows<D>;
    type Cache = Cache<D>;

    /// A step reads the weights once for all sequences, so only memory limits their number.
    const DEFAULT_BATCH: usize = 1024;
    const PARALLEL: bool = false;

    fn batch_size(&self, _: &DecoderShape, most: usize) -> usize {
        most
    }

    fn cache_bytes(&self, _: &DecoderShape, steps: usize, capacity: usize) -> usize {
        sequence_bytes(self.heads, self.card.format().size(), steps, capacity)
    }

    fn free_bytes(&self) -> Option<usize> {
        self.card.free().ok()
    }

    fn prefill_rows(&self) -> usize {
        PREFILL_ROWS
    }

    fn matrix(&self, outs: &[Features], ins: Features, bias: bool) -> Result<Matrix<D>, LmError> {
        Matrix::new(&self.card, outs, ins, bias)
    }

    fn head(&self, vocab: usize, hidden: usize) -> Result<Matrix<D>, LmError> {
        Ok(Matrix::head(vocab, hidden))
    }

    fn write_matrix(&self, m: &mut Matrix<D>, part: usize, weight: &TensorView) -> Result<(), LmError> {
        m.write(&self.card, part, weight)
    }

    fn write_bias(&self, m: &mut Matrix<D>, part: usize, bias: &TensorView) -> Result<(), LmError> {
        m.write_bias(&self.card, part, bias)
    }

    fn table(&self, vocab: usize, hidden: usize) -> Result<Table<D>, LmError> {
        Table::new(&self.card, vocab, hidden)
    }

    fn write_table(&self, t: &mut Table<D>, weight: &TensorView) -> Result<(), LmError> {
        t.write(&self.card, weight)
    }

    fn vector(&self, len: usize) -> Result<Vector<D>, LmError> {
        Vector::new(&self.card, len)
    }

    fn write_vector(&self, v: &mut Vector<D>, weight: &TensorView, offset: f32) -> Result<(), LmError> {
        v.write(&self.card, weight, offset)
    }

    fn cache(
        &self,
        _: &DecoderShape,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Cache<D>, LmError> {
        Cache::new(&self.card, self.heads, ropes, steps, slots, capacity)
    }

    fn copy_prefix(
        &self,
        from: &Cache<D>,
        len: usize,
        to: &mut Cache<D>,
        slot: usize,
    ) -> Result<(), LmError> {
        let length = len as u32;
        let whole = [CachePlace { slot: 0, start: 0 }, CachePlace { slot: slot as u32, start: 0 }];
        let arguments = CopyArgs { length, ..copy_args(&self.card, (from, to), &whole) };
        self.copy(from, arguments)
    }

    fn copy_slot(
        &self,
        cache: &mut Cache<D>,
        from: usize,
        range: Range<usize>,
        to: usize,
    ) -> Result<(), LmError> {
        let start = range.start as u32;
        let places = [CachePlace { slot: from as u32, start }, CachePlace { slot: to as u32, start }];
        let length = range.len() as u32;
        let arguments = CopyArgs { length, ..copy_args(&self.card, (cache, cache), &places) };
        self.copy(cache, arguments)
    }

    fn embed(&self, table: &Table<D>, ids: &[u32], out: &mut Rows<D>) -> Result<(), LmError> {
        self.embed_from(self.card.address(&table.data), table.hidden, ids, out)
    }

    fn embed_tied(&self, head: &Matrix<D>, ids: &[u32], out: &mut Rows<D>) -> Result<(), LmError> {
        self.embed_from(self.card.address(head.written()?), head.ins, ids, out)
    }

    fn write_rows(&self, x: &mut Rows<D>, first: usize, width: usize, values: &[f32]) -> Result<(), LmError> {
        x.write(&self.card, first, width, values)
    }

    fn add_norm(
        &self,
        x: &mut Rows<D>,
        delta: &Rows<D>,
        scale: f32,
        weight: &Vector<D>,
        eps: f32,
        out: &mut Rows<D>,
    ) -> Result<(), LmError> {
        self.resize(out, x.count, x.width)?;
        let arguments = AddNormArgs {
            x: x.address(&self.card),
            delta: if delta.is_empty() { 0 } else { delta.address(&self.card) },
            weight: self.card.address(&weight.data),
            out: out.address(&self.card),
            width: x.width as u32,
            scale,
            eps,
            unused: 0,
        };
        self.launch(&self.kernels.add_norm, [x.count, 1, 1], WIDE_THREADS, &arguments)
    }

    fn linear(&self, x: &Rows<D>, m: &Matrix<D>, out: &mut Rows<D>) -> Result<(), LmError> {
        let weight = m.written()?;
        out.resize(&self.card, x.count, m.outs, m.output)?;
        let product = Product {
            m: m.outs,
            n: x.count,
            k: m.ins,
            a: self.card.address(weight),
            b: x.address(&self.card),
            c: out.address(&self.card),
            input: self.card.format(),
            output: m.output,
        };
        // SAFETY: the weight is `[outs, ins]`, the rows `[count, ins]`, the result was just sized.
        unsafe { self.card.multiply(&product) }.map_err(fault)?;
        let Some(bias) = &m.bias else { return Ok(()) };
        let (x, bias) = (out.address(&self.card), self.card.address(bias));
        let arguments = BiasArgs { x, bias, width: m.outs as u32, unused: 0 };
        self.launch(&self.kernels.add_bias, [out.count, 1, 1], THREADS, &arguments)
    }

    fn attend(
        &self,
        attention: &AttentionStep<'_, Vector<D>>,
        qkv: &mut Rows<D>,
        cache: &mut Cache<D>,
        spans: &[Span],
        out: &mut Rows<D>,
    ) -> Result<(), LmError> {
        let (card, heads, shape) = (&self.card, self.heads, attention.shape);
        self.resize(out, qkv.count, heads.heads * heads.dim)?;
        let sent = cache.send(card, spans)?;
        let (keys, values) = cache.step(card, attention.step);
        let (half, cos, sin) = &cache.rotations[attention.layer.rotation];
        let norm = |norm: Option<&Vector<D>>| norm.map_or(0, |v| card.address(&v.data));
        let (qkv, out) = (qkv.address(card), out.address(card));
        let capacity = cache.capacity as u32;
        let arguments = RotateArgs {
            qkv,
            keys,
            values,
            cos: card.address(cos),
            sin: card.address(sin),
            places: sent.places,
            query_norm: norm(attention.qk_norm.map(|n| n.0)),
            key_norm: norm(attention.qk_norm.map(|n| n.1)),
            capacity,
            half: *half as u32,
            eps: shape.eps,
            unused: 0,
        };
        let blocks = (heads.heads + 2 * heads.kv_heads).div_ceil(ROTATE_HEADS);
        self.launch(&self.kernels.rotate, [sent.rows, blocks, 1], THREADS, &arguments)?;

        let (scale, cap) = (shape.score_scale, shape.score_cap.unwrap_or(0.0));
        let window = attention.layer.window.map_or(0, |w| w.min(u32::MAX as usize) as u32);
        if sent.tile_count == 0 {
            let places = sent.places;
            let arguments = DecodeArgs { qkv, keys, values, places, out, capacity, window, scale, cap };
            let grid = [sent.rows, heads.kv_heads, heads.group().div_ceil(heads.tile)];
            self.launch(&self.kernels.decode, grid, THREADS, &arguments)
        } else {
            let tiles = sent.tiles;
            let arguments = PrefillArgs { qkv, keys, values, tiles, out, capacity, window, scale, cap };
            self.launch(&self.kernels.prefill, [sent.tile_count, heads.heads, 1], THREADS, &arguments)
        }
    }

    fn gate(
        &self,
        gate_up: &Rows<D>,
        width: usize,
        activation: Activation,
        out: &mut Rows<D>,
    ) -> Result<(), LmError> {
        self.resize(out, gate_up.count, width)?;
        let arguments = GateArgs {
            x: gate_up.address(&self.card),
            out: out.address(&self.card),
            width: width as u32,
            activation: activation as u32,
        };
        self.launch(
            &self.kernels.gate,
            [out.count, width.div_ceil(NUMBERS_PER_BLOCK), 1],
            THREADS,
            &arguments,
        )
    }

    fn softcap(&self, x: &mut Rows<D>, cap: f32) -> Result<(), LmError> {
        let count = x.count * x.width;
        let arguments = SoftcapArgs { x: x.address(&self.card), count: count as u64, cap, unused: 0 };
        self.launch(
            &self.kernels.softcap,
            [count.div_ceil(WIDE_THREADS as usize), 1, 1],
            WIDE_THREADS,
            &arguments,
        )
    }

    fn select(&self, x: &Rows<D>, rows: &[usize], out: &mut Rows<D>) -> Result<(), LmError> {
        self.resize(out, rows.len(), x.width)?;
        let sent = self.scratch().rows.send(&self.card, rows.iter().map(|i| *i as u32))?;
        let arguments = SelectArgs {
            x: x.address(&self.card),
            rows: sent,
            out: out.address(&self.card),
            width: x.width as u32,
            unused: 0,
        };
        self.launch(&self.kernels.select, [rows.len(), 1, 1], THREADS, &arguments)
    }

    fn argmax(&self, x: &Rows<D>, width: usize, out: &mut Vec<u32>) -> Result<(), LmError> {
        debug_assert!(x.format == Format::F32, "logits are f32");
        let mut scratch = self.scratch();
        let chosen = scratch.chosen.room(&self.card, x.count)?;
        let arguments = ArgmaxArgs {
            x: x.address(&self.card),
            out: self.card.address(chosen),
            stride: x.width as u32,
            width: width as u32,
        };
        self.launch(&self.kernels.argmax, [x.count, 1, 1], WIDE_THREADS, &arguments)?;
        let mut bytes = vec![0; 4 * x.count];
        self.card.download(chosen, 0, &mut bytes).map_err(fault)?;
        out.clear();
        out.extend(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)));
        Ok(())
    }

    fn read_features(&self, x: &Rows<D>, features: Features) -> Result<Vec<Vec<f32>>, LmError> {
        x.read(&self.card, features.total())
    }

    fn read(&self, x: &Rows<D>, width: usize) -> Result<Vec<Vec<f32>>, LmError> {
        x.read(&self.card, width)
    }
}
