//! The loaded models: pools with their candidates, a single model, a path. A setup and a target come in; a runner with
//! the target's weights goes out. Models and weights that the last target used too are not loaded again. The evaluator
//! calls it.

use super::candidate_model::CandidateModel;
use super::memory_plan::{Load, MemoryPlan, Workload};
use super::model_sources::ModelSources;
use super::path_models::PathModels;
use super::pictures::VisionPart;
use super::pool_key::{PoolKey, covers};
use super::setup_sources::with_sources;
use super::task_runner::TaskRunner;
use super::types::{EvalSetup, Listener, Target};
use super::watched_weights::{WatchedWeights, meter_of_model};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::{self, Device, Precision};
use crate::memory;
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

/// What a model is asked: at most, or exactly, which its tokenizer tells.
pub(super) type Asking<'a> = &'a dyn Fn(&Checkpoint, bool) -> anyhow::Result<Workload>;

/// What a target is made ready on and for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub setup: &'a EvalSetup,
    pub device: &'a Device,
    pub asking: Asking<'a>,
    pub listener: &'a Listener<'a>,
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

    /// Opens a setup's models, and counts their decoder blocks. Models whose merges do not fit into memory are refused
    /// before they are read.
    pub fn open(&mut self, wanted: &Wanted<'_>) -> anyhow::Result<usize> {
        Ok(self.setup_pool(wanted, None)?.pool.layers())
    }

    /// What a target takes in memory. Its models are opened, and nothing is read.
    pub fn plan(wanted: &Wanted<'_>, target: &Target) -> anyhow::Result<MemoryPlan> {
        let Wanted { setup, device, asking, listener } = *wanted;
        let planned = |load: Load<'_>, files: &Checkpoint| load.plan(device, &asking(files, true)?);
        let outlined = |sources: &ModelSources<'_>| match target {
            Target::Model(model) => {
                let model = sources.open(model)?;
                planned(Load::Model(&model), &model)
            }
            Target::Recipe(recipe) if !recipe.path.is_empty() => {
                let path = sources.path_models(recipe, &path_pool(setup))?;
                let steps = path.steps(recipe)?;
                let load = Load::Path { models: &path.checkpoints, steps: &steps, loaded: &[] };
                planned(load, &path.checkpoints[path.file_giver()])
            }
            Target::Recipe(recipe) => {
                let mut whole = Recipe::clone(recipe);
                if covers(setup, recipe) {
                    whole = whole_setup(setup, recipe.align.as_ref());
                }
                let pool = sources.pool(&whole, true)?;
                let load = Load::of_pool(&pool, recipe)?;
                planned(load, pool.file_giver())
            }
        };
        with_sources(setup, device, listener, |sources| {
            outlined(&ModelSources { outlined: true, ..*sources })
        })
    }

    /// Refuses what does not fit on the device. Other models are unloaded if that makes room.
    fn admit(&mut self, wanted: &Wanted<'_>, load: &Load<'_>, files: &Checkpoint) -> anyhow::Result<()> {
        // Most often even an upper bound fits.
        if load.fits(wanted.device, &(wanted.asking)(files, false)?)? {
            return Ok(());
        }
        let asked = (wanted.asking)(files, true)?;
        memory::give_back();
        if load.fits(wanted.device, &asked)? {
            return Ok(());
        }
        (self.alone, self.path) = (None, None);
        self.pools.iter_mut().for_each(|(_, candidate)| candidate.clear());
        memory::give_back();
        load.check(wanted.device, &asked)
    }

    /// A runner with the target's weights. If the questions have `pictures`, a text model of the setup sees with the
    /// vision part of the setup's VLM.
    pub fn runner(
        &mut self,
        wanted: &Wanted<'_>,
        target: &Target,
        pictures: bool,
    ) -> anyhow::Result<Ready<'_>> {
        let lends = pictures && !wanted.setup.base.is_empty();
        match target {
            Target::Model(model) => {
                if lends {
                    self.setup_pool(wanted, None)?;
                }
                self.model_alone(wanted, model)
            }
            Target::Recipe(recipe) if !recipe.path.is_empty() => {
                if lends {
                    self.setup_pool(wanted, None)?;
                }
                self.path(wanted, recipe)
            }
            Target::Recipe(recipe) => self.merge(wanted, recipe),
        }
    }

    fn model_alone(&mut self, wanted: &Wanted<'_>, model: &str) -> anyhow::Result<Ready<'_>> {
        let Wanted { setup, device, listener, .. } = *wanted;
        let same = |name: &str, made: &[Recipe]| name == model && made == setup.made;
        let kept = self.alone.take().filter(|(name, made, ..)| same(name, made));
        let (checkpoint, runner) = if let Some((.., checkpoint, runner)) = kept {
            (checkpoint, runner)
        } else {
            let checkpoint = with_sources(setup, device, listener, |sources| sources.open(model))?;
            self.admit(wanted, &Load::Model(&checkpoint), &checkpoint)?;
            let runner = listener.observe(|observer| {
                let meter = meter_of_model(&checkpoint, observer);
                let weights = WatchedWeights::new(&checkpoint, &meter);
                TaskRunner::load(&checkpoint, checkpoint.config(), &weights, device)
            })?;
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
    fn merge(&mut self, wanted: &Wanted<'_>, recipe: &Recipe) -> anyhow::Result<Ready<'_>> {
        let Wanted { setup, device, listener, .. } = *wanted;
        let candidate = if covers(setup, recipe) {
            self.setup_pool(wanted, recipe.align.as_ref())?
        } else {
            let open = || with_sources(setup, device, listener, |sources| sources.pool(recipe, true));
            self.pool(PoolKey::of_recipe(setup, recipe), open, &mut |_, pool| Ok(pool))?
        };
        if !candidate.is_loaded() {
            let (key, candidate) = self.pools.remove(0);
            let pool = &candidate.pool;
            let fits =
                Load::of_pool(pool, recipe).and_then(|load| self.admit(wanted, &load, pool.file_giver()));
            self.pools.insert(0, (key, candidate));
            fits?;
        }
        let (runner, vision) = self.pools[0].1.prepare_with_vision(recipe, device, listener)?;
        Ok(Ready { runner, vision })
    }

    /// A runner on a recipe's path. Another path over the same models loads only layers that no earlier path used.
    fn path(&mut self, wanted: &Wanted<'_>, recipe: &Recipe) -> anyhow::Result<Ready<'_>> {
        let Wanted { setup, device, listener, .. } = *wanted;
        let pool = path_pool(setup);
        let made = setup.made.iter().chain(&recipe.before).cloned().collect();
        let key = (PathModels::names(recipe, &pool), made, recipe.chat_template.clone());
        let kept = self.path.take().filter(|(known, ..)| *known == key);
        let (models, runner) = if let Some((_, models, runner)) = kept {
            (models, runner)
        } else {
            (with_sources(setup, device, listener, |sources| sources.path_models(recipe, &pool))?, None)
        };
        let steps = models.steps(recipe)?;
        let loaded = runner.as_ref().map_or_else(Vec::new, |runner| runner.decoder.loaded_layers());
        if steps.iter().any(|step| !loaded.contains(&(step.model, step.layer))) {
            let load = Load::Path { models: &models.checkpoints, steps: &steps, loaded: &loaded };
            self.admit(wanted, &load, &models.checkpoints[models.file_giver()])?;
        }
        let runner = match runner {
            Some(mut runner) => {
                listener.observe(|observer| models.redirect(&mut runner, &steps, observer))?;
                runner
            }
            None => listener.observe(|observer| models.runner(&steps, device, observer))?,
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
        wanted: &Wanted<'_>,
        align: Option<&Align>,
    ) -> anyhow::Result<&mut CandidateModel> {
        let Wanted { setup, device, listener, .. } = *wanted;
        // All models must have the same architecture, even if a candidate uses only some: checked before any merge.
        let whole = whole_setup(setup, align);
        let open = || with_sources(setup, device, listener, |sources| sources.pool(&whole, true));
        self.pool(PoolKey::of_setup(setup, align), open, &mut |models, pool| {
            let usual = Recipe { method: setup.method.unwrap_or(whole.method), ..whole.clone() };
            // Some methods cannot merge all models at once.
            let load = Load::of_pool(&pool, &usual).or_else(|_| Load::of_pool(&pool, &whole))?;
            models.admit(wanted, &load, pool.file_giver())?;
            listener.observe(|observer| pool.checked(observer)).map_err(BadInput::error)
        })
    }

    /// Moves the pool with this key to the front of the list. If it is not loaded, `open` makes the pool, and `check`
    /// reads its models.
    fn pool(
        &mut self,
        key: PoolKey,
        open: impl FnOnce() -> anyhow::Result<Pool>,
        check: &mut dyn FnMut(&mut Self, Pool) -> anyhow::Result<Pool>,
    ) -> anyhow::Result<&mut CandidateModel> {
        if let Some(place) = self.pools.iter().position(|(known, _)| *known == key) {
            self.pools[..=place].rotate_right(1);
            self.pools[1..].iter_mut().for_each(|(_, other)| other.make_room());
        } else {
            self.pools.truncate(1);
            let pool = check(self, open()?)?;
            self.pools.iter_mut().for_each(|(_, other)| other.make_room());
            self.pools.insert(0, (key, CandidateModel::new(pool)));
        }
        Ok(&mut self.pools[0].1)
    }
}

/// A merge of all models of a setup.
fn whole_setup(setup: &EvalSetup, align: Option<&Align>) -> Recipe {
    let whole = Recipe::uniform(&setup.base, &setup.sources, Method::TaskArithmetic, 1.0);
    Recipe { align: align.cloned(), ..whole }
}

/// The models that other paths of a setup may use.
fn path_pool(setup: &EvalSetup) -> Vec<String> {
    let base = (!setup.base.is_empty()).then(|| setup.base.clone());
    setup.sources.iter().cloned().chain(base).collect()
}
