//! Activations, norms' weights and embeddings, all in whole lines. `matmul`, `attention` and `rowwise` read them.

use super::format::{Format, read_narrow};
use super::matrix::PANEL;
use super::simd::{Isa, Kernel, Line, Simd, floats, floats_mut, halves, halves_mut, lines};
use super::zeroed::zeros;
use crate::checkpoint::TensorView;
use crate::lm::LmError;

/// An embedding that is not tied to the head: `[vocab]` rows, in the number format in which it is stored.
pub(crate) struct Table {
    /// Empty until it is written.
    data: Vec<Line>,
    format: Format,
    vocab: usize,
    pub width: usize,
}

impl Table {
    pub const fn new(vocab: usize, width: usize) -> Self {
        Self { data: Vec::new(), format: Format::F32, vocab, width }
    }

    /// Lines of a row.
    const fn row_lines(width: usize, format: Format) -> usize {
        lines(width * format.size() / size_of::<f32>())
    }

    /// Bytes of an embedding.
    pub const fn bytes(vocab: usize, width: usize, format: Format) -> usize {
        vocab.saturating_mul(Self::row_lines(width, format)).saturating_mul(size_of::<Line>())
    }

    /// Writes all rows from a checked tensor.
    pub fn write(&mut self, weight: &TensorView, rounds: bool) -> Result<(), LmError> {
        let format = Format::of(weight.dtype, rounds);
        let row_lines = Self::row_lines(self.width, format);
        if self.data.is_empty() || format != self.format {
            self.data = Vec::new();
            self.data = zeros("weights", self.vocab.saturating_mul(row_lines))?;
            self.format = format;
        }
        for (i, row) in self.data.chunks_exact_mut(row_lines).enumerate() {
            match format {
                Format::F32 => weight.read_f32(i * self.width, &mut floats_mut(row)[..self.width]),
                narrow => read_narrow(weight, narrow, i * self.width, &mut halves_mut(row)[..self.width]),
            }
        }
        Ok(())
    }

    /// Lines that it holds.
    #[cfg(test)]
    pub const fn held(&self) -> usize {
        self.data.len()
    }

    /// Row `i` as f32.
    pub fn read(&self, i: usize, to: &mut [f32]) {
        let row_lines = Self::row_lines(self.width, self.format);
        let row = &self.data[i * row_lines..][..row_lines];
        match self.format {
            Format::F32 => to.copy_from_slice(&floats(row)[..self.width]),
            narrow => to.iter_mut().zip(halves(row)).for_each(|(to, bits)| *to = narrow.widened(*bits)),
        }
    }
}

/// A norm's weight.
pub(crate) struct Vector {
    pub data: Vec<Line>,
    pub width: usize,
}

/// Activations: one row per token.
#[derive(Default)]
pub(crate) struct Rows {
    pub data: Vec<Line>,
    /// Rows in use.
    pub n: usize,
    /// Lines from one row to the next. The number is odd, so that rows do not share cache sets.
    pub stride: usize,
}

impl Rows {
    /// Makes room for `n` rows of `lines` lines. Their values are undefined.
    pub fn resize(&mut self, n: usize, lines: usize) {
        self.n = n;
        self.stride = lines.next_multiple_of(PANEL) + 1;
        if self.data.len() < n * self.stride {
            self.data.resize(n * self.stride, Line::ZERO);
        }
    }

    /// Lines of row `i`.
    pub fn row(&self, i: usize) -> &[Line] {
        &self.data[i * self.stride..(i + 1) * self.stride]
    }

    /// Lines of row `i`, writable.
    pub fn row_mut(&mut self, i: usize) -> &mut [Line] {
        &mut self.data[i * self.stride..(i + 1) * self.stride]
    }

    /// Rounds the first `lines` lines of every row to bfloat16.
    pub fn round(&mut self, isa: Isa, lines: usize) {
        isa.run(Round { rows: self, lines });
    }

    /// Values of row `i`.
    pub fn values(&self, i: usize) -> &[f32] {
        floats(self.row(i))
    }
}

struct Round<'a> {
    rows: &'a mut Rows,
    lines: usize,
}

impl Kernel for Round<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for i in 0..self.rows.n {
            for line in &mut self.rows.row_mut(i)[..self.lines] {
                s.store(s.to_bf16(s.load(line)), line);
            }
        }
    }
}
