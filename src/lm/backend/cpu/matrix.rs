//! Weights packed for the matrix kernel, and activations. Tensors come in; `matmul` and the row kernels read the
//! result.
//!
//! A weight `[out, in]` is packed into *panels* of 32 output features: for each input feature the 32 weights
//! that multiply it, on two cache lines. Each block of features (a head, a part of a fused projection) is
//! padded to whole lines with zeros, so that two heads never share a vector.

use super::simd::{LANES, Line, floats, floats_mut, lines};
use crate::lm::{LmError, shape::Features};

/// Lines of a panel for one input feature.
pub(crate) const PANEL: usize = 2;

/// A packed weight.
pub(crate) struct Matrix {
    /// `[panels][depth][PANEL]` lines.
    pub panels: Vec<Line>,
    /// Input features, padding included.
    pub depth: usize,
    /// Output lines, a multiple of [`PANEL`].
    pub out_lines: usize,
    /// `[out_lines]`.
    pub bias: Option<Vec<Line>>,
    outs: Vec<Features>,
    ins: Features,
}

/// Number of lines on one side of a matrix, with each block padded to whole lines.
pub(crate) const fn padded(features: Features) -> usize {
    features.blocks * lines(features.width)
}

impl Matrix {
    pub fn new(outs: &[Features], ins: Features, bias: bool) -> Result<Self, LmError> {
        let out_lines = outs.iter().map(|b| padded(*b)).sum::<usize>().next_multiple_of(PANEL);
        let depth = padded(ins) * LANES;
        Ok(Self {
            panels: zeros("weights", out_lines * depth)?,
            depth,
            out_lines,
            bias: if bias { Some(zeros("weights", out_lines)?) } else { None },
            outs: outs.to_vec(),
            ins,
        })
    }

    /// Packs part `part`; `rows` writes the weights of one output, `[in]`.
    pub fn write<'a>(&mut self, part: usize, rows: impl Fn(usize, &mut [f32]) + 'a) {
        let first = self.outs[..part].iter().map(|b| padded(*b)).sum::<usize>() * LANES;
        let (outs, ins) = (self.outs[part], self.ins);
        let mut row = vec![0.0; ins.total()];
        let panels = floats_mut(&mut self.panels);
        for out in 0..outs.total() {
            rows(out, &mut row);
            let place = first + out / outs.width * lines(outs.width) * LANES + out % outs.width;
            let (panel, lane) = (place / (PANEL * LANES), place % (PANEL * LANES));
            let column = &mut panels[panel * self.depth * PANEL * LANES + lane..];
            for (block, values) in row.chunks_exact(ins.width).enumerate() {
                let k = block * lines(ins.width) * LANES;
                let places = column[k * PANEL * LANES..].iter_mut().step_by(PANEL * LANES);
                places.zip(values).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Writes the bias of part `part`.
    pub fn write_bias(&mut self, part: usize, values: &[f32]) {
        let first = self.outs[..part].iter().map(|b| padded(*b)).sum::<usize>() * LANES;
        let width = self.outs[part].width;
        if let Some(bias) = &mut self.bias {
            let bias = &mut floats_mut(bias)[first..];
            for (block, values) in values.chunks_exact(width).enumerate() {
                let at = block * lines(width) * LANES;
                bias[at..at + width].copy_from_slice(values);
            }
        }
    }
}

/// An embedding: `[vocab]` rows of whole lines.
pub(crate) struct Table {
    pub data: Vec<Line>,
    pub width: usize,
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

    /// Values of row `i`.
    pub fn values(&self, i: usize) -> &[f32] {
        floats(self.row(i))
    }
}

/// `n` zeroed lines, or an error if there is no memory for them.
#[allow(clippy::cast_ptr_alignment)] // The layout asks for a line's alignment.
pub(crate) fn zeros(what: &'static str, n: usize) -> Result<Vec<Line>, LmError> {
    let bytes = n.saturating_mul(size_of::<Line>());
    let layout = std::alloc::Layout::array::<Line>(n).map_err(|_| LmError::Memory { what, bytes })?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // Zeroed pages are not touched at first, so a cache only uses memory where it is written.
    // SAFETY: the layout's size is above zero; all-zero bytes are a valid `Line`; the box takes over an
    // allocation of exactly its layout.
    unsafe {
        let start = std::alloc::alloc_zeroed(layout).cast::<Line>();
        if start.is_null() {
            return Err(LmError::Memory { what, bytes });
        }
        Ok(Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, n)).into_vec())
    }
}
