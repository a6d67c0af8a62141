//! The models that are loaded: pools with their candidates, a model alone, a path. A setup and a target come in, a
//! runner that answers with the target's weights goes out; what the last target shares with this one is not loaded
//! again. The evaluator calls it.

use super::candidate_model::CandidateModel;
use super::path_models::PathModels;
use super::pool_key::{PoolKey, covers};
use super::setup_sources::with_sources;
use super::task_runner::TaskRunner;
use super::types::{EvalSetup, Progress, Target};
use crate::error::BadInput;
use crate::lm::{self, Device};
use crate::merge::Pool;
use crate::recipe::{Align, Method, Recipe};

/// A model that is not merged is unloaded once it has answered if it has more parameters than this.
const KEEP_ALONE: usize = 100_000_000;

/// Everything that was loaded.
#[derive(Default)]
pub(super) struct LoadedModels {
    /// The device by the name that a setup gives it.
    device: Option<(String, lm::Picked)>,
    /// The pool in use, and one before it.
    pools: Vec<(PoolKey, CandidateModel)>,
    /// A model alone: its name and the recipes of the setup.
    alone: Option<(String, Vec<Recipe>, TaskRunner)>,
    /// The models of the last path, and what runs it.
    path: Option<(PathKey, PathModels, Option<TaskRunner>)>,
}

/// Names of models, the recipes of those that are merged on the spot, and the chat template.
type PathKey = (Vec<String>, Vec<Recipe>, Option<String>);

impl LoadedModels {
    /// Forgets all models: their files are read anew. The device stays.
    pub fn clear(&mut self) {
        self.pools.clear();
        (self.alone, self.path) = (None, None);
    }

    /// Unloads the model alone if it is a large one.
    pub fn drop_large(&mut self) {
        if self.alone.as_ref().is_some_and(|(.., runner)| runner.parameters > KEEP_ALONE) {
            self.alone = None;
        }
    }

    /// The device of that name, and whether it was not in use before.
    pub fn device(&mut self, name: &str) -> anyhow::Result<(lm::Picked, bool)> {
        if let Some((known, picked)) = &self.device
            && known == name
        {
            return Ok((picked.clone(), false));
        }
        let picked = lm::pick(name).map_err(BadInput::error)?;
        // What was loaded lies on the device before.
        self.alone = None;
        self.path = None;
        self.pools.iter_mut().for_each(|(_, candidate)| candidate.clear());
        self.device = Some((name.to_owned(), picked.clone()));
        Ok((picked, true))
    }

    /// Opens a setup's models, and counts their decoder blocks.
    pub fn open(
        &mut self,
        setup: &EvalSetup,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<usize> {
        Ok(self.setup_pool(setup, device, None, progress)?.pool.layers())
    }

    /// A runner with the target's weights.
    pub fn runner(
        &mut self,
        setup: &EvalSetup,
        target: &Target,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut TaskRunner> {
        match target {
            Target::Model(model) => self.model_alone(setup, model, device, progress),
            Target::Recipe(recipe) if !recipe.path.is_empty() => self.path(setup, recipe, device, progress),
            Target::Recipe(recipe) => self.merge(setup, recipe, device, progress),
        }
    }

    fn model_alone(
        &mut self,
        setup: &EvalSetup,
        model: &str,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut TaskRunner> {
        let same = |name: &str, made: &[Recipe]| name == model && made == setup.made;
        let kept = self.alone.take().filter(|(name, made, _)| same(name, made));
        let runner = if let Some((.., runner)) = kept {
            runner
        } else {
            let checkpoint = with_sources(setup, device, progress, |sources| sources.open(model))?;
            TaskRunner::load(&checkpoint, checkpoint.config(), &checkpoint, device)?
        };
        Ok(&mut self.alone.insert((model.to_owned(), setup.made.clone(), runner)).2)
    }

    /// A recipe's merge: over the setup's models where they are all that it needs, which then stay as they are for the
    /// next candidate, else over models of its own.
    fn merge(
        &mut self,
        setup: &EvalSetup,
        recipe: &Recipe,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut TaskRunner> {
        let candidate = if covers(setup, recipe) {
            self.setup_pool(setup, device, recipe.align.as_ref(), progress)?
        } else {
            self.pool(PoolKey::of_recipe(setup, recipe), || {
                with_sources(setup, device, progress, |sources| sources.pool(recipe, true))
            })?
        };
        candidate.prepare(recipe, device, progress)
    }

    /// A recipe's path. Another path over the same models loads only the layers that it is the first to name.
    fn path(
        &mut self,
        setup: &EvalSetup,
        recipe: &Recipe,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut TaskRunner> {
        let mut pool = setup.sources.clone();
        pool.extend((!setup.base.is_empty()).then(|| setup.base.clone()));
        let made = setup.made.iter().chain(&recipe.before).cloned().collect();
        let key = (PathModels::names(recipe, &pool), made, recipe.chat_template.clone());
        let kept = self.path.take().filter(|(known, ..)| *known == key);
        let (models, runner) = if let Some((_, models, runner)) = kept {
            (models, runner)
        } else {
            (with_sources(setup, device, progress, |sources| sources.path_models(recipe, &pool))?, None)
        };
        let steps = models.steps(recipe)?;
        let runner = match runner {
            Some(mut runner) => {
                models.redirect(&mut runner, &steps)?;
                runner
            }
            None => models.runner(&steps, device)?,
        };
        let (.., place) = self.path.insert((key, models, None));
        Ok(place.insert(runner))
    }

    /// The pool of a setup's models, first in the list.
    fn setup_pool(
        &mut self,
        setup: &EvalSetup,
        device: &Device,
        align: Option<&Align>,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut CandidateModel> {
        self.pool(PoolKey::of_setup(setup, align), || {
            // All must be of one architecture, whatever a candidate takes of them: checked before any is merged.
            let mut whole = Recipe::uniform(&setup.base, &setup.sources, Method::TaskArithmetic, 1.0);
            whole.align = align.cloned();
            let pool = with_sources(setup, device, progress, |sources| sources.pool(&whole, true))?;
            pool.checked().map_err(BadInput::error)
        })
    }

    /// The pool of that key, first in the list; `open` makes it where it is not loaded.
    fn pool(
        &mut self,
        key: PoolKey,
        open: impl FnOnce() -> anyhow::Result<Pool>,
    ) -> anyhow::Result<&mut CandidateModel> {
        if let Some(place) = self.pools.iter().position(|(known, _)| *known == key) {
            self.pools[..=place].rotate_right(1);
            self.pools[1..].iter_mut().for_each(|(_, other)| other.make_room());
        } else {
            self.pools.truncate(1);
            let pool = open()?;
            self.pools.iter_mut().for_each(|(_, other)| other.make_room());
            self.pools.insert(0, (key, CandidateModel::new(pool)));
        }
        Ok(&mut self.pools[0].1)
    }
}
