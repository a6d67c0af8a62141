//! Weights that are made on the card, where the decoder has them: nothing but what cannot be made there is
//! sent.

use std::sync::PoisonError;

use super::kernels::{WIDE_ROW, Widen};
use super::weights::{Matrix, Table, Vector};
use super::{Gpu, fault};
use crate::checkpoint::{Dtype, TensorView};
use crate::gpu::{Driver, Format, Made};
use crate::lm::LmError;
use crate::lm::model::{Band, Fill};

/// Writes the tensor of that name at an address, as bfloat16, or says what is there or to be sent; or why not.
pub(crate) type Make<'m> = dyn FnMut(&str, u64) -> Result<Made<(Dtype, Vec<u8>)>, String> + 'm;

/// Fills a decoder on a card by what somebody makes there.
pub(crate) struct Maker<'a, 'm>(pub &'a mut Make<'m>);

impl Maker<'_, '_> {
    fn make(&mut self, name: &str, to: u64) -> Result<Made<(Dtype, Vec<u8>)>, LmError> {
        (self.0)(name, to).map_err(LmError::Made)
    }

    /// Has numbers made that are kept as f32: on the way they lie elsewhere.
    fn wide<D: Driver>(
        &mut self,
        b: &Gpu<D>,
        from: &Band<'_>,
        (to, at): (&D::Buffer, usize),
        offset: f32,
        send: impl FnOnce(&TensorView) -> Result<(), LmError>,
    ) -> Result<(), LmError> {
        let count: usize = from.shape.iter().product();
        let mut scratch = b.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let staged = b.card.address(scratch.made.room(&b.card, count.div_ceil(2))?);
        match self.make(from.name, staged)? {
            Made::Kept => Ok(()),
            Made::There => {
                let out = b.card.address(to) + 4 * at as u64;
                let arguments = Widen { x: staged, out, count: count as u32, offset };
                b.launch(&b.kernels.widen, [count.div_ceil(WIDE_ROW as usize), 1, 1], WIDE_ROW, &arguments)
            }
            Made::Here((dtype, data)) => send(&TensorView { dtype, shape: from.shape, data: &data }),
        }
    }
}

/// Numbers on the card are bfloat16, as what is made there.
fn check<D: Driver>(b: &Gpu<D>) -> Result<(), LmError> {
    match b.card.format() {
        Format::BF16 => Ok(()),
        Format::F32 => Err(LmError::Made("weights are made as bfloat16, and the card has f32".to_owned())),
    }
}

impl<D: Driver> Fill<Gpu<D>> for Maker<'_, '_> {
    fn matrix(&mut self, b: &Gpu<D>, to: &mut Matrix<D>, part: usize, from: Band<'_>) -> Result<(), LmError> {
        check(b)?;
        if from.start > 0 {
            // Came with the tensor's first rows: parts lie one after another as they do there.
            return Ok(());
        }
        let place = to.place(&b.card, part)?;
        match self.make(from.name, place)? {
            Made::Kept | Made::There => Ok(()),
            Made::Here((dtype, data)) => {
                to.write(&b.card, part, &TensorView { dtype, shape: from.shape, data: &data })
            }
        }
    }

    fn bias(&mut self, b: &Gpu<D>, to: &mut Matrix<D>, part: usize, from: Band<'_>) -> Result<(), LmError> {
        let Some(bias) = to.bias.as_ref().filter(|_| from.start == 0) else { return Ok(()) };
        let place = (bias, to.starts[part]);
        self.wide(b, &from, place, 0.0, |view| to.write_bias(&b.card, part, view))
    }

    fn table(&mut self, b: &Gpu<D>, to: &mut Table<D>, from: Band<'_>) -> Result<(), LmError> {
        check(b)?;
        match self.make(from.name, b.card.address(&to.data))? {
            Made::Kept | Made::There => Ok(()),
            Made::Here((dtype, data)) => {
                to.write(&b.card, &TensorView { dtype, shape: from.shape, data: &data })
            }
        }
    }

    fn vector(&mut self, b: &Gpu<D>, to: &mut Vector<D>, from: Band<'_>, offset: f32) -> Result<(), LmError> {
        self.wide(b, &from, (&to.data, 0), offset, |view| to.write(&b.card, view, offset))
    }
}

impl<D: Driver> Matrix<D> {
    /// Where a part's weights lie.
    fn place(&mut self, card: &D, part: usize) -> Result<u64, LmError> {
        let start = self.starts.get(part).copied().unwrap_or(0);
        let at = (start * self.ins * card.format().size()) as u64;
        let bytes = self.outs * self.ins * card.format().size();
        let weight = match &self.weight {
            Some(weight) => weight,
            None => self.weight.insert(std::sync::Arc::new(card.alloc("weights", bytes).map_err(fault)?)),
        };
        Ok(card.address(weight) + at)
    }
}
