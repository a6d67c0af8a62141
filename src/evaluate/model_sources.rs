//! From a recipe to the models that it is made of: the one way that every command and every session
//! goes. A model is a checkpoint, or the result of another recipe (of the same text, or of an earlier
//! stage of a session), which is made again in memory, so that nothing needs files of its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use anyhow::Context;

use super::align::{self, in_base_order};
use super::path_export;
use super::path_models::PathModels;
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::Device;
use crate::merge::{Merged, Pool, with_template};
use crate::recipe::Recipe;

/// Where models come from.
#[derive(Clone, Copy)]
pub struct ModelSources<'a> {
    /// Recipes whose results go by their names, each after those that it uses.
    pub made: &'a [Recipe],
    /// On which alignments by activations are worked out.
    pub device: &'a Device,
    /// Opens a model that no recipe makes.
    pub fetch: &'a dyn Fn(&str) -> anyhow::Result<Checkpoint>,
    /// Hears what was found on the way.
    pub told: &'a dyn Fn(&str),
    /// Takes values that are not finite, in models and in what is made of them.
    pub allow_non_finite: bool,
}

impl ModelSources<'_> {
    /// Opens `reference`: the result of one of the recipes, with or without an adapter, or a model.
    pub fn open(&self, reference: &str) -> anyhow::Result<Checkpoint> {
        self.with(None, |making| making.open(reference))
    }

    /// The models of a recipe, with the vocabulary and the chat template that it asks for, its sources in
    /// the base's order where it asks for that. `often`: for more than one merge.
    pub fn pool(&self, recipe: &Recipe, often: bool) -> anyhow::Result<Pool> {
        self.with(Some(recipe), |making| making.pool(recipe, often))
    }

    /// The models that a recipe's path goes through, its base first with the chat template that the
    /// recipe asks for, and those of `pool` beside them.
    pub fn path_models(&self, recipe: &Recipe, pool: &[String]) -> anyhow::Result<PathModels> {
        self.with(Some(recipe), |making| making.path_models(recipe, pool))
    }

    /// Runs `run` with all recipes that go by their names where `recipe` is made.
    fn with<T>(&self, recipe: Option<&Recipe>, run: impl FnOnce(Making<'_>) -> T) -> T {
        let before = recipe.map_or(&[][..], |recipe| &recipe.before);
        let made: Vec<Recipe> = self.made.iter().chain(before).cloned().collect();
        let mut uses = HashMap::new();
        for name in made.iter().chain(recipe).flat_map(Recipe::references) {
            *uses.entry(name.split_once('+').map_or(name, |(name, _)| name)).or_insert(0) += 1;
        }
        run(Making { supply: *self, made: &made, uses: &uses, kept: &RefCell::default() })
    }
}

/// What one recipe is made of, while it is made.
#[derive(Clone, Copy)]
struct Making<'a> {
    supply: ModelSources<'a>,
    /// The recipes that go by their names here.
    made: &'a [Recipe],
    /// How often each name is asked for.
    uses: &'a HashMap<&'a str, usize>,
    /// Results that are asked for more than once, by their recipes' places.
    kept: &'a RefCell<HashMap<usize, Checkpoint>>,
}

impl Making<'_> {
    fn open(self, reference: &str) -> anyhow::Result<Checkpoint> {
        let named = |name: &str| self.made.iter().rposition(|r| r.name.as_deref() == Some(name));
        if let Some(at) = named(reference) {
            return self.make(at, reference);
        }
        if let Some((name, adapter)) = reference.split_once('+')
            && let Some(at) = named(name)
        {
            let model = self.make(at, name)?;
            return model.with_adapter(reference, adapter, &mut |_, _, _| ()).map_err(BadInput::error);
        }
        if reference.starts_with("stage:") {
            return Err(BadInput::error(format!(
                "{reference} is what a stage of a session has merged, and is known there only: \
                 write it with `yosegi merge --session NAME`"
            )));
        }
        (self.supply.fetch)(reference)
    }

    /// The result of a recipe as a model.
    fn make(self, at: usize, reference: &str) -> anyhow::Result<Checkpoint> {
        if let Some(model) = self.kept.borrow().get(&at) {
            return Ok(model.clone());
        }
        let recipe = &self.made[at];
        // What it was merged from came before it.
        let made = &self.made[..at];
        let model = if recipe.before.is_empty() {
            Self { made, ..self }.result(recipe)
        } else {
            ModelSources { made, ..self.supply }.with(Some(recipe), |making| making.result(recipe))
        }?;
        let model = model.called(reference);
        if self.uses.get(reference).is_some_and(|uses| *uses > 1) {
            self.kept.borrow_mut().insert(at, model.clone());
        }
        Ok(model)
    }

    fn result(self, recipe: &Recipe) -> anyhow::Result<Checkpoint> {
        if !recipe.path.is_empty() {
            return path_export::in_memory(recipe, self.path_models(recipe, &[])?);
        }
        let pool = self.pool(recipe, false)?;
        let mut merged = Merged::new(&pool);
        pool.merge_into(recipe, &mut merged).map_err(BadInput::error)?;
        let config = merged.config().raw.clone();
        pool.into_base().replaced(&config, merged.into_tensors(), BTreeMap::new()).map_err(BadInput::error)
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
            let found = in_base_order(base, sources, how, self.supply.device)?;
            for (source, found) in &found {
                for line in align::told(source.reference(), found) {
                    (self.supply.told)(&line);
                }
            }
            sources = found.into_iter().map(|(source, _)| source).collect();
        }
        let open = |name| self.open(name).context("recipe: tokenizer.source cannot be read");
        let giver = recipe.vocabulary_giver().map(open).transpose()?;
        let pool = Pool::for_recipe(recipe, base, sources, giver.as_ref(), often).map_err(BadInput::error)?;
        Ok(pool.allowing_non_finite(self.supply.allow_non_finite))
    }

    fn path_models(self, recipe: &Recipe, pool: &[String]) -> anyhow::Result<PathModels> {
        let mut path = PathModels::open(&PathModels::names(recipe, pool), |name| self.open(name))?;
        path.checkpoints = with_template(recipe, path.checkpoints).map_err(BadInput::error)?;
        Ok(path)
    }
}
