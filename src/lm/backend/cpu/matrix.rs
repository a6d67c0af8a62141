//! Weights packed for the matrix kernel, in the number format in which they are stored. Tensors come in; `matmul`
//! reads the result.
//!
//! A weight `[out, in]` is packed into *panels* of 32 output features. In float32 a panel holds, for each input
//! feature, the 32 weights that multiply it, on two lines. In a 16-bit format it holds, for each *pair* of input
//! features, 32 pairs of weights, on two lines: the even feature's weight is the low half. Each block of features (a
//! head, a part of a fused projection) is padded to whole lines with zeros, so that two heads never share a vector.

use std::ops::Range;

use rayon::prelude::*;

use super::format::{AT_ONCE, Format, read_narrow};
use super::simd::{LANES, Line, floats_mut, halves, halves_mut, lines};
use super::zeroed::zeros;
use crate::checkpoint::TensorView;
use crate::lm::{LmError, shape::Features};

/// Lines of a panel for one input feature, or for a pair of them.
pub(crate) const PANEL: usize = 2;
/// Output features of a panel.
const OUTS: usize = PANEL * LANES;
/// A weight with fewer numbers is packed on one thread.
const LARGE: usize = 1 << 18;

/// A packed weight.
pub(crate) struct Matrix {
    /// Empty until a part is written. `[panels][depth][PANEL]` lines in float32, else `[panels][depth / 2][PANEL]`.
    pub panels: Vec<Line>,
    pub format: Format,
    /// Input features, the padding of their blocks included.
    pub depth: usize,
    /// Output lines, a multiple of [`PANEL`].
    pub out_lines: usize,
    /// `[out_lines]`.
    pub bias: Option<Vec<Line>>,
    /// Whether the outputs are rounded to bfloat16 where the backend rounds.
    pub rounds: bool,
    outs: Vec<Features>,
    ins: Features,
}

/// Number of lines on one side of a matrix, with each block padded to whole lines.
pub(crate) const fn padded(features: Features) -> usize {
    features.blocks * lines(features.width)
}

/// Output lines of a matrix.
fn out_lines(outs: &[Features]) -> usize {
    outs.iter().map(|b| padded(*b)).sum::<usize>().next_multiple_of(PANEL)
}

/// Bytes of a packed weight without its bias.
pub(crate) fn packed_bytes(outs: &[Features], ins: Features, format: Format) -> usize {
    let depth = format.depth(padded(ins) * LANES);
    [LANES, depth, format.size()].into_iter().fold(out_lines(outs), usize::saturating_mul)
}

impl Matrix {
    pub fn new(outs: &[Features], ins: Features, bias: bool) -> Result<Self, LmError> {
        let out_lines = out_lines(outs);
        Ok(Self {
            panels: Vec::new(),
            format: Format::F32,
            depth: padded(ins) * LANES,
            out_lines,
            bias: if bias { Some(zeros("weights", out_lines)?) } else { None },
            rounds: true,
            outs: outs.to_vec(),
            ins,
        })
    }

    /// Input features.
    pub const fn width(&self) -> usize {
        self.ins.total()
    }

    /// Lines of a panel.
    pub const fn panel_lines(&self) -> usize {
        self.format.depth(self.depth) * PANEL * self.format.size() / size_of::<f32>()
    }

