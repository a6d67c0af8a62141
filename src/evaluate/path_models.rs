//! A recipe's path with its models opened: what runs it, and what folds it.

use super::task_runner::TaskRunner;
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::{Decoder, Device, PathModel, PathStep};
use crate::recipe::Recipe;

/// Models that paths go through; the first gives embedding, final norm, head and tokenizer.
pub struct PathModels {
    pub checkpoints: Vec<Checkpoint>,
}

impl PathModels {
    /// Names of the models that a recipe's path goes through, its base first; those of `pool` come
    /// next whether it names them or not, so that other paths over the pool find them in place.
    #[must_use]
    pub fn names(recipe: &Recipe, pool: &[String]) -> Vec<String> {
        let mut names = vec![recipe.donor().to_owned()];
        // Its models vote for one chat template; no others do.
        let pool = if recipe.chat_template.is_some() { &[] } else { pool };
        for name in pool.iter().chain(recipe.path.iter().map(|step| &step.model)) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Opens these models.
    pub fn open(
        names: &[String],
        mut open: impl FnMut(&str) -> anyhow::Result<Checkpoint>,
    ) -> anyhow::Result<Self> {
        let checkpoints = names.iter().map(|name| open(name)).collect::<anyhow::Result<_>>()?;
        Ok(Self { checkpoints })
    }

    /// The recipe's path over these models.
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

    /// What a decoder takes layers from.
    #[must_use]
    pub fn parts(&self) -> Vec<PathModel<'_>> {
        self.checkpoints
            .iter()
            .map(|m| PathModel { name: m.reference(), config: m.config(), weights: m })
            .collect()
    }

    /// A decoder on the path, with layers of these models.
    pub fn decoder(&self, steps: &[PathStep], device: &Device) -> anyhow::Result<Decoder> {
        Decoder::load_path(&self.parts(), steps, device).map_err(BadInput::error)
    }

    /// A runner on the path.
    pub fn runner(&self, steps: &[PathStep], device: &Device) -> anyhow::Result<TaskRunner> {
        let first = &self.checkpoints[0];
        TaskRunner::with_decoder(first, first.config(), self.decoder(steps, device)?)
    }

    /// Sends a runner of [`Self::runner`] along another path.
    pub fn redirect(&self, runner: &mut TaskRunner, steps: &[PathStep]) -> anyhow::Result<()> {
        runner.decoder.set_path(&self.parts(), steps).map_err(BadInput::error)
    }
}
