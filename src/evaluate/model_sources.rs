//! Opens the models of a recipe. A name or a recipe comes in; a checkpoint, a pool to merge or a path's models go out.
//! All commands and sessions open models through it. A model is a checkpoint on disk, or the result of another recipe
//! (of the same file, or of an earlier stage of a session). Such a result is merged again in memory and needs no files.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use anyhow::Context;

use super::align::{self, in_base_order};
use super::memory_plan;
use super::path_export;
use super::path_models::PathModels;
use crate::checkpoint::{Checkpoint, Place, place_of};
use crate::error::BadInput;
use crate::lm::Device;
use crate::memory;
use crate::merge::{Merged, Pool, with_template};
use crate::progress::Observer;
use crate::recipe::Recipe;

/// How to open models.
#[derive(Clone, Copy)]
pub struct ModelSources<'a> {
    /// Recipes whose results are models under the recipes' names. A recipe comes after the recipes that it uses.
    pub made: &'a [Recipe],
    /// The device that runs models to compare their activations for an alignment.
    pub device: &'a Device,
    /// Opens a model that is not the result of a recipe.
    pub fetch: &'a dyn Fn(&str) -> anyhow::Result<Checkpoint>,
    /// Receives the results of alignments, one line at a time.
    pub note: &'a dyn Fn(&str),
    /// Accepts NaN and infinities, in models and in merges.
    pub allow_non_finite: bool,
    /// Opens outlines of the models that recipes make: zeros that take no memory, for a plan of what they would take.
    pub outlined: bool,
}

impl ModelSources<'_> {
    /// Opens `reference`: a model, or the result of one of the recipes, with or without an adapter.
    ///
    /// # Errors
    /// A model that does not exist or cannot be read, or a recipe that cannot be merged.
    pub fn open(&self, reference: &str) -> anyhow::Result<Checkpoint> {
        self.with(None, |scope| scope.open(reference))
    }

    /// The models of a recipe with the vocabulary and the chat template that the recipe asks for. The sources are
    /// aligned if the recipe has `align`. `often`: more than one merge will be made from this pool.
    ///
    /// # Errors
    /// As [`Self::open`], or models that do not fit together.
    pub fn pool(&self, recipe: &Recipe, often: bool) -> anyhow::Result<Pool> {
        self.with(Some(recipe), |scope| scope.pool(recipe, often))
    }

    /// The models of a recipe's path and those of `pool`, which later paths may use. The base comes first, with the
    /// chat template that the recipe asks for.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn path_models(&self, recipe: &Recipe, pool: &[String]) -> anyhow::Result<PathModels> {
        self.with(Some(recipe), |scope| scope.path_models(recipe, pool))
    }

    /// Runs `run` with the names of the recipe results that `recipe` may use.
    fn with<T>(&self, recipe: Option<&Recipe>, run: impl FnOnce(Scope<'_>) -> T) -> T {
        let before = recipe.map_or(&[][..], |recipe| &recipe.before);
        let made: Vec<Recipe> = self.made.iter().chain(before).cloned().collect();
        let mut uses = HashMap::new();
        for name in made.iter().chain(recipe).flat_map(Recipe::references) {
            *uses.entry(name.split_once('+').map_or(name, |(name, _)| name)).or_insert(0) += 1;
        }
        run(Scope { sources: *self, made: &made, uses: &uses, kept: &RefCell::default() })
    }
}

/// The names of the recipe results that one recipe may use.
#[derive(Clone, Copy)]
struct Scope<'a> {
    sources: ModelSources<'a>,
    /// The recipes. A recipe comes after the recipes that it uses.
    made: &'a [Recipe],
    /// How often each name is used.
    uses: &'a HashMap<&'a str, usize>,
    /// Results that are used more than once, by their recipe's index in `made`.
    kept: &'a RefCell<HashMap<usize, Checkpoint>>,
}

