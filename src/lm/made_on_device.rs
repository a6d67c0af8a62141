//! Decoders whose weights are made on the card where they run.

use super::{
    Decoder, Device, LmError,
    backend::cuda::{Gpu, Make, Maker},
    engine::Engine,
    model::Model,
    shape::Shape,
};
use crate::checkpoint::ModelConfig;

impl Decoder {
    /// As [`Self::load`], all weights made on the card.
    pub(crate) fn load_made(
        config: &ModelConfig,
        device: &Device,
        make: &mut Make<'_>,
    ) -> Result<Self, LmError> {
        let shape = Shape::new(config)?;
        let mut fill = Maker(make);
        let engine = match device {
            #[cfg(feature = "cuda")]
            Device::Cuda(card) => Engine::Cuda(Model::load(Gpu::new(card, &shape)?, shape, &mut fill)?),
            #[cfg(test)]
            Device::Emulated(card) => {
                Engine::Emulated(Model::load(Gpu::new(card, &shape)?, shape, &mut fill)?)
            }
            Device::Cpu | Device::Reference => return Err(no_card()),
        };
        Ok(Self { engine })
    }

    /// As [`Self::refresh`], the groups' weights made on the card.
    pub(crate) fn remake(&mut self, groups: &[bool], make: &mut Make<'_>) -> Result<(), LmError> {
        self.check_groups(groups)?;
        let mut fill = Maker(make);
        match &mut self.engine {
            #[cfg(feature = "cuda")]
            Engine::Cuda(model) => model.refresh(&mut fill, groups),
            #[cfg(test)]
            Engine::Emulated(model) => model.refresh(&mut fill, groups),
            Engine::Cpu(_) | Engine::Reference(_) => Err(no_card()),
        }
    }
}

fn no_card() -> LmError {
    LmError::Device("weights can be made on a card only: use --device cuda".to_owned())
}
