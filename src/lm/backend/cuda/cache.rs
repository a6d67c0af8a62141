//! Keys and values of the sequences in flight, and where a step's rows stand among them.

use super::{fault, kernels::Made, kernels::TILE_ROWS, rows::Words};
use crate::gpu::Driver;
use crate::lm::{LmError, backend::Span, rope::Rope};

pub(crate) struct Cache<D: Driver> {
    /// `[step][keys, values][slot][kv head][capacity][pitch]`.
    pub data: D::Buffer,
    /// Of each rotation the pairs that turn, and their cosines and sines, f32 `[capacity][pairs]`.
    pub turns: Vec<(usize, D::Buffer, D::Buffer)>,
    pub steps: usize,
    pub slots: usize,
    pub capacity: usize,
    /// Bytes of one step's keys (or values).
    plane: usize,
    /// The spans that were sent last, and where their places and tiles lie.
    spans: Vec<Span>,
    sent: Sent,
    places: Words<D>,
    tiles: Words<D>,
}

/// Where a step's rows stand, on the card.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    /// Slot and position of each row.
    pub places: u64,
    /// First row, rows, slot and first position of each tile; none where every sequence has one row.
    pub tiles: u64,
    pub tile_count: usize,
    pub rows: usize,
}

/// Bytes of keys and values of one sequence.
pub(super) fn sequence_bytes(made: Made, number: usize, steps: usize, capacity: usize) -> usize {
    [2, steps, made.kv_heads, capacity, made.pitch].into_iter().fold(number, usize::saturating_mul)
}

impl<D: Driver> Cache<D> {
    pub fn new(
        card: &D,
        made: Made,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Self, LmError> {
        let size = card.format().size();
        let bytes = sequence_bytes(made, size, steps, capacity).saturating_mul(slots);
        let table = |values: Vec<f32>| {
            let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            let table = card.alloc("rotations", bytes.len())?;
            card.upload(&bytes, &table, 0)?;
            Ok(table)
        };
        let turn = |rope: &Rope| {
            let (cos, sin) = rope.tables(capacity);
            Ok((rope.half(), table(cos).map_err(fault)?, table(sin).map_err(fault)?))
        };
        Ok(Self {
            data: card.alloc("the key and value cache", bytes).map_err(fault)?,
            turns: ropes.iter().map(turn).collect::<Result<_, LmError>>()?,
            steps,
            slots,
            capacity,
            plane: slots * made.kv_heads * capacity * made.pitch * size,
            spans: Vec::new(),
            sent: Sent::default(),
            places: Words::default(),
            tiles: Words::default(),
        })
    }

    /// Where a step's keys and its values begin.
    pub fn step(&self, card: &D, step: usize) -> (u64, u64) {
        let keys = card.address(&self.data) + (2 * step * self.plane) as u64;
        (keys, keys + self.plane as u64)
    }

    /// Sends where the rows of `spans` stand, unless that was sent last.
    pub fn send(&mut self, card: &D, spans: &[Span]) -> Result<Sent, LmError> {
        if self.spans == spans {
            return Ok(self.sent);
        }
        self.spans.clear();
        let each = |s: &Span| {
            let (slot, start) = (s.slot as u32, s.start as u32);
            (0..s.len as u32).flat_map(move |i| [slot, start + i])
        };
        let places = self.places.send(card, spans.iter().flat_map(each))?;
        let mut tiles = Vec::new();
        let mut row = 0;
        if spans.iter().any(|s| s.len != 1) {
            for span in spans {
                for at in (0..span.len).step_by(TILE_ROWS) {
                    let count = TILE_ROWS.min(span.len - at);
                    tiles.extend([row + at, count, span.slot, span.start + at].map(|n| n as u32));
                }
                row += span.len;
            }
        }
        let tile_count = tiles.len() / 4;
        let rows = spans.iter().map(|s| s.len).sum();
        let tiles = if tile_count > 0 { self.tiles.send(card, tiles.into_iter())? } else { 0 };
        self.sent = Sent { places, tiles, tile_count, rows };
        self.spans.extend_from_slice(spans);
        Ok(self.sent)
    }
}
