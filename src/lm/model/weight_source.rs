//! The source of a model's weights: a [`WeightSource`] writes one tensor, or some of its rows, to its place in the
//! decoder.
//!
//! [`HostWeights`] writes from memory (a checkpoint, or a merge on the CPU). On a card, `backend::cuda::DeviceWeights`
//! lets a merge write in place. `load` calls it.

use std::ops::Range;

#[cfg(any(feature = "cuda", test))]
use crate::checkpoint::Dtype;
use crate::checkpoint::{TensorView, Weights};
#[cfg(any(feature = "cuda", test))]
use crate::gpu::DeviceWrite;
use crate::lm::{LmError, backend::Backend};

/// Some rows of a named tensor.
#[derive(Clone, Copy)]
pub(crate) struct TensorRows<'a> {
    pub name: &'a str,
    /// Shape of the whole tensor.
    pub shape: &'a [usize],
    pub start: usize,
    pub rows: usize,
}

impl<'a> TensorRows<'a> {
    /// All of a tensor.
    pub fn whole(name: &'a str, shape: &'a [usize]) -> Self {
        Self { name, shape, start: 0, rows: shape[0] }
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows
    }
}

/// Writes tensors to their places in a decoder. Every method fails with [`LmError`] if the tensor is missing, has the
/// wrong shape or size for the config, or cannot be written on the device.
pub(crate) trait WeightSource<B: Backend> {
    /// Writes rows of a weight `[out, in]` to part `part` of a matrix. Parts that are rows of one tensor are
    /// written in order.
    fn matrix(&mut self, b: &B, to: &mut B::Matrix, part: usize, from: TensorRows<'_>)
    -> Result<(), LmError>;
    /// Writes rows of a bias `[out]` to part `part` of a matrix.
    fn bias(&mut self, b: &B, to: &mut B::Matrix, part: usize, from: TensorRows<'_>) -> Result<(), LmError>;
    /// Writes an embedding.
    fn table(&mut self, b: &B, to: &mut B::Table, from: TensorRows<'_>) -> Result<(), LmError>;
    /// Writes a norm's weight, plus `offset`.
    fn vector(&mut self, b: &B, to: &mut B::Vector, from: TensorRows<'_>, offset: f32)
    -> Result<(), LmError>;
}

/// Writes the named tensor to an address on the card, as bfloat16, and reports how it was produced. The error is a
/// sentence for the user.
#[cfg(any(feature = "cuda", test))]
pub(crate) type MakeTensor<'m> = dyn FnMut(&str, u64) -> Result<DeviceWrite<(Dtype, Vec<u8>)>, String> + 'm;

/// Weights in memory, by name, each checked against the shape that the config requires. What was read from a file to
/// write a tensor is given back to the system.
pub(crate) struct HostWeights<'a> {
    pub weights: &'a dyn Weights,
    /// Name of the model in errors; empty if there is only one.
    pub name: &'a str,
    /// Whether a tensor has other values than those written before; the others are left as they are.
    pub changed: &'a dyn Fn(&str) -> bool,
}

impl<'a> HostWeights<'a> {
    /// All of these weights.
    pub fn all(weights: &'a dyn Weights, name: &'a str) -> Self {
        Self { weights, name, changed: &|_| true }
    }

    fn get(&self, rows: &TensorRows<'_>) -> Result<TensorView<'a>, LmError> {
        let (tensor, expected) = (rows.name, rows.shape);
        let name =
            || if self.name.is_empty() { tensor.to_owned() } else { format!("{tensor} of {}", self.name) };
        let view = self.weights.tensor(tensor).ok_or_else(|| LmError::MissingTensor { name: name() })?;
        if view.shape != expected {
            return Err(LmError::Shape {
                name: name(),
                expected: expected.to_vec(),
                found: view.shape.to_vec(),
            });
        }
        let bytes = expected.iter().product::<usize>() * view.dtype.size();
        if view.data.len() != bytes {
            return Err(LmError::Bytes { name: name(), expected: bytes, found: view.data.len() });
        }
        Ok(view)
    }

    /// Passes the rows to `write` as a separate tensor.
    fn with(
        &self,
        rows: &TensorRows<'_>,
        write: impl FnOnce(&TensorView) -> Result<(), LmError>,
    ) -> Result<(), LmError> {
        if !(self.changed)(rows.name) {
            return Ok(());
        }
        let view = self.get(rows)?;
        let row = rows.shape[1..].iter().product::<usize>() * view.dtype.size();
        let mut shape = rows.shape.to_vec();
        shape[0] = rows.rows;
        let range = rows.range();
        let data = &view.data[range.start * row..range.end * row];
        let written = write(&TensorView { dtype: view.dtype, shape: &shape, data });
        self.weights.intact(rows.name)?;
        self.weights.release(rows.name);
        written
    }
}

impl<B: Backend> WeightSource<B> for HostWeights<'_> {
    fn matrix(
        &mut self,
        b: &B,
        to: &mut B::Matrix,
        part: usize,
        from: TensorRows<'_>,
    ) -> Result<(), LmError> {
        self.with(&from, |weight| b.write_matrix(to, part, weight))
    }

    fn bias(&mut self, b: &B, to: &mut B::Matrix, part: usize, from: TensorRows<'_>) -> Result<(), LmError> {
        self.with(&from, |bias| b.write_bias(to, part, bias))
    }

    fn table(&mut self, b: &B, to: &mut B::Table, from: TensorRows<'_>) -> Result<(), LmError> {
        self.with(&from, |weight| b.write_table(to, weight))
    }

    fn vector(
        &mut self,
        b: &B,
        to: &mut B::Vector,
        from: TensorRows<'_>,
        offset: f32,
    ) -> Result<(), LmError> {
        self.with(&from, |weight| b.write_vector(to, weight, offset))
    }
}
