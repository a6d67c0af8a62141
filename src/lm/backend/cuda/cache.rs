//! The card's key-value cache, and the slots and positions of a step's rows, which are uploaded to the card.
//! `operations` uses both.

use super::fault;
use super::kernels::{AttentionShape, PREFILL_TILE_ROWS};
use super::rows::WordBuffer;
use crate::gpu::Driver;
use crate::lm::{LmError, backend::Span, rope::Rope};

/// Keys and values of `slots` sequences, with cosines and sines.
pub(crate) struct Cache<D: Driver> {
    /// `[step][keys, values][slot][kv head][capacity][pitch]`.
    pub data: D::Buffer,
    /// For each rotation: the number of rotated pairs, and their cosines and sines, f32 `[capacity][pairs]`.
    pub rotations: Vec<(usize, D::Buffer, D::Buffer)>,
    pub steps: usize,
    pub slots: usize,
    pub capacity: usize,
    /// Bytes of one step's keys (or values).
    plane: usize,
    /// The spans uploaded last, and their address on the card.
    spans: Vec<Span>,
    sent: SentRows,
    places: WordBuffer<D>,
    tiles: WordBuffer<D>,
}

/// Addresses of the uploaded data about a step's rows.
#[derive(Clone, Copy, Default)]
pub(crate) struct SentRows {
    /// Slot and position of each row.
    pub places: u64,
    /// First row, number of rows, slot and first position of each tile; no tiles if every sequence has one row.
    pub tiles: u64,
    pub tile_count: usize,
    pub rows: usize,
}

/// Bytes of the keys and values of one sequence of `capacity` tokens; `number` is the size of a number in bytes.
pub(super) fn sequence_bytes(heads: AttentionShape, number: usize, steps: usize, capacity: usize) -> usize {
    [2, steps, heads.kv_heads, capacity, heads.pitch].into_iter().fold(number, usize::saturating_mul)
}

impl<D: Driver> Cache<D> {
    pub fn new(
        card: &D,
        heads: AttentionShape,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Self, LmError> {
        let size = card.format().size();
        let bytes = sequence_bytes(heads, size, steps, capacity).saturating_mul(slots);
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
            rotations: ropes.iter().map(turn).collect::<Result<_, LmError>>()?,
            steps,
            slots,
            capacity,
            plane: slots * heads.kv_heads * capacity * heads.pitch * size,
            spans: Vec::new(),
            sent: SentRows::default(),
            places: WordBuffer::default(),
            tiles: WordBuffer::default(),
        })
    }

    /// Addresses of a step's keys and of its values.
    pub fn step(&self, card: &D, step: usize) -> (u64, u64) {
        let keys = card.address(&self.data) + (2 * step * self.plane) as u64;
        (keys, keys + self.plane as u64)
    }

    /// Uploads slot and position of the rows of `spans`, unless these were uploaded last.
    pub fn send(&mut self, card: &D, spans: &[Span]) -> Result<SentRows, LmError> {
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
                for at in (0..span.len).step_by(PREFILL_TILE_ROWS) {
                    let count = PREFILL_TILE_ROWS.min(span.len - at);
                    tiles.extend([row + at, count, span.slot, span.start + at].map(|n| n as u32));
                }
                row += span.len;
            }
        }
        let tile_count = tiles.len() / 4;
        let rows = spans.iter().map(|s| s.len).sum();
        let tiles = if tile_count > 0 { self.tiles.send(card, tiles.into_iter())? } else { 0 };
        self.sent = SentRows { places, tiles, tile_count, rows };
        self.spans.extend_from_slice(spans);
        Ok(self.sent)
    }
}
