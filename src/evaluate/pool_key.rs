//! Identifies a pool of models, so that a loaded pool can be used again. A setup or a recipe comes in, a key to compare
//! goes out. The loaded models call it.

use super::types::EvalSetup;
use crate::recipe::{Align, Precision, Recipe, TokenizerSpec};

/// What a pool was opened for: the models of a setup, or those of one recipe.
#[derive(PartialEq)]
pub(super) struct PoolKey {
    base: Option<String>,
    sources: Vec<String>,
    made: Vec<Recipe>,
    /// How the sources were aligned with the base, if they were.
    align: Option<Align>,
    /// The vocabulary that the models were given, with the tensor type of its tables, and the chat template.
    tokenizer: Option<(TokenizerSpec, Option<Precision>)>,
    chat_template: Option<String>,
    allow_non_finite: bool,
}

impl PoolKey {
    /// The key of the pool with a setup's models.
    pub fn of_setup(setup: &EvalSetup, align: Option<&Align>) -> Self {
        Self {
            base: Some(setup.base.clone()),
            sources: setup.sources.clone(),
            made: setup.made.clone(),
            align: align.cloned(),
            tokenizer: None,
            chat_template: None,
            allow_non_finite: setup.allow_non_finite,
        }
    }

    /// The key of the pool with all models that a recipe needs.
    pub fn of_recipe(setup: &EvalSetup, recipe: &Recipe) -> Self {
        Self {
            base: recipe.base.clone(),
            sources: recipe.models().into_iter().map(str::to_owned).collect(),
            made: setup.made.iter().chain(&recipe.before).cloned().collect(),
            align: recipe.align.clone(),
            tokenizer: recipe.tokenizer.clone().map(|spec| (spec, recipe.dtype)),
            chat_template: recipe.chat_template.clone(),
            allow_non_finite: setup.allow_non_finite,
        }
    }
}

/// Whether a recipe needs only the setup's models and merges the same from them as from its own pool.
pub(super) fn covers(setup: &EvalSetup, recipe: &Recipe) -> bool {
    let plain = recipe.tokenizer.is_none() && recipe.chat_template.is_none() && recipe.before.is_empty();
    let has = |model: &str| model == setup.base || setup.sources.iter().any(|s| s == model);
    plain && recipe.donor() == setup.base && recipe.references().into_iter().all(has)
}
