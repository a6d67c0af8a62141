//! Weights on a card. Tensors come in and are written in place, part by part, so that every address stays valid for a
//! new candidate.

use super::fault;
use crate::checkpoint::{Dtype, TensorView};
use crate::gpu::{Driver, Fault, Format};
use crate::lm::{LmError, shape::Features};

/// Numbers that are converted at a time before they are sent.
const CONVERTED_AT_ONCE: usize = 1 << 20;

/// Linear layers, fused along their outputs.
pub(crate) struct Matrix<D: Driver> {
    /// `[outs, ins]`; `None` for a head that is not written yet.
    pub weight: Option<D::Buffer>,
    /// `[outs]`, f32.
    pub bias: Option<D::Buffer>,
    pub outs: usize,
    pub ins: usize,
    /// Number format of the outputs.
    pub output: Format,
    /// First output of each part.
    pub starts: Vec<usize>,
}

/// An embedding, `[vocab, hidden]`.
pub(crate) struct Table<D: Driver> {
    pub data: D::Buffer,
    pub hidden: usize,
}

/// A norm's weight, f32.
pub(crate) struct Vector<D: Driver> {
    pub data: D::Buffer,
}

impl<D: Driver> Matrix<D> {
    pub fn new(card: &D, outs: &[Features], ins: Features, bias: bool) -> Result<Self, LmError> {
        let starts = outs.iter().scan(0, |at, b| Some(std::mem::replace(at, *at + b.total()))).collect();
        let outs = outs.iter().map(|b| b.total()).sum::<usize>();
        let ins = ins.total();
        let weight = card.alloc("weights", outs * ins * card.format().size()).map_err(fault)?;
        let bias = if bias {
            let zeros = card.alloc("weights", outs * 4).map_err(fault)?;
            card.upload(&vec![0; outs * 4], &zeros, 0).map_err(fault)?;
            Some(zeros)
        } else {
            None
        };
        Ok(Self { weight: Some(weight), bias, outs, ins, output: card.format(), starts })
    }

    /// A head: its outputs are f32 logits.
    pub const fn head(vocab: usize, hidden: usize) -> Self {
        Self { weight: None, bias: None, outs: vocab, ins: hidden, output: Format::F32, starts: Vec::new() }
    }

    /// The weight.
    pub fn written(&self) -> Result<&D::Buffer, LmError> {
        let missing = || LmError::Backend("a head was used before it was written".to_owned());
        self.weight.as_ref().ok_or_else(missing)
    }

    pub fn write(&mut self, card: &D, part: usize, weight: &TensorView) -> Result<(), LmError> {
        let start = self.starts.get(part).copied().unwrap_or(0);
        let bytes = self.outs * self.ins * card.format().size();
        let to = match &self.weight {
            Some(to) => to,
            None => self.weight.insert(card.alloc("weights", bytes).map_err(fault)?),
        };
        send(card, weight, to, start * self.ins).map_err(fault)
    }

    pub fn write_bias(&self, card: &D, part: usize, bias: &TensorView) -> Result<(), LmError> {
        match &self.bias {
            Some(to) => send_f32(card, bias, 0.0, to, self.starts[part]).map_err(fault),
            None => Ok(()),
        }
    }
}

impl<D: Driver> Table<D> {
    pub fn new(card: &D, vocab: usize, hidden: usize) -> Result<Self, LmError> {
        let data = card.alloc("weights", vocab * hidden * card.format().size()).map_err(fault)?;
        Ok(Self { data, hidden })
    }

    pub fn write(&self, card: &D, weight: &TensorView) -> Result<(), LmError> {
        send(card, weight, &self.data, 0).map_err(fault)
    }
}

impl<D: Driver> Vector<D> {
    pub fn new(card: &D, len: usize) -> Result<Self, LmError> {
        Ok(Self { data: card.alloc("weights", len * 4).map_err(fault)? })
    }

    pub fn write(&self, card: &D, weight: &TensorView, offset: f32) -> Result<(), LmError> {
        send_f32(card, weight, offset, &self.data, 0).map_err(fault)
    }
}

/// Writes a tensor in the card's number format, starting at number `at`.
fn send<D: Driver>(card: &D, from: &TensorView, to: &D::Buffer, at: usize) -> Result<(), Fault> {
    let format = card.format();
    match (from.dtype, format) {
        (Dtype::BF16, Format::BF16) | (Dtype::F32, Format::F32) => {
            card.upload(from.data, to, at * format.size())
        }
        (_, Format::F32) => send_f32(card, from, 0.0, to, at),
        (_, Format::BF16) => convert(from, |values, start| {
            let narrow: Vec<u8> =
                values.iter().flat_map(|x| half::bf16::from_f32(*x).to_le_bytes()).collect();
            card.upload(&narrow, to, (at + start) * 2)
        }),
    }
}

/// Writes a tensor's values plus `offset`, in f32, starting at number `at`.
fn send_f32<D: Driver>(
    card: &D,
    from: &TensorView,
    offset: f32,
    to: &D::Buffer,
    at: usize,
) -> Result<(), Fault> {
    convert(from, |values, start| {
        let bytes: Vec<u8> = values.iter().flat_map(|x| (x + offset).to_le_bytes()).collect();
        card.upload(&bytes, to, (at + start) * 4)
    })
}

/// Passes a tensor's values piece by piece, each with the index of its first value.
fn convert(from: &TensorView, mut each: impl FnMut(&[f32], usize) -> Result<(), Fault>) -> Result<(), Fault> {
    let all: usize = from.shape.iter().product();
    let mut values = vec![0.0; all.min(CONVERTED_AT_ONCE)];
    for start in (0..all).step_by(CONVERTED_AT_ONCE) {
        let values = &mut values[..CONVERTED_AT_ONCE.min(all - start)];
        from.read_f32(start, values);
        each(values, start)?;
    }
    Ok(())
}
