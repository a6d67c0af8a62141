//! Which models an evaluation works with, and where they come from.

use std::time::{Duration, Instant};

use super::fingerprints::check_model;
use super::model_sources::ModelSources;
use super::types::{EvalSetup, Progress};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::Device;
use crate::recipe::{Align, Precision, Recipe, TokenizerSpec};

/// How often news of a download are told at most.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// What a candidate_model was opened for: the models of a session, or those of one recipe.
#[derive(PartialEq)]
pub(super) struct PoolKey {
    base: Option<String>,
    sources: Vec<String>,
    made: Vec<Recipe>,
    /// How the sources were brought into the base's order, if they were.
    align: Option<Align>,
    /// The vocabulary that they were given, with the type of its tables, and the chat template.
    tokenizer: Option<(TokenizerSpec, Option<Precision>)>,
    chat_template: Option<String>,
    allow_non_finite: bool,
}

impl PoolKey {
    /// The models of a setup.
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

    /// All that a recipe needs.
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

/// Whether a setup's models are all that a recipe needs, and would give the same merge as its own.
pub(super) fn serves(setup: &EvalSetup, recipe: &Recipe) -> bool {
    let plain = recipe.tokenizer.is_none() && recipe.chat_template.is_none() && recipe.before.is_empty();
    let has = |model: &str| model == setup.base || setup.sources.iter().any(|s| s == model);
    plain && recipe.donor() == setup.base && recipe.references().into_iter().all(has)
}

/// Where a setup's models come from.
pub(super) fn supply<'a>(
    setup: &'a EvalSetup,
    device: &'a Device,
    fetch: &'a dyn Fn(&str) -> anyhow::Result<Checkpoint>,
    told: &'a dyn Fn(&str),
) -> ModelSources<'a> {
    ModelSources { made: &setup.made, device, fetch, told, allow_non_finite: setup.allow_non_finite }
}

/// Tells a line as a note.
pub(super) fn note(told: &dyn Fn(Progress)) -> impl Fn(&str) {
    move |line: &str| told(Progress::Note(line.to_owned()))
}

/// Opens a checkpoint, telling now and then how far its files have come. It must be what the setup's prints say.
pub(super) fn fetch(
    reference: &str,
    setup: &EvalSetup,
    told: &dyn Fn(Progress),
) -> anyhow::Result<Checkpoint> {
    let mut last = Instant::now();
    let mut progress = |file: &str, done: u64, of: u64| {
        if last.elapsed() > NOTE_EVERY {
            last = Instant::now();
            let mega = |bytes: u64| bytes / 1_000_000;
            told(Progress::Note(format!("{reference}: {file}, {} of {} MB", mega(done), mega(of))));
        }
    };
    let opened = Checkpoint::open_with_progress(reference, &mut progress).map_err(BadInput::error)?;
    check_model(reference, &setup.prints)?;
    Ok(opened)
}
