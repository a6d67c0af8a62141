//! The model or recipe that `yosegi generate` runs: opened first, loaded only if it fits into memory.

use std::path::Path;

use anyhow::Context;

use crate::checkpoint::Checkpoint;
use crate::cli::fetch;
use crate::cli::output::headway::tell;
use crate::cli::output::say::note;
use crate::cli::recipe::{RecipeArgs, whole};
use crate::evaluate::{Load, ModelSources, PathModels, WatchedWeights, merged_decoder, meter_of_model};
use crate::lm::{Decoder, Device, PathStep};
use crate::merge::Pool;
use crate::progress::Observer;
use crate::recipe::{Recipe, RecipeFile};

/// A model, or the models of a recipe, opened.
pub enum Opened {
    Model(Box<Checkpoint>),
    Path(PathModels, Vec<PathStep>),
    Merge(Box<Pool>, Box<Recipe>),
}

impl Opened {
    /// Opens what has this name. `outlined`: for a plan, without making the models that recipes make.
    ///
    /// # Errors
    /// A model or a recipe that cannot be read.
    pub fn open(model: &str, how: &RecipeArgs, device: &Device, outlined: bool) -> anyhow::Result<Self> {
        let path = Path::new(model);
        if !RecipeFile::is_file(path) {
            return Ok(Self::Model(Box::new(fetch::open(model)?)));
        }
        let recipe = whole(path, how.lenient)?;
        let sources = ModelSources {
            made: &[],
            device,
            fetch: &fetch::open,
            note: &note,
            allow_non_finite: how.allow_non_finite,
            outlined,
        };
        if recipe.path.is_empty() {
            return Ok(Self::Merge(Box::new(sources.pool(&recipe, false)?), Box::new(recipe)));
        }
        let path = sources.path_models(&recipe, &[])?;
        let steps = path.steps(&recipe)?;
        Ok(Self::Path(path, steps))
    }

    /// The checkpoint that gives tokenizer and vision part.
    pub fn files(&self) -> &Checkpoint {
        match self {
            Self::Model(model) => model,
            Self::Path(path, _) => &path.checkpoints[path.file_giver()],
            Self::Merge(pool, _) => pool.file_giver(),
        }
    }

    /// What is to be loaded.
    ///
    /// # Errors
    /// A recipe that cannot be merged.
    pub fn to_load(&self) -> anyhow::Result<Load<'_>> {
        match self {
            Self::Model(model) => Ok(Load::Model(model)),
            Self::Path(path, steps) => Ok(Load::Path { models: &path.checkpoints, steps, loaded: &[] }),
            Self::Merge(pool, recipe) => Load::of_pool(pool, recipe),
        }
    }

    /// The decoder, with the checkpoint that gives tokenizer and vision part.
    ///
    /// # Errors
    /// A merge that fails, or a device without enough memory.
    pub fn decoder(self, device: &Device) -> anyhow::Result<(Decoder, Checkpoint)> {
        // Ctrl-C ends the process at once.
        let observer = Observer::telling(&tell);
        let decoder = match &self {
            Self::Model(model) => {
                let meter = meter_of_model(model, &observer);
                let weights = WatchedWeights::new(model, &meter);
                let name = || model.reference().to_owned();
                Decoder::load(model.config(), &weights, device).with_context(name)?
            }
            Self::Path(path, steps) => path.decoder(steps, device, &observer)?,
            Self::Merge(pool, recipe) => merged_decoder(pool, recipe, device, &observer)?,
        };
        let files = match self {
            Self::Model(model) => *model,
            Self::Path(path, _) => path.checkpoints[path.file_giver()].clone(),
            Self::Merge(pool, _) => pool.into_file_giver(),
        };
        Ok((decoder, files))
    }
}
