//! Doors for the benchmarks into kernels that are private otherwise.

use super::cpu;

/// A product of `rows` × `ins` activations with a weight `[outs, ins]`, ready to run again and
/// again.
pub fn product(rows: usize, ins: usize, outs: usize) -> impl FnMut() {
    cpu::product(rows, ins, outs)
}
