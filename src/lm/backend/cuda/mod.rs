//! The decoder's operations on a card: our own kernels around cuBLAS's matrix products.
//!
//! Weights, activations, keys and values are bfloat16, all sums f32; norms' weights, biases and logits are
//! f32. A step sends ids and positions once and brings back the chosen ids; nothing else crosses. Attention
//! reads grouped keys and values where they lie. In tests the same code and the same kernels run
//! on an [emulated](crate::gpu) card, in f32 too.
//!
//! The launches of a step are not recorded in a CUDA graph: at the sizes that want a GPU they are queued
//! far faster than they run.

mod cache;
mod device_weights;
mod kernels;
#[cfg(test)]
mod memory_tests;
mod rows;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::{Mutex, PoisonError};

pub(crate) use device_weights::{Make, Maker};

use cache::{Cache, sequence_bytes};
use kernels::{
    AddNorm, Argmax, Bias, Copy, Decode, Embed, Gate, Kernels, Made, Prefill, ROW, STRETCH, Select, Squeeze,
    TURN_HEADS, Turn, WIDE_ROW,
};
use rows::{Rows, Words};
use weights::{Matrix, Table, Vector};

use crate::checkpoint::TensorView;
use crate::gpu::{Driver, Fault, Format, Product};
use crate::lm::{
    LmError,
    backend::{Attention, Backend, Span},
    rope::Rope,
    shape::{Activation, Blocks, Shape},
};

/// Rows of a forward pass while prompts run: enough to keep the card's matrix units busy.
const PREFILL_ROWS: usize = 2048;

/// A card, with kernels for one shape of attention.
pub(crate) struct Gpu<D: Driver> {
    card: D,
    made: Made,
    kernels: Kernels<D>,
    scratch: Mutex<Scratch<D>>,
}

/// Ids and places of rows, on their way to the card and back.
struct Scratch<D: Driver> {
    ids: Words<D>,
    rows: Words<D>,
    chosen: Words<D>,
    /// Norms and biases that are made on the card, before they are widened.
    made: Words<D>,
}

/// A sequence's place in a cache, from a position on.
struct Place {
    slot: u32,
    start: u32,
}

