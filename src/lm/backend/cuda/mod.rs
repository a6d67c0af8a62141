//! The CUDA backend: our own kernels around cuBLAS's matrix products, over a [`Driver`].
//!
//! Weights, activations, keys and values are bfloat16; sums, norm weights, biases and logits are f32. A step uploads
//! ids and positions once and reads back the chosen ids; nothing else crosses the bus. Attention reads grouped keys and
//! values in place. Tests run the same code and the same kernels on an [emulated](crate::gpu) card, in bfloat16 and in
//! f32.
//!
//! The launches of a step are not recorded in a CUDA graph: for models large enough to need a GPU, launches are queued
//! much faster than they run.
//!
//! `operations` implements the backend's trait; `kernels` compiles the `.cu` files and defines the arguments of each
//! kernel; `weights`, `rows` and `cache` hold the memory; `device_weights` lets a merge write weights on the card.

mod cache;
mod device_weights;
mod kernels;
#[cfg(test)]
mod memory_tests;
mod operations;
mod rows;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::{Mutex, PoisonError};

pub(crate) use device_weights::DeviceWeights;

use cache::Cache;
use kernels::{AttentionShape, CopyArgs, EmbedArgs, Kernels, NUMBERS_PER_BLOCK, THREADS};
use rows::{Rows, WordBuffer};

use crate::gpu::{Arguments, Driver, Fault};
use crate::lm::{LmError, shape::DecoderShape};

/// A card, with kernels compiled for one model's heads.
pub(crate) struct Cuda<D: Driver> {
    card: D,
    heads: AttentionShape,
    kernels: Kernels<D>,
    scratch: Mutex<Scratch<D>>,
}

/// Staging buffers for numbers sent to the card and read back.
struct Scratch<D: Driver> {
    ids: WordBuffer<D>,
    rows: WordBuffer<D>,
    chosen: WordBuffer<D>,
    /// Norms and biases that a merge made on the card as bfloat16, before they are widened to f32.
    narrow: WordBuffer<D>,
}

/// Bytes of the keys and values of one sequence of `capacity` tokens; `number` is the size of a number in bytes.
pub(in crate::lm) fn cache_bytes(
    shape: &DecoderShape,
    number: usize,
    steps: usize,
    capacity: usize,
) -> usize {
    cache::sequence_bytes(AttentionShape::of(shape), number, steps, capacity)
}

/// Converts a card's failure to an error of this room.
fn fault(fault: Fault) -> LmError {
    match fault {
        Fault::Memory { what, bytes } => LmError::Memory { what, bytes },
        Fault::Failed(why) => LmError::Backend(format!("GPU: {why}")),
    }
}

impl<D: Driver + Clone> Cuda<D> {
    /// Compiles the kernels for models with these heads.
    pub fn new(card: &D, shape: &DecoderShape) -> Result<Self, LmError> {
        let heads = AttentionShape::of(shape);
        let kernels = Kernels::new(card, heads).map_err(fault)?;
        let [ids, rows, chosen, narrow] = std::array::from_fn(|_| WordBuffer::default());
        let scratch = Scratch { ids, rows, chosen, narrow };
        Ok(Self { card: card.clone(), heads, kernels, scratch: Mutex::new(scratch) })
    }
}

impl<D: Driver> Cuda<D> {
    /// Queues a kernel of this backend.
    fn launch<A: Arguments>(
        &self,
        kernel: &D::Kernel,
        grid: [usize; 3],
        threads: u32,
        arguments: &A,
    ) -> Result<(), LmError> {
        // SAFETY: all callers are in this module and take every address from a buffer that they have sized for the
        // kernel. A buffer that is freed meanwhile is reused only after the work queued before.
        unsafe { self.card.launch(kernel, grid, threads, arguments) }.map_err(fault)
    }

    fn resize(&self, rows: &mut Rows<D>, count: usize, width: usize) -> Result<(), LmError> {
        rows.resize(&self.card, count, width, self.card.format())
    }

    /// Copies positions of one sequence to another, at every step of the decoder.
    /// `out = table[ids]` for the table at this address.
    fn embed_from(&self, table: u64, width: usize, ids: &[u32], out: &mut Rows<D>) -> Result<(), LmError> {
        self.resize(out, ids.len(), width)?;
        let sent = self.scratch().ids.send(&self.card, ids.iter().copied())?;
        let out = out.address(&self.card);
        let arguments = EmbedArgs { table, ids: sent, out, width: width as u32, unused: 0 };
        self.launch(&self.kernels.embed, [ids.len(), 1, 1], THREADS, &arguments)
    }

    fn copy(&self, cache: &Cache<D>, arguments: CopyArgs) -> Result<(), LmError> {
        let blocks = (arguments.length as usize * self.heads.pitch).div_ceil(NUMBERS_PER_BLOCK);
        let grid = [blocks, self.heads.kv_heads, 2 * cache.steps];
        self.launch(&self.kernels.copy, grid, THREADS, &arguments)
    }

    fn scratch(&self) -> std::sync::MutexGuard<'_, Scratch<D>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