    /// Packs part `part` from a checked tensor `[out, in]`; `rounds` says whether all weights become bfloat16.
    pub fn write(&mut self, part: usize, weight: &TensorView, rounds: bool) -> Result<(), LmError> {
        self.make_room(Format::of(weight.dtype, rounds))?;
        let first = self.outs[..part].iter().map(|b| padded(*b)).sum::<usize>() * LANES;
        let (outs, ins, format) = (self.outs[part], self.ins, self.format);
        let stride = lines(outs.width) * LANES;
        let end = first + outs.blocks * stride;
        let panel_lines = self.panel_lines();
        // The output of a lane of a panel, if it is one of this part.
        let output = |place: usize| {
            let inside = (first..end).contains(&place) && (place - first) % stride < outs.width;
            inside.then(|| (place - first) / stride * outs.width + (place - first) % stride)
        };
        let pack = |(panel, to): (usize, &mut [Line])| {
            let lanes: Vec<(usize, usize)> =
                (0..OUTS).filter_map(|lane| Some((lane, output(panel * OUTS + lane)?))).collect();
            for (block, at) in
                (0..ins.blocks).flat_map(|b| (0..ins.width).step_by(AT_ONCE).map(move |at| (b, at)))
            {
                let (n, k) = (AT_ONCE.min(ins.width - at), block * lines(ins.width) * LANES + at);
                for &(lane, out) in &lanes {
                    let from = out * ins.total() + block * ins.width + at;
                    pack_weights(to, format, (lane, k), weight, from..from + n);
                }
            }
        };
        let panels = first / OUTS..end.div_ceil(OUTS);
        let to = &mut self.panels[panels.start * panel_lines..panels.end * panel_lines];
        if weight.len() < LARGE {
            panels.zip(to.chunks_exact_mut(panel_lines)).for_each(pack);
        } else {
            panels.into_par_iter().zip(to.par_chunks_exact_mut(panel_lines)).for_each(pack);
        }
        Ok(())
    }

    /// Allocates the panels before the first part is written. A part of another type widens the other parts.
    fn make_room(&mut self, format: Format) -> Result<(), LmError> {
        if self.panels.is_empty() || (self.outs.len() == 1 && format != self.format) {
            self.panels = Vec::new();
            self.format = format;
            self.panels = zeros("weights", self.out_lines / PANEL * self.panel_lines())?;
            return Ok(());
        }
        if format == self.format || self.format == Format::F32 {
            return Ok(());
        }
        let wide = zeros("weights", self.out_lines * self.depth)?;
        let (old, from) = (std::mem::replace(&mut self.panels, wide), self.format);
        let old_lines = old.len() / (self.out_lines / PANEL);
        self.format = Format::F32;
        let panel_lines = self.panel_lines();
        for (old, new) in old.chunks_exact(old_lines).zip(self.panels.chunks_exact_mut(panel_lines)) {
            for (lane, k) in (0..OUTS).flat_map(|lane| (0..self.depth).map(move |k| (lane, k))) {
                floats_mut(new)[k * OUTS + lane] = from.widened(halves(old)[narrow_place(lane, k)]);
            }
        }
        Ok(())
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

    /// The weights of output `out` of a matrix with one part: an embedding that is tied to the head.
    pub fn read_row(&self, out: usize, to: &mut [f32]) {
        let panel = &self.panels[out / OUTS * self.panel_lines()..][..self.panel_lines()];
        let lane = out % OUTS;
        match self.format {
            Format::F32 => to
                .iter_mut()
                .enumerate()
                .for_each(|(k, to)| *to = panel[k * PANEL + lane / LANES].0[lane % LANES]),
            format => {
                let panel = halves(panel);
                to.iter_mut()
                    .enumerate()
                    .for_each(|(k, to)| *to = format.widened(panel[narrow_place(lane, k)]));
            }
        }
    }
}

/// Index of a weight among the 16-bit numbers of a panel.
const fn narrow_place(lane: usize, k: usize) -> usize {
    (k / 2 * OUTS + lane) * 2 + k % 2
}

/// Packs at most [`AT_ONCE`] weights of one output, elements `from` of the tensor, at a lane and an input feature.
fn pack_weights(
    panel: &mut [Line],
    format: Format,
    (lane, k): (usize, usize),
    weight: &TensorView,
    from: Range<usize>,
) {
    let n = from.len();
    if format == Format::F32 {
        let mut values = [0.0; AT_ONCE];
        weight.read_f32(from.start, &mut values[..n]);
        let to = floats_mut(panel)[k * OUTS + lane..].iter_mut().step_by(OUTS);
        to.zip(&values[..n]).for_each(|(to, value)| *to = *value);
    } else {
        let mut values = [0; AT_ONCE];
        read_narrow(weight, format, from.start, &mut values[..n]);
        let panel = halves_mut(panel);
        for (k, value) in (k..).zip(&values[..n]) {
            panel[narrow_place(lane, k)] = *value;
        }
    }
}
