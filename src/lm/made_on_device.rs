//! Decoders whose weights a merge writes directly to the card.
//!
//! In: a config, a device and a [`MakeTensor`]. The evaluation of candidates on a card calls it with `merge`'s resident
//! models.

use super::{
    Decoder, Device, LmError,
    backend::cuda::{Cuda, DeviceWeights},
    engine::Engine,
    model::{MakeTensor, Model},
    shape::DecoderShape,
};
use crate::checkpoint::ModelConfig;

impl Decoder {
    /// As [`Self::load`], with all weights made on the card.
    ///
    /// # Errors
    /// As [`Self::load`]; [`LmError::DeviceWeights`] with the merge's message.
    pub(crate) fn load_made(
        config: &ModelConfig,
        device: &Device,
        make: &mut MakeTensor<'_>,
    ) -> Result<Self, LmError> {
        let shape = DecoderShape::new(config)?;
        let mut weights = DeviceWeights(make);
        let engine = match device {
            #[cfg(feature = "cuda")]
            Device::Cuda(card) => Engine::Cuda(Model::load(Cuda::new(card, &shape)?, shape, &mut weights)?),
            #[cfg(test)]
            Device::Emulated(card) => {
                Engine::Emulated(Model::load(Cuda::new(card, &shape)?, shape, &mut weights)?)
            }
            Device::Cpu | Device::CpuBf16 | Device::Reference => return Err(no_card()),
        };
        Ok(Self { engine })
    }

    /// As [`Self::refresh`], with the groups' weights made on the card.
    ///
    /// # Errors
    /// As [`Self::refresh`]; [`LmError::DeviceWeights`] with the merge's message.
    pub(crate) fn remake(&mut self, groups: &[bool], make: &mut MakeTensor<'_>) -> Result<(), LmError> {
        self.check_groups(groups)?;
        let mut weights = DeviceWeights(make);
        match &mut self.engine {
            #[cfg(feature = "cuda")]
            Engine::Cuda(model) => model.refresh(&mut weights, groups),
            #[cfg(test)]
            Engine::Emulated(model) => model.refresh(&mut weights, groups),
            Engine::Cpu(_) | Engine::Candle(_) => Err(no_card()),
        }
    }
}

fn no_card() -> LmError {
    LmError::Device("weights can be made on a card only: use --device cuda".to_owned())
}
