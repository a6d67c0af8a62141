//! Who writes a model's tensors: here from memory; `cuda::fill` has them made on the card.

use std::ops::Range;

use crate::checkpoint::{TensorView, Weights};
use crate::lm::{LmError, backend::Backend};

/// Some rows of a tensor of a model.
#[derive(Clone, Copy)]
pub(crate) struct Band<'a> {
    pub name: &'a str,
    /// Of the whole tensor.
    pub shape: &'a [usize],
    pub start: usize,
    pub rows: usize,
}

impl<'a> Band<'a> {
    /// All of a tensor.
    pub fn whole(name: &'a str, shape: &'a [usize]) -> Self {
        Self { name, shape, start: 0, rows: shape[0] }
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows
    }
}

/// Writes tensors to their places in a decoder.
pub(crate) trait Fill<B: Backend> {
    /// Writes rows of a weight `[out, in]` to part `part` of a matrix. The parts of a matrix that are
    /// rows of one tensor come in order.
    fn matrix(&mut self, b: &B, to: &mut B::Matrix, part: usize, from: Band<'_>) -> Result<(), LmError>;
    /// Writes rows of a bias `[out]` to part `part` of a matrix.
    fn bias(&mut self, b: &B, to: &mut B::Matrix, part: usize, from: Band<'_>) -> Result<(), LmError>;
    /// Writes an embedding.
    fn table(&mut self, b: &B, to: &mut B::Table, from: Band<'_>) -> Result<(), LmError>;
    /// Writes a norm's weight, plus `offset`.
    fn vector(&mut self, b: &B, to: &mut B::Vector, from: Band<'_>, offset: f32) -> Result<(), LmError>;
}

/// Weights by name, checked against what the config calls for.
pub(crate) struct Source<'a> {
    pub weights: &'a dyn Weights,
    /// Which model it is, where there are several.
    pub name: &'a str,
}

impl<'a> Source<'a> {
    fn get(&self, band: &Band<'_>) -> Result<TensorView<'a>, LmError> {
        let (tensor, expected) = (band.name, band.shape);
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

    /// Shows the rows as a tensor of their own.
    fn show<T>(&self, band: &Band<'_>, f: impl FnOnce(&TensorView) -> T) -> Result<T, LmError> {
        let view = self.get(band)?;
        let row = band.shape[1..].iter().product::<usize>() * view.dtype.size();
        let mut shape = band.shape.to_vec();
        shape[0] = band.rows;
        let rows = band.range();
        let data = &view.data[rows.start * row..rows.end * row];
        let out = f(&TensorView { dtype: view.dtype, shape: &shape, data });
        self.weights.intact(band.name)?;
        Ok(out)
    }
}

impl<B: Backend> Fill<B> for Source<'_> {
    fn matrix(&mut self, b: &B, to: &mut B::Matrix, part: usize, from: Band<'_>) -> Result<(), LmError> {
        self.show(&from, |weight| b.write_matrix(to, part, weight))?
    }

    fn bias(&mut self, b: &B, to: &mut B::Matrix, part: usize, from: Band<'_>) -> Result<(), LmError> {
        self.show(&from, |bias| b.write_bias(to, part, bias))?
    }

    fn table(&mut self, b: &B, to: &mut B::Table, from: Band<'_>) -> Result<(), LmError> {
        self.show(&from, |weight| b.write_table(to, weight))?
    }

    fn vector(&mut self, b: &B, to: &mut B::Vector, from: Band<'_>, offset: f32) -> Result<(), LmError> {
        self.show(&from, |weight| b.write_vector(to, weight, offset))?
    }
}
