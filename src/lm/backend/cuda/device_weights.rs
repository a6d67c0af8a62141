//! Weights that a merge writes directly into a decoder's buffers on the card. Only tensors that cannot be made on the
//! card are sent from the host.
//!
//! In: a [`MakeTensor`] (the merge), which makes each tensor by name. `made_on_device` calls it.

use super::kernels::{WIDE_THREADS, WidenArgs};
use super::weights::{Matrix, Table, Vector};
use super::{Cuda, fault};
use crate::checkpoint::{Dtype, TensorView};
use crate::gpu::{DeviceWrite, Driver, Format};
use crate::lm::LmError;
use crate::lm::model::{MakeTensor, TensorRows, WeightSource};

/// Fills a decoder on a card with the tensors that a merge makes there.
pub(crate) struct DeviceWeights<'a, 'm>(pub &'a mut MakeTensor<'m>);

impl DeviceWeights<'_, '_> {
    fn make(&mut self, name: &str, to: u64) -> Result<DeviceWrite<(Dtype, Vec<u8>)>, LmError> {
        (self.0)(name, to).map_err(LmError::DeviceWeights)
    }

    /// Makes a norm or bias. The merge makes bfloat16 and the decoder keeps f32, so the tensor is made in a scratch
    /// buffer and widened from there.
    fn wide<D: Driver>(
        &mut self,
        b: &Cuda<D>,
        from: &TensorRows<'_>,
        (to, at): (&D::Buffer, usize),
        offset: f32,
        send: impl FnOnce(&TensorView) -> Result<(), LmError>,
    ) -> Result<(), LmError> {
        let count: usize = from.shape.iter().product();
        let mut scratch = b.scratch();
        let staged = b.card.address(scratch.narrow.room(&b.card, count.div_ceil(2))?);
        match self.make(from.name, staged)? {
            DeviceWrite::Unchanged => Ok(()),
            DeviceWrite::Queued => {
                let out = b.card.address(to) + 4 * at as u64;
                let arguments = WidenArgs { x: staged, out, count: count as u32, offset };
                b.launch(
                    &b.kernels.widen,
                    [count.div_ceil(WIDE_THREADS as usize), 1, 1],
                    WIDE_THREADS,
                    &arguments,
                )
            }
            DeviceWrite::OnHost((dtype, data)) => send(&TensorView { dtype, shape: from.shape, data: &data }),
        }
    }
}

/// A merge makes bfloat16, so the card must store bfloat16.
fn check<D: Driver>(b: &Cuda<D>) -> Result<(), LmError> {
    match b.card.format() {
        Format::BF16 => Ok(()),
        Format::F32 => {
            Err(LmError::DeviceWeights("weights are made as bfloat16, and the card has f32".to_owned()))
        }
    }
}

impl<D: Driver> WeightSource<Cuda<D>> for DeviceWeights<'_, '_> {
    fn matrix(
        &mut self,
        b: &Cuda<D>,
        to: &mut Matrix<D>,
        part: usize,
        from: TensorRows<'_>,
    ) -> Result<(), LmError> {
        check(b)?;
        if from.start > 0 {
            // Writing the tensor's first rows also wrote these: the parts of the matrix are in the order of the
            // tensor's rows.
            return Ok(());
        }
        let place = to.place(&b.card, part)?;
        match self.make(from.name, place)? {
            DeviceWrite::Unchanged | DeviceWrite::Queued => Ok(()),
            DeviceWrite::OnHost((dtype, data)) => {
                to.write(&b.card, part, &TensorView { dtype, shape: from.shape, data: &data })
            }
        }
    }

    fn bias(
        &mut self,
        b: &Cuda<D>,
        to: &mut Matrix<D>,
        part: usize,
        from: TensorRows<'_>,
    ) -> Result<(), LmError> {
        let Some(bias) = to.bias.as_ref().filter(|_| from.start == 0) else { return Ok(()) };
        let place = (bias, to.starts[part]);
        self.wide(b, &from, place, 0.0, |view| to.write_bias(&b.card, part, view))
    }

    fn table(&mut self, b: &Cuda<D>, to: &mut Table<D>, from: TensorRows<'_>) -> Result<(), LmError> {
        check(b)?;
        match self.make(from.name, b.card.address(&to.data))? {
            DeviceWrite::Unchanged | DeviceWrite::Queued => Ok(()),
            DeviceWrite::OnHost((dtype, data)) => {
                to.write(&b.card, &TensorView { dtype, shape: from.shape, data: &data })
            }
        }
    }

    fn vector(
        &mut self,
        b: &Cuda<D>,
        to: &mut Vector<D>,
        from: TensorRows<'_>,
        offset: f32,
    ) -> Result<(), LmError> {
        self.wide(b, &from, (&to.data, 0), offset, |view| to.write(&b.card, view, offset))
    }
}

impl<D: Driver> Matrix<D> {
    /// Address of a part's weights.
    fn place(&mut self, card: &D, part: usize) -> Result<u64, LmError> {
        let start = self.starts.get(part).copied().unwrap_or(0);
        let at = (start * self.ins * card.format().size()) as u64;
        let bytes = self.outs * self.ins * card.format().size();
        let weight = match &self.weight {
            Some(weight) => weight,
            None => self.weight.insert(card.alloc("weights", bytes).map_err(fault)?),
        };
        Ok(card.address(weight) + at)
    }
}
