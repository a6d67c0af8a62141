//! Activations on a card: buffers that grow and are reused from step to step.

use super::fault;
use crate::gpu::{Driver, Format};
use crate::lm::LmError;

/// `[count, width]` numbers.
pub(crate) struct Rows<D: Driver> {
    pub data: Option<D::Buffer>,
    pub count: usize,
    pub width: usize,
    pub format: Format,
}

impl<D: Driver> Default for Rows<D> {
    fn default() -> Self {
        Self { data: None, count: 0, width: 0, format: Format::F32 }
    }
}

impl<D: Driver> Rows<D> {
    /// Makes room for `count` rows. Their values are undefined.
    pub fn resize(&mut self, card: &D, count: usize, width: usize, format: Format) -> Result<(), LmError> {
        let bytes = count * width * format.size();
        if self.data.as_ref().is_none_or(|data| card.bytes(data) < bytes) {
            // The old buffer is freed first: there may not be room for both.
            self.data = None;
            self.data = Some(card.alloc("activations", bytes).map_err(fault)?);
        }
        (self.count, self.width, self.format) = (count, width, format);
        Ok(())
    }

    pub const fn is_empty(&self) -> bool {
        self.data.is_none()
    }

    /// Address of the numbers; 0 without a buffer.
    pub fn address(&self, card: &D) -> u64 {
        self.data.as_ref().map_or(0, |data| card.address(data))
    }

    /// Writes `values`, whole rows of `width`, from row `first` on, in the rows' number format.
    pub fn write(&self, card: &D, first: usize, width: usize, values: &[f32]) -> Result<(), LmError> {
        let Some(data) = &self.data else { return Ok(()) };
        let bytes: Vec<u8> = match self.format {
            Format::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Format::BF16 => values.iter().flat_map(|x| half::bf16::from_f32(*x).to_le_bytes()).collect(),
        };
        card.upload(&bytes, data, first * width * self.format.size()).map_err(fault)
    }

    /// The first `width` values of each row.
    pub fn read(&self, card: &D, width: usize) -> Result<Vec<Vec<f32>>, LmError> {
        let Some(data) = &self.data else { return Ok(Vec::new()) };
        let mut bytes = vec![0; self.count * self.width * self.format.size()];
        card.download(data, 0, &mut bytes).map_err(fault)?;
        let values: Vec<f32> = match self.format {
            Format::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Format::BF16 => {
                bytes.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
            }
        };
        Ok(values.chunks_exact(self.width).map(|row| row[..width].to_vec()).collect())
    }
}

/// A buffer for 32-bit words that are uploaded once per step.
pub(crate) struct WordBuffer<D: Driver>(Option<D::Buffer>);

impl<D: Driver> Default for WordBuffer<D> {
    fn default() -> Self {
        Self(None)
    }
}

impl<D: Driver> WordBuffer<D> {
    /// The buffer, with room for `count` words.
    pub fn room(&mut self, card: &D, count: usize) -> Result<&D::Buffer, LmError> {
        let fits = self.0.as_ref().is_some_and(|buffer| card.bytes(buffer) >= count * 4);
        if !fits {
            self.0 = None;
        }
        match &mut self.0 {
            Some(buffer) => Ok(buffer),
            none => Ok(none.insert(card.alloc("activations", (count * 4).max(1024)).map_err(fault)?)),
        }
    }

    /// Uploads words; returns their address.
    pub fn send(&mut self, card: &D, words: impl Iterator<Item = u32>) -> Result<u64, LmError> {
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let buffer = self.room(card, bytes.len() / 4)?;
        card.upload(&bytes, buffer, 0).map_err(fault)?;
        Ok(card.address(buffer))
    }
}
