//! The opened models of a recipe's path. A recipe and model names come in; the path's steps, and a decoder or a runner
//! for the path, go out. The evaluator, `generate` and the export of a path call it.

use super::task_runner::TaskRunner;
use super::watched_weights::{WatchedWeights, meter_of_path};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::{Decoder, Device, PathModel, PathStep};
use crate::merge::path_vision_giver;
use crate::progress::Observer;
use crate::recipe::Recipe;

/// Models that paths run through; the first gives embedding, final norm, head and tokenizer.
pub struct PathModels {
    pub checkpoints: Vec<Checkpoint>,
}

impl PathModels {
    /// Names of the models that a recipe's path runs through, the base first. All models of `pool` come next, also
    /// those that the path does not use, so that other paths over the pool find their models here.
    #[must_use]
    pub fn names(recipe: &Recipe, pool: &[String]) -> Vec<String> {
        let mut names = vec![recipe.donor().to_owned()];
        // The chat template is chosen only among the path's own models.
        let pool = if recipe.chat_template.is_some() { &[] } else { pool };
        for name in pool.iter().chain(recipe.path.iter().map(|step| &step.model)) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Opens these models with `open`.
    ///
    /// # Errors
    /// The first error of `open`.
    pub fn open(
        names: &[String],
        mut open: impl FnMut(&str) -> anyhow::Result<Checkpoint>,
    ) -> anyhow::Result<Self> {
        let checkpoints = names.iter().map(|name| open(name)).collect::<anyhow::Result<_>>()?;
        Ok(Self { checkpoints })
    }

    /// The steps of the recipe's path, with indices into these models.
    ///
    /// # Errors
    /// A step whose model is not among them.
    pub fn steps(&self, recipe: &Recipe) -> anyhow::Result<Vec<PathStep>> {
        let step = |(i, step): (usize, &crate::recipe::Step)| {
            let model =
                self.checkpoints.iter().position(|m| m.reference() == step.model).ok_or_else(|| {
                    BadInput::error(format!(
                        "recipe: path[{i}].model is {}, which is not loaded here",
                        step.model
                    ))
                })?;
            Ok(PathStep { model, layer: step.layer, scale: step.scale as f32 })
        };
        recipe.path.iter().enumerate().map(step).collect()
    }

    /// Passes on the models in the form from which a decoder loads layers. `loaded`: the decoder has these layers of
    /// models already.
    fn with_parts<T>(
        &self,
        steps: &[PathStep],
        loaded: Option<&[(usize, usize)]>,
        observer: &Observer<'_>,
        load: impl FnOnce(&[PathModel<'_>]) -> T,
    ) -> T {
        let meter = meter_of_path(&self.checkpoints, steps, loaded, observer);
        let watched: Vec<_> = self.checkpoints.iter().map(|m| WatchedWeights::new(m, &meter)).collect();
        let mut parts: Vec<PathModel<'_>> = Vec::with_capacity(watched.len());
        for (model, weights) in self.checkpoints.iter().zip(&watched) {
            parts.push(PathModel { name: model.reference(), config: model.config(), weights });
        }
        load(&parts)
    }

    /// A decoder for the path, with layers of these models.
    ///
    /// # Errors
    /// Models of different shapes, a layer that a model does not have, a device without enough memory, or an observer
    /// that ends it.
    pub fn decoder(
        &self,
        steps: &[PathStep],
        device: &Device,
        observer: &Observer<'_>,
    ) -> anyhow::Result<Decoder> {
        let load =
            |parts: &[PathModel<'_>]| Decoder::load_path(parts, steps, device).map_err(BadInput::error);
        self.with_parts(steps, None, observer, load)
    }

    /// A runner for the path.
    ///
    /// # Errors
    /// As [`Self::decoder`], or a tokenizer that cannot be read.
    pub fn runner(
        &self,
        steps: &[PathStep],
        device: &Device,
        observer: &Observer<'_>,
    ) -> anyhow::Result<TaskRunner> {
        let files = &self.checkpoints[self.file_giver()];
        let mut config = self.checkpoints[0].config().clone();
        config.vision.clone_from(&files.config().vision);
        TaskRunner::with_decoder(files, &config, self.decoder(steps, device, observer)?)
    }

    /// Index of the model whose tokenizer and small files a path has: the one that gives the vision part, else the
    /// first.
    #[must_use]
    pub fn file_giver(&self) -> usize {
        let giver = path_vision_giver(self.checkpoints.iter()).map(Checkpoint::reference);
        self.checkpoints.iter().position(|m| Some(m.reference()) == giver).unwrap_or(0)
    }

    /// Switches a runner made by [`Self::runner`] to another path.
    ///
    /// # Errors
    /// As [`Self::decoder`].
    pub fn redirect(
        &self,
        runner: &mut TaskRunner,
        steps: &[PathStep],
        observer: &Observer<'_>,
    ) -> anyhow::Result<()> {
        let loaded = runner.decoder.loaded_layers();
        let load = |parts: &[PathModel<'_>]| runner.decoder.set_path(parts, steps).map_err(BadInput::error);
        self.with_parts(steps, Some(&loaded), observer, load)
    }
}
