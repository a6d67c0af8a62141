//! How the threads of a generation share the work: each has a batch of its own, or several compute each product of one
//! batch together. `generate` and `likelihood` call it.

use crate::lm::backend::Backend;
use crate::lm::model::Model;

/// Sequences that a batch needs for its thread to compute for as long as it reads weights from memory.
const ENOUGH: usize = 12;

/// Batches that run at the same time, at least one. The threads that are left over help with the products of each.
///
/// `sequences` are to be run, at most `batch` of them at once by a thread. Fewer than [`ENOUGH`] for each thread are
/// put into fewer batches if that pays: then the weights are read once for all of them.
pub(super) fn batches<B: Backend>(model: &Model<B>, threads: usize, sequences: usize, batch: usize) -> usize {
    let threads = B::threads(threads);
    let batches = count(threads, sequences, batch, model.backend.team_pays(&model.shape));
    model.backend.team(threads / batches);
    batches
}

/// As [`batches`]; `pays` says whether threads may share the products of a batch.
pub(in crate::lm) fn count(threads: usize, sequences: usize, batch: usize, pays: bool) -> usize {
    let few = sequences < ENOUGH * threads && batch >= sequences;
    let batches = if few && pays { sequences / ENOUGH } else { sequences };
    batches.clamp(1, threads.max(1))
}

/// Lets all threads help with what runs alone.
pub(super) fn alone<B: Backend>(model: &Model<B>, threads: usize) {
    model.backend.team(if model.backend.team_pays(&model.shape) { B::threads(threads) } else { 1 });
}
