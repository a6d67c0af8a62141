//! [`Decoder`]: a model on a device, loaded once; its weights are rewritten in place for each new merge.
//!
//! In: a config, weights by name and a device. `decoding` runs it; `path` and `made_on_device` add other ways to load
//! it.

use std::sync::Arc;

use super::{
    Device, ImageRows, LmError,
    engine::{Engine, make_engine, with_model},
    model::{HostWeights, Model},
    shape::DecoderShape,
};
use crate::checkpoint::{ModelConfig, Weights};
use crate::recipe::LayerGroup;

/// A model on a device, ready to run. The threads of a generation share it.
pub struct Decoder {
    pub(super) engine: Engine,
}

impl Decoder {
    /// Loads a model.
    ///
    /// # Errors
    /// A config that cannot run, a missing tensor or one with another shape, or no memory on the device.
    pub fn load(config: &ModelConfig, weights: &dyn Weights, device: &Device) -> Result<Self, LmError> {
        let shape = DecoderShape::new(config)?;
        let engine = make_engine!(device, &shape, backend => {
            Model::load(backend, shape, &mut HostWeights::all(weights, ""))?
        });
        Ok(Self { engine })
    }

    /// A decoder whose weights are still to be written, by [`Self::rewrite`].
    ///
    /// # Errors
    /// A config that cannot run, or no memory on the device.
    pub fn unwritten(config: &ModelConfig, device: &Device) -> Result<Self, LmError> {
        let shape = DecoderShape::new(config)?;
        let engine = make_engine!(device, &shape, backend => Model::unwritten(backend, shape)?);
        Ok(Self { engine })
    }

    /// Rewrites the weights of some layer groups of the first model in place; `groups` is in the order of
    /// [`LayerGroup::index`].
    ///
    /// # Errors
    /// Another number of groups than the model has, or a missing tensor or one with another shape. The weights are then
    /// partly new, partly old: refresh again.
    pub fn refresh(&mut self, weights: &dyn Weights, groups: &[bool]) -> Result<(), LmError> {
        self.rewrite(weights, groups, &|_| true)
    }

    /// As [`Self::refresh`], but of these layer groups only the tensors that have `changed`. No other is read.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub fn rewrite(
        &mut self,
        weights: &dyn Weights,
        groups: &[bool],
        changed: &dyn Fn(&str) -> bool,
    ) -> Result<(), LmError> {
        self.check_groups(groups)?;
        let mut source = HostWeights { weights, name: "", changed };
        with_model!(&mut self.engine, model => model.refresh(&mut source, groups))
    }

    pub(super) fn check_groups(&self, groups: &[bool]) -> Result<(), LmError> {
        let expected = LayerGroup::count(self.shape().layers);
        if groups.len() == expected { Ok(()) } else { Err(LmError::Groups { expected, found: groups.len() }) }
    }

    /// Lets prompts name the rows of these images, from now on.
    ///
    /// # Errors
    /// Rows of another width than the model's hidden size.
    pub fn set_images(&mut self, images: Arc<ImageRows>) -> Result<(), LmError> {
        let hidden = self.shape().hidden;
        if let Some(found) = images.hidden().filter(|found| *found != hidden) {
            return Err(LmError::Config(format!(
                "its projector gives rows of {found} features and the language model takes {hidden}"
            )));
        }
        with_model!(&mut self.engine, model => model.images = Some(images));
        Ok(())
    }

    /// The images that prompts may name.
    pub(super) fn images(&self) -> Option<&Arc<ImageRows>> {
        with_model!(&self.engine, model => model.images.as_ref())
    }

    /// The first id that is neither a token nor a row of an image.
    pub(super) fn ids_end(&self) -> usize {
        self.images().map_or(self.vocab(), |images| images.end())
    }

    /// Logits of every position of one sequence, `[tokens][vocab]`, from a single forward pass.
    ///
    /// # Errors
    /// A prompt that cannot be run, or no memory.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>, LmError> {
        self.check_prompt(0, tokens)?;
        with_model!(&self.engine, model => model.logits(tokens))
    }

    /// Tells the user, once, that memory ran out and how many sequences now run at once.
    #[must_use]
    pub fn news(&self) -> Option<String> {
        with_model!(&self.engine, model => model.memory_limit().news())
    }

    /// Number of tokens in the vocabulary.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.shape().vocab
    }

    /// Longest sequence: prompt and answer together.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        self.shape().max_positions
    }

    pub(super) fn shape(&self) -> &DecoderShape {
        with_model!(&self.engine, model => &model.shape)
    }

    /// A prompt must have tokens, all in the vocabulary or rows of an image, and leave room for one more.
    pub(super) fn check_prompt(&self, index: usize, tokens: &[u32]) -> Result<(), LmError> {
        let fail = |reason: String| Err(LmError::Prompt { index, reason });
        if tokens.is_empty() {
            return fail("it has no tokens: give at least one".to_owned());
        }
        if tokens.len() >= self.max_positions() {
            return fail(format!(
                "it has {} tokens and the model ends at {} (max_position_embeddings): shorten it",
                tokens.len(),
                self.max_positions()
            ));
        }
        match tokens.iter().find(|t| **t as usize >= self.ids_end()) {
            Some(id) => fail(format!(
                "token {id} is outside the model's vocabulary of {}: is this the model's tokenizer?",
                self.vocab()
            )),
            None => Ok(()),
        }
    }
}