/// What the copying kernel takes, but for how many positions.
fn between<D: Driver>(card: &D, (from, to): (&Cache<D>, &Cache<D>), places: &[Place; 2]) -> Copy {
    Copy {
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

pub(super) fn fault(fault: Fault) -> LmError {
    match fault {
        Fault::Memory { what, bytes } => LmError::Memory { what, bytes },
        Fault::Failed(why) => LmError::Backend(format!("GPU: {why}")),
    }
}

impl<D: Driver + Clone> Gpu<D> {
    /// Kernels for models of this shape of attention.
    pub fn new(card: &D, shape: &Shape) -> Result<Self, LmError> {
        let made = Made::of(shape);
        let kernels = Kernels::new(card, made).map_err(fault)?;
        let [ids, rows, chosen, made_here] = std::array::from_fn(|_| Words::default());
        let scratch = Scratch { ids, rows, chosen, made: made_here };
        Ok(Self { card: card.clone(), made, kernels, scratch: Mutex::new(scratch) })
    }
}

impl<D: Driver> Gpu<D> {
    /// Queues a kernel of this backend.
    fn launch<A: crate::gpu::Arguments>(
        &self,
        kernel: &D::Kernel,
        grid: [usize; 3],
        threads: u32,
        arguments: &A,
    ) -> Result<(), LmError> {
        // SAFETY: every address comes from a buffer that the caller has sized for the kernel, and freed
        // memory is given away only behind what was queued before.
        unsafe { self.card.launch(kernel, grid, threads, arguments) }.map_err(fault)
    }

    fn resize(&self, rows: &mut Rows<D>, count: usize, width: usize) -> Result<(), LmError> {
        rows.resize(&self.card, count, width, self.card.format())
    }

    /// Copies positions of one sequence to another, at every step of the decoder.
    fn copy(&self, cache: &Cache<D>, arguments: Copy) -> Result<(), LmError> {
        let stretches = (arguments.length as usize * self.made.pitch).div_ceil(STRETCH);
        let grid = [stretches, self.made.kv_heads, 2 * cache.steps];
        self.launch(&self.kernels.copy, grid, ROW, &arguments)
    }

    fn scratch(&self) -> std::sync::MutexGuard<'_, Scratch<D>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Driver> Backend for Gpu<D> {
    type Matrix = Matrix<D>;
    type Table = Table<D>;
    type Vector = Vector<D>;
    type Rows = Rows<D>;
    type Cache = Cache<D>;

    /// The weights are read once for all of them.
    fn batch(&self, _: &Shape, most: usize) -> usize {
        most
    }

    fn cache_bytes(&self, _: &Shape, steps: usize, capacity: usize) -> usize {
        sequence_bytes(self.made, self.card.format().size(), steps, capacity)
    }

    fn free_bytes(&self) -> Option<usize> {
        self.card.free().ok()
    }

    fn prefill_rows(&self) -> usize {
        PREFILL_ROWS
    }

    fn matrix(&self, outs: &[Blocks], ins: Blocks, bias: bool) -> Result<Matrix<D>, LmError> {
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

    fn tie(&self, table: &Table<D>, head: &mut Matrix<D>) -> Result<(), LmError> {
        head.weight = Some(std::sync::Arc::clone(&table.data));
        Ok(())
    }

    fn vector(&self, len: usize) -> Result<Vector<D>, LmError> {
        Vector::new(&self.card, len)
    }

    fn write_vector(&self, v: &mut Vector<D>, weight: &TensorView, offset: f32) -> Result<(), LmError> {
        v.write(&self.card, weight, offset)
    }

    fn cache(
        &self,
        _: &Shape,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Cache<D>, LmError> {
        Cache::new(&self.card, self.made, ropes, steps, slots, capacity)
    }

    fn copy_prefix(
        &self,
        from: &Cache<D>,
        len: usize,
        to: &mut Cache<D>,
        slot: usize,
    ) -> Result<(), LmError> {
        let length = len as u32;
        let whole = [Place { slot: 0, start: 0 }, Place { slot: slot as u32, start: 0 }];
        let arguments = Copy { length, ..between(&self.card, (from, to), &whole) };
        self.copy(from, arguments)
    }

    fn copy_slot(
        &self,
        cache: &mut Cache<D>,
        from: usize,
        range: std::ops::Range<usize>,
        to: usize,
    ) -> Result<(), LmError> {
        let start = range.start as u32;
        let places = [Place { slot: from as u32, start }, Place { slot: to as u32, start }];
        let length = range.len() as u32;
        let arguments = Copy { length, ..between(&self.card, (cache, cache), &places) };
        self.copy(cache, arguments)
    }

    fn embed(&self, table: &Table<D>, ids: &[u32], out: &mut Rows<D>) -> Result<(), LmError> {
        self.resize(out, ids.len(), table.hidden)?;
        let sent = self.scratch().ids.send(&self.card, ids.iter().copied())?;
        let arguments = Embed {
            table: self.card.address(&table.data),
            ids: sent,
            out: out.address(&self.card),
            width: table.hidden as u32,
            unused: 0,
        };
        self.launch(&self.kernels.embed, [ids.len(), 1, 1], ROW, &arguments)
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
        let arguments = AddNorm {
            x: x.address(&self.card),
            delta: if delta.is_empty() { 0 } else { delta.address(&self.card) },
            weight: self.card.address(&weight.data),
            out: out.address(&self.card),
            width: x.width as u32,
            scale,
            eps,
            unused: 0,
        };
        self.launch(&self.kernels.add_norm, [x.count, 1, 1], WIDE_ROW, &arguments)
    }

    fn linear(&self, x: &Rows<D>, m: &Matrix<D>, out: &mut Rows<D>) -> Result<(), LmError> {
        let Some(weight) = &m.weight else {
            return Err(LmError::Backend("a head was used before it was written".to_owned()));
        };
        out.resize(&self.card, x.count, m.outs, m.made)?;
        let product = Product {
            m: m.outs,
            n: x.count,
            k: m.ins,
            a: self.card.address(weight),
            b: x.address(&self.card),
            c: out.address(&self.card),
            given: self.card.format(),
            made: m.made,
        };
        // SAFETY: the weight is `[outs, ins]`, the rows `[count, ins]`, the result was just sized.
        unsafe { self.card.multiply(&product) }.map_err(fault)?;
        let Some(bias) = &m.bias else { return Ok(()) };
        let (x, bias) = (out.address(&self.card), self.card.address(bias));
        let arguments = Bias { x, bias, width: m.outs as u32, unused: 0 };
        self.launch(&self.kernels.add_bias, [out.count, 1, 1], ROW, &arguments)
    }

    fn attend(
        &self,
        layer: &Attention<'_, Vector<D>>,
        qkv: &mut Rows<D>,
        cache: &mut Cache<D>,
        spans: &[Span],
        out: &mut Rows<D>,
    ) -> Result<(), LmError> {
        let (card, made, shape) = (&self.card, self.made, layer.shape);
        self.resize(out, qkv.count, made.heads * made.dim)?;
        let sent = cache.send(card, spans)?;
        let (keys, values) = cache.step(card, layer.step);
        let (half, cos, sin) = &cache.turns[layer.view.rotation];
        let norm = |norm: Option<&Vector<D>>| norm.map_or(0, |v| card.address(&v.data));
        let (qkv, out) = (qkv.address(card), out.address(card));
        let capacity = cache.capacity as u32;
        let arguments = Turn {
            qkv,
            keys,
            values,
            cos: card.address(cos),
            sin: card.address(sin),
            places: sent.places,
            query_norm: norm(layer.qk_norm.map(|n| n.0)),
            key_norm: norm(layer.qk_norm.map(|n| n.1)),
            capacity,
            half: *half as u32,
            eps: shape.eps,
            unused: 0,
        };
        let blocks = (made.heads + 2 * made.kv_heads).div_ceil(TURN_HEADS);
        self.launch(&self.kernels.turn, [sent.rows, blocks, 1], ROW, &arguments)?;

        let (scale, cap) = (shape.score_scale, shape.score_cap.unwrap_or(0.0));
        let window = layer.view.window.map_or(0, |w| w.min(u32::MAX as usize) as u32);
        if sent.tile_count == 0 {
            let places = sent.places;
            let arguments = Decode { qkv, keys, values, places, out, capacity, window, scale, cap };
            let grid = [sent.rows, made.kv_heads, made.group().div_ceil(made.tile)];
            self.launch(&self.kernels.decode, grid, ROW, &arguments)
        } else {
            let tiles = sent.tiles;
            let arguments = Prefill { qkv, keys, values, tiles, out, capacity, window, scale, cap };
            self.launch(&self.kernels.prefill, [sent.tile_count, made.heads, 1], ROW, &arguments)
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
        let arguments = Gate {
            x: gate_up.address(&self.card),
            out: out.address(&self.card),
            width: width as u32,
            activation: activation as u32,
        };
        self.launch(&self.kernels.gate, [out.count, width.div_ceil(STRETCH), 1], ROW, &arguments)
    }

    fn squeeze(&self, x: &mut Rows<D>, cap: f32) -> Result<(), LmError> {
        let count = x.count * x.width;
        let arguments = Squeeze { x: x.address(&self.card), count: count as u64, cap, unused: 0 };
        self.launch(&self.kernels.squeeze, [count.div_ceil(WIDE_ROW as usize), 1, 1], WIDE_ROW, &arguments)
    }

    fn select(&self, x: &Rows<D>, rows: &[usize], out: &mut Rows<D>) -> Result<(), LmError> {
        self.resize(out, rows.len(), x.width)?;
        let sent = self.scratch().rows.send(&self.card, rows.iter().map(|i| *i as u32))?;
        let arguments = Select {
            x: x.address(&self.card),
            rows: sent,
            out: out.address(&self.card),
            width: x.width as u32,
            unused: 0,
        };
        self.launch(&self.kernels.select, [rows.len(), 1, 1], ROW, &arguments)
    }

    fn argmax(&self, x: &Rows<D>, width: usize, out: &mut Vec<u32>) -> Result<(), LmError> {
        debug_assert!(x.format == Format::F32, "logits are f32");
        let mut scratch = self.scratch();
        let chosen = scratch.chosen.room(&self.card, x.count)?;
        let arguments = Argmax {
            x: x.address(&self.card),
            out: self.card.address(chosen),
            stride: x.width as u32,
            width: width as u32,
        };
        self.launch(&self.kernels.argmax, [x.count, 1, 1], WIDE_ROW, &arguments)?;
        let mut bytes = vec![0; 4 * x.count];
        self.card.download(chosen, 0, &mut bytes).map_err(fault)?;
        out.clear();
        out.extend(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)));
        Ok(())
    }

    fn read_blocks(&self, x: &Rows<D>, blocks: Blocks) -> Result<Vec<Vec<f32>>, LmError> {
        x.read(&self.card, blocks.features())
    }

    fn read(&self, x: &Rows<D>, width: usize) -> Result<Vec<Vec<f32>>, LmError> {
        x.read(&self.card, width)
    }
}
