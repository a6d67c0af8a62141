//! From a recipe to the models that it is made of: the one way that every command and every session
//! goes. A model is a checkpoint, or the result of another recipe (of the same text, or of an earlier
//! stage of a session), which is made again in memory, so that nothing needs files of its own.

use std::collections::BTreeMap;

use anyhow::Context;

use super::align::{self, in_base_order};
use super::error::BadInput;
use super::fold;
use super::route::Route;
use crate::checkpoint::Checkpoint;
use crate::lm::Device;
use crate::merge::{Merged, Pool, with_template};
use crate::recipe::Recipe;

/// Where models come from.
#[derive(Clone, Copy)]
pub struct Supply<'a> {
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

impl Supply<'_> {
    /// Opens `reference`: the result of one of the recipes, with or without an adapter, or a model.
    pub fn open(&self, reference: &str) -> anyhow::Result<Checkpoint> {
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
        (self.fetch)(reference)
    }

    /// The result of a recipe as a model.
    fn make(&self, at: usize, reference: &str) -> anyhow::Result<Checkpoint> {
        // What it was merged from came before it.
        let (recipe, supply) = (&self.made[at], Supply { made: &self.made[..at], ..*self });
        if !recipe.path.is_empty() {
            let route = supply.route(recipe, &[])?;
            return Ok(fold::in_memory(recipe, route)?.called(reference));
        }
        let pool = supply.pool(recipe, false)?;
        let mut merged = Merged::new(&pool);
        pool.merge_into(recipe, &mut merged).map_err(BadInput::error)?;
        let config = merged.config().raw.clone();
        let model = pool.into_base().replaced(&config, merged.into_tensors(), BTreeMap::new());
        Ok(model.map_err(BadInput::error)?.called(reference))
    }

    /// The models of a recipe, with the vocabulary and the chat template that it asks for, its sources in
    /// the base's order where it asks for that. `often`: for more than one merge.
    pub fn pool(&self, recipe: &Recipe, often: bool) -> anyhow::Result<Pool> {
        let made = self.with(recipe);
        let supply = Supply { made: &made, ..*self };
        let base = recipe.base.as_deref().map(|name| supply.open(name)).transpose()?;
        let mut sources = Vec::new();
        for name in recipe.models() {
            sources.push(supply.open(name)?);
        }
        if let Some(how) = &recipe.align {
            let Some(base) = &base else {
                return Err(BadInput::error(
                    "recipe: align brings sources into a base's order, and no base is named",
                ));
            };
            let found = in_base_order(base, sources, how, self.device)?;
            for (source, found) in &found {
                for line in align::told(source.reference(), found) {
                    (self.told)(&line);
                }
            }
            sources = found.into_iter().map(|(source, _)| source).collect();
        }
        let open = |name| supply.open(name).context("recipe: tokenizer.source cannot be read");
        let giver = recipe.vocabulary_giver().map(open).transpose()?;
        let pool = Pool::for_recipe(recipe, base, sources, giver.as_ref(), often).map_err(BadInput::error)?;
        Ok(pool.allowing_non_finite(self.allow_non_finite))
    }

    /// The models that a recipe's path goes through, its base first with the chat template that the
    /// recipe asks for, and those of `pool` beside them.
    pub fn route(&self, recipe: &Recipe, pool: &[String]) -> anyhow::Result<Route> {
        let made = self.with(recipe);
        let supply = Supply { made: &made, ..*self };
        let mut route = Route::open(&Route::names(recipe, pool), |name| supply.open(name))?;
        route.models = with_template(recipe, route.models).map_err(BadInput::error)?;
        Ok(route)
    }

    /// All recipes that go by their names for one that is being made.
    fn with(&self, recipe: &Recipe) -> Vec<Recipe> {
        self.made.iter().chain(&recipe.before).cloned().collect()
    }
}
