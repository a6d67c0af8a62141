//! The CPU's key-value cache, with the cosines and sines that rotate queries and keys. `attention` reads and writes it.
//!
//! Head-major: the keys (values) of one sequence at one step and head are contiguous. Keys are stored in blocks of 16
//! positions, feature by feature, so that one vector holds a feature of 16 positions and scores need no horizontal
//! sums. Values are stored position by position.

use super::simd::{LANES, Line, lines};
use super::zeroed::zeros;
use crate::lm::{LmError, rope::Rope, shape::DecoderShape};

/// Number of rotated pairs, and their cosines and sines, `[capacity][pairs]`.
pub(crate) type RotaryTable = (usize, (Vec<f32>, Vec<f32>));

/// Keys and values of `slots` sequences.
pub(crate) struct Cache {
    /// `[step][slot][kv head][block of 16 positions][head_dim]` lines, one lane per position.
    pub keys: Vec<Line>,
    /// `[step][slot][kv head][position][value_lines]`.
    pub values: Vec<Line>,
    /// One entry for each rotation of the decoder.
    pub rotations: Vec<RotaryTable>,
    /// Scratch: attention scores of the heads being computed.
    pub scores: Vec<Line>,
    slots: usize,
    steps: usize,
    kv_heads: usize,
    /// Features of 16 positions a sequence has room for.
    pub blocks: usize,
    pub head_dim: usize,
    /// Lines of one value.
    pub value_lines: usize,
}

impl Cache {
    pub fn new(
        shape: &DecoderShape,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Self, LmError> {
        let (blocks, value_lines) = (lines(capacity), lines(shape.head_dim));
        let sequences = [steps, slots, shape.kv_heads].into_iter().fold(blocks, usize::saturating_mul);
        Ok(Self {
            keys: zeros("the key cache", sequences.saturating_mul(shape.head_dim))?,
            values: zeros("the value cache", sequences.saturating_mul(LANES * value_lines))?,
            rotations: ropes.iter().map(|rope| (rope.half(), rope.tables(capacity))).collect(),
            scores: zeros("attention scores", shape.heads / shape.kv_heads * blocks)?,
            slots,
            steps,
            kv_heads: shape.kv_heads,
            blocks,
            head_dim: shape.head_dim,
            value_lines,
        })
    }

    /// Index where the keys of a sequence's head begin.
    pub fn key_at(&self, step: usize, slot: usize, head: usize) -> usize {
        assert!(step < self.steps && slot < self.slots && head < self.kv_heads);
        ((step * self.slots + slot) * self.kv_heads + head) * self.blocks * self.head_dim
    }

    /// Index where the values of a sequence's head begin.
    pub fn value_at(&self, step: usize, slot: usize, head: usize) -> usize {
        assert!(step < self.steps && slot < self.slots && head < self.kv_heads);
        ((step * self.slots + slot) * self.kv_heads + head) * self.blocks * LANES * self.value_lines
    }

    /// Bytes of one sequence of `capacity` tokens.
    pub fn bytes(shape: &DecoderShape, steps: usize, capacity: usize) -> usize {
        let position = LANES * (shape.head_dim + LANES * lines(shape.head_dim)) * size_of::<f32>();
        [steps, shape.kv_heads, position].into_iter().fold(lines(capacity), usize::saturating_mul)
    }

    /// Copies positions `range` of one slot into another.
    pub fn copy_slot(&mut self, from: usize, range: &std::ops::Range<usize>, to: usize) {
        let (dim, width) = (self.head_dim, self.value_lines);
        let (block0, block1) = (range.start / LANES, lines(range.end));
        for step in 0..self.steps {
            for head in 0..self.kv_heads {
                let (at, to_at) = (self.key_at(step, from, head), self.key_at(step, to, head));
                self.keys.copy_within(at + block0 * dim..at + block1 * dim, to_at + block0 * dim);
                let (at, to_at) = (self.value_at(step, from, head), self.value_at(step, to, head));
                let values = at + range.start * width..at + range.end * width;
                self.values.copy_within(values, to_at + range.start * width);
            }
        }
    }

    /// Copies the first `len` positions of slot 0 of `from` to a slot.
    pub fn copy_prefix(&mut self, from: &Self, len: usize, slot: usize) {
        let (key_lines, value_lines) = (lines(len) * self.head_dim, len * self.value_lines);
        // A buffer kept from a longer path has more steps than this path.
        for step in 0..self.steps.min(from.steps) {
            for head in 0..self.kv_heads {
                let (to, at) = (self.key_at(step, slot, head), from.key_at(step, 0, head));
                self.keys[to..to + key_lines].copy_from_slice(&from.keys[at..at + key_lines]);
                let (to, at) = (self.value_at(step, slot, head), from.value_at(step, 0, head));
                self.values[to..to + value_lines].copy_from_slice(&from.values[at..at + value_lines]);
            }
        }
    }
}
