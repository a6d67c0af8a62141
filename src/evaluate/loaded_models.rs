//! The loaded models: pools with their candidates, a single model, a path. A setup and a target come in; a runner with
//! the target's weights goes out. Models and weights that the last target used too are not loaded again. The evaluator
//! calls it.

use super::candidate_model::CandidateModel;
use super::path_models::PathModels;
use super::pictures::VisionPart;
use super::pool_key::{PoolKey, covers};
use super::setup_sources::with_sources;
use super::task_runner::TaskRunner;
use super::types::{EvalSetup, Progress, Target};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::{self, Device, Precision};
use crate::merge::{Pool, path_vision_giver};
use crate::recipe::{Align, Method, Recipe};

/// A single model with more parameters than this is unloaded after it has answered.
const KEEP_ALONE: usize = 100_000_000;

/// All loaded models and their device.
#[derive(Default)]
pub(super) struct LoadedModels {
    /// The device, with the name and the precision that the setup gives it.
    device: Option<(String, Option<Precision>, lm::Picked)>,
    /// The pool in use, and the one before it.
    pools: Vec<(PoolKey, CandidateModel)>,
    /// A single model: its name, the recipes of the setup, its files and its runner.
    alone: Option<(String, Vec<Recipe>, Checkpoint, TaskRunner)>,
    /// The models of the last path, and the path's runner.
    path: Option<(PathKey, PathModels, Option<TaskRunner>)>,
}

/// A target that is ready to answer.
pub(super) struct Ready<'a> {
    pub runner: &'a mut TaskRunner,
    /// What sees pictures for it.
    pub vision: Option<VisionPart<'a>>,
}

/// Names of models, the recipes of those that are merged in memory, and the chat template.
type PathKey = (Vec<String>, Vec<Recipe>, Option<String>);

impl LoadedModels {
    /// Unloads all models, so that their files are read again. The device stays.
    pub fn clear(&mut self) {
        self.pools.clear();
        (self.alone, self.path) = (None, None);
    }

    /// Unloads the single model if it is large.
    pub fn drop_large(&mut self) {
        if self.alone.as_ref().is_some_and(|(.., runner)| runner.parameters > KEEP_ALONE) {
            self.alone = None;
        }
    }

    /// A setup's device, and whether it is a new one.
    pub fn device(&mut self, setup: &EvalSetup) -> anyhow::Result<(lm::Picked, bool)> {
        let (name, precision) = (&setup.device, setup.precision);
        if let Some((known, in_precision, picked)) = &self.device
            && (known, *in_precision) == (name, precision)
        {
            return Ok((picked.clone(), false));
        }
        let picked = lm::pick(name, precision).map_err(BadInput::error)?;
        // The loaded models are on the previous device.
        self.alone = None;
        self.path = None;
        self.pools.iter_mut().for_each(|(_, candidate)| candidate.clear());
        self.device = Some((name.clone(), precision, picked.clone()));
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

    /// A runner with the target's weights. If the questions have `pictures`, a text model of the setup sees with the
    /// vision part of the setup's VLM.
    pub fn runner(
        &mut self,
        setup: &EvalSetup,
        target: &Target,
        pictures: bool,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<Ready<'_>> {
        let lends = pictures && !setup.base.is_empty();
        match target {
            Target::Model(model) => {
                if lends {
                    self.setup_pool(setup, device, None, progress)?;
                }
                self.model_alone(setup, model, device, progress)
            }
            Target::Recipe(recipe) if !recipe.path.is_empty() => {
                if lends {
                    self.setup_pool(setup, device, None, progress)?;
                }
                self.path(setup, recipe, device, progress)
            }
            Target::Recipe(recipe) => self.merge(setup, recipe, device, progress),
        }
    }

    fn model_alone(
        &mut self,
        setup: &EvalSetup,
        model: &str,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<Ready<'_>> {
        let same = |name: &str, made: &[Recipe]| name == model && made == setup.made;
        let kept = self.alone.take().filter(|(name, made, ..)| same(name, made));
        let (checkpoint, runner) = if let Some((.., checkpoint, runner)) = kept {
            (checkpoint, runner)
        } else {
            let checkpoint = with_sources(setup, device, progress, |sources| sources.open(model))?;
            let runner = TaskRunner::load(&checkpoint, checkpoint.config(), &checkpoint, device)?;
            (checkpoint, runner)
        };
        let lent = self.pools.first().and_then(|(_, pool)| pool.vision());
        let (.., checkpoint, runner) =
            self.alone.insert((model.to_owned(), setup.made.clone(), checkpoint, runner));
        let vision = VisionPart::of(checkpoint).or(lent.filter(|_| !setup.base.is_empty()));
        Ok(Ready { runner, vision })
    }

    /// A runner with a recipe's merge. The pool is the setup's models if the recipe needs no others; it then stays
    /// loaded for the next candidate. Else the pool is opened for this recipe.
    fn merge(
        &mut self,
        setup: &EvalSetup,
        recipe: &Recipe,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<Ready<'_>> {
        let candidate = if covers(setup, recipe) {
            self.setup_pool(setup, device, recipe.align.as_ref(), progress)?
        } else {
            self.pool(PoolKey::of_recipe(setup, recipe), || {
                with_sources(setup, device, progress, |sources| sources.pool(recipe, true))
            })?
        };
        let (runner, vision) = candidate.prepare_with_vision(recipe, device, progress)?;
        Ok(Ready { runner, vision })
    }

    /// A runner on a recipe's path. Another path over the same models loads only layers that no earlier path used.
    fn path(
        &mut self,
        setup: &EvalSetup,
        recipe: &Recipe,
        device: &Device,
        progress: &dyn Fn(Progress),
    ) -> anyhow::Result<Ready<'_>> {
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
        let lent = self.pools.first().and_then(|(_, pool)| pool.vision());
        let (_, models, place) = self.path.insert((key, models, None));
        let vision = path_vision_giver(models.checkpoints.iter()).and_then(VisionPart::of);
        let vision = vision.or(lent.filter(|_| !setup.base.is_empty()));
        Ok(Ready { runner: place.insert(runner), vision })
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
            // All models must have the same architecture, even if a candidate uses only some: checked before any merge.
            let mut whole = Recipe::uniform(&setup.base, &setup.sources, Method::TaskArithmetic, 1.0);
            whole.align = align.cloned();
            let pool = with_sources(setup, device, progress, |sources| sources.pool(&whole, true))?;
            pool.checked().map_err(BadInput::error)
        })
    }

    /// Moves the pool with this key to the front of the list; `open` makes the pool if it is not loaded.
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