impl Scope<'_> {
    fn open(self, reference: &str) -> anyhow::Result<Checkpoint> {
        let named = |name: &str| self.made.iter().rposition(|r| r.name.as_deref() == Some(name));
        if let Some(at) = named(reference) {
            return self.make(at, reference);
        }
        if let Some((name, adapter)) = reference.split_once('+')
            && let Some(at) = named(name)
        {
            let model = self.make(at, name)?;
            return model.with_adapter(reference, adapter, &Observer::none()).map_err(BadInput::error);
        }
        if reference.starts_with("stage:") {
            return Err(BadInput::error(format!(
                "{reference} is what a stage of a session has merged, and is known there only: \
                 write it with `yosegi merge --session NAME`"
            )));
        }
        if self.sources.outlined
            && let Place::Hub { download: bytes, .. } = place_of(reference).map_err(BadInput::error)?
        {
            let size = bytes.map_or_else(String::new, |bytes| format!(" ({} to fetch)", memory::size(bytes)));
            return Err(BadInput::error(format!(
                "{reference} is not on this machine{size}, so what it takes is not known: fetch it with `yosegi inspect {reference}`"
            )));
        }
        (self.sources.fetch)(reference)
    }

    /// The result of a recipe as a model.
    fn make(self, at: usize, reference: &str) -> anyhow::Result<Checkpoint> {
        if let Some(model) = self.kept.borrow().get(&at) {
            return Ok(model.clone());
        }
        let recipe = &self.made[at];
        // A recipe uses only recipes before it.
        let made = &self.made[..at];
        let model = if recipe.before.is_empty() {
            Self { made, ..self }.result(recipe)
        } else {
            ModelSources { made, ..self.sources }.with(Some(recipe), |scope| scope.result(recipe))
        }?;
        let model = model.called(reference);
        if self.uses.get(reference).is_some_and(|uses| *uses > 1) {
            self.kept.borrow_mut().insert(at, model.clone());
        }
        Ok(model)
    }

    fn result(self, recipe: &Recipe) -> anyhow::Result<Checkpoint> {
        if !recipe.path.is_empty() {
            let path = self.path_models(recipe, &[])?;
            return if self.sources.outlined {
                path_export::outlined(recipe, path)
            } else {
                path_export::in_memory(recipe, path)
            };
        }
        let pool = self.pool(recipe, false)?;
        if self.sources.outlined {
            return memory_plan::of_merge(pool, recipe);
        }
        let footprint = pool.footprint(recipe).map_err(BadInput::error)?;
        let what = recipe.name.as_deref().unwrap_or("a merge that another recipe uses");
        memory_plan::room_for(what, footprint.bytes + footprint.passing + footprint.vision)?;
        let mut merged = Merged::new(&pool);
        pool.merge_into(recipe, &mut merged).map_err(BadInput::error)?;
        let config = merged.config().raw.clone();
        pool.into_file_giver()
            .replaced(&config, merged.into_tensors(), BTreeMap::new())
            .map_err(BadInput::error)
    }

    fn pool(self, recipe: &Recipe, often: bool) -> anyhow::Result<Pool> {
        let base = recipe.base.as_deref().map(|name| self.open(name)).transpose()?;
        let mut sources = Vec::new();
        for name in recipe.models() {
            sources.push(self.open(name)?);
        }
        if let Some(how) = &recipe.align {
            let Some(base) = &base else {
                return Err(BadInput::error(
                    "recipe: align brings sources into a base's order, and no base is named",
                ));
            };
            if self.sources.outlined {
                let outlines =
                    sources.into_iter().map(memory_plan::of_aligned).collect::<anyhow::Result<_>>();
                return self.pool_of(recipe, Some(base.clone()), outlines?, often);
            }
            let found = in_base_order(base, sources, how, self.sources.device)?;
            for (source, found) in &found {
                for line in align::summary(source.reference(), found) {
                    (self.sources.note)(&line);
                }
            }
            sources = found.into_iter().map(|(source, _)| source).collect();
        }
        self.pool_of(recipe, base, sources, often)
    }

    fn pool_of(
        self,
        recipe: &Recipe,
        base: Option<Checkpoint>,
        sources: Vec<Checkpoint>,
        often: bool,
    ) -> anyhow::Result<Pool> {
        let open = |name| self.open(name).context("recipe: tokenizer.source cannot be read");
        let giver = recipe.vocabulary_giver().map(open).transpose()?;
        let pool = Pool::for_recipe(recipe, base, sources, giver.as_ref(), often).map_err(BadInput::error)?;
        pool.settings_taken(recipe).iter().for_each(|line| (self.sources.note)(line));
        Ok(pool.allowing_non_finite(self.sources.allow_non_finite))
    }

    fn path_models(self, recipe: &Recipe, pool: &[String]) -> anyhow::Result<PathModels> {
        let mut path = PathModels::open(&PathModels::names(recipe, pool), |name| self.open(name))?;
        let files = path.file_giver();
        path.checkpoints = with_template(recipe, path.checkpoints, files).map_err(BadInput::error)?;
        Ok(path)
    }
}
