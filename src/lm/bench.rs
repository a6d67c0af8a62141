//! Doors for the benchmarks into kernels that are private otherwise.

use super::cpu;

/// A product of `rows` × `ins` activations with a weight `[outs, ins]`, ready to run again and
/// again.
pub fn product(rows: usize, ins: usize, outs: usize) -> impl FnMut() {
    cpu::product(rows, ins, outs)
}

/// Attention of one new token of each of `sequences` sequences over `context` positions in
/// `steps` layers' worth of cache, in the bundled zoo's shape (3 heads on 1, of 32).
pub fn attention(sequences: usize, context: usize, steps: usize) -> impl FnMut() {
    cpu::attention(sequences, context, steps)
}
