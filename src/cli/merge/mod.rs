//! `yosegi merge`: a recipe, or the recipe of a session's best candidate, comes in; a Hugging Face checkpoint goes out.
//! The command line calls it.

mod chain;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::output::follow::{INTERRUPTED, catch_interrupt, release_interrupt};
use super::output::headway::{observer, tell};
use super::output::say::{note, out};
use super::{fetch, models};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::evaluate::fingerprints::model_changes;
use crate::evaluate::{ModelSources, path_export};
use crate::merge::{ExportPlan, Measured, Options, Written, export, path_vision_giver, read_size};
use crate::progress::Observer;
use crate::recipe::{Recipe, RecipeFile};
use crate::session::Home;
use crate::session::journal::Reader;
use crate::session::protocol::{Score, Target};
use crate::session::state::Entry;
use crate::text::visible_line;

#[derive(Debug, clap::Args)]
pub struct Merge {
    /// A recipe (TOML or mergekit's YAML), or several of which one uses another's result by its name
    #[arg(required_unless_present = "session", conflicts_with = "session")]
    pub recipe: Option<PathBuf>,
    /// The best candidate of this session, in place of a recipe
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// Folder to write; must not exist or be empty. A merge that was killed goes on where it stopped
    #[arg(long, required_unless_present_any = ["dry_run", "intermediates"])]
    pub out: Option<PathBuf>,
    /// Of several recipes: the folder that keeps the results that others use, each under its name;
    /// what is there already is taken over. Without it they lie beside --out until that is written
    #[arg(long, value_name = "DIR", conflicts_with = "session")]
    pub intermediates: Option<PathBuf>,
    /// Seed of the mask stream, in place of the recipe's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Most bytes of tensors in one file, such as 5GB or 500MB
    #[arg(long, value_name = "SIZE", default_value = "5GB", value_parser = read_size)]
    pub shard_size: u64,
    #[command(flatten)]
    pub how: super::recipe::RecipeArgs,
    /// How far a folded path's logits may be from the path's own, relative to the greatest;
    /// off writes without comparing
    #[arg(long, value_parser = read_bound, default_value_t = path_export::BOUND)]
    pub fold_bound: f64,
    /// Say what would be written, with sizes, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Merges and writes the checkpoint, or prints what would be written.
pub fn run(args: &Merge) -> Result<()> {
    crate::print::goes_on();
    let mut made = Vec::new();
    let (recipe, measured) = match (&args.recipe, &args.session) {
        (_, Some(session)) => best_of(session, &mut made)?,
        (Some(file), None) => {
            let mut recipe_file = RecipeFile::open(file, args.how.lenient)?;
            for warning in &recipe_file.warnings {
                note(&visible_line(warning));
            }
            for recipe in &mut recipe_file.recipes {
                recipe.seed = args.seed.unwrap_or(recipe.seed);
            }
            if recipe_file.recipes.len() > 1 {
                return chain::run(&recipe_file, args);
            }
            (recipe_file.into_recipe()?, None)
        }
        (None, None) => return Err(BadInput::error("name a recipe, or a session with --session")),
    };
    let recipe = Recipe { seed: args.seed.unwrap_or(recipe.seed), ..recipe };
    if args.intermediates.is_some() {
        return Err(BadInput::error(
            "--intermediates is for a file of several recipes; this one holds one, which goes to --out",
        ));
    }
    let options = Options { shard_size: args.shard_size, measured, ..Options::default() };
    let device = super::device::auto()?;
    let sources = ModelSources {
        made: &made,
        device: &device,
        fetch: &fetch::open,
        note: &note,
        allow_non_finite: args.how.allow_non_finite,
        outlined: false,
    };
    let step = Step { recipe: &recipe, options: &options, fold_bound: args.fold_bound, sources };
    match &args.out {
        Some(folder) if !args.dry_run => out(&step.write(folder)?),
        folder => out(step.plan(folder.as_deref())?.trim_end()),
    }
}

/// One recipe with what is needed to write its merge.
pub struct Step<'a> {
    pub recipe: &'a Recipe,
    pub options: &'a Options,
    pub fold_bound: f64,
    pub sources: ModelSources<'a>,
}

impl Step<'_> {
    /// Merges the recipe, or folds its path, and writes the checkpoint. Returns one line on what was written.
    pub fn write(&self, folder: &Path) -> Result<String> {
        let started = Instant::now();
        let Self { recipe, options, .. } = *self;
        let observer = observer(&INTERRUPTED);
        let (written, what) = if recipe.path.is_empty() {
            let pool = self.sources.pool(recipe, false)?;
            let models = recipe.models().len() + usize::from(recipe.base.is_some());
            let what = format!("{} of {models} models", recipe.method.name());
            note_packing(pool.base());
            // From here on there are files that must not stay half written.
            catch_interrupt();
            (export(recipe, &pool, folder, options, &observer)?, what)
        } else {
            self.fold(folder, &observer)?
        };
        release_interrupt();
        if written.kept > 0 {
            note(&format!("{} of {} weight files were there already", written.kept, written.shards));
        }
        Ok(format!(
            "{}: {what}, {} in {} file{}, {:.1} s",
            folder.display(),
            models::size(written.bytes),
            written.shards,
            if written.shards == 1 { "" } else { "s" },
            started.elapsed().as_secs_f64()
        ))
    }

    /// Folds the recipe's path into an ordinary checkpoint. Returns one line on how far its logits are from the path's.
    fn fold(&self, folder: &Path, observer: &Observer<'_>) -> Result<(Written, String)> {
        let recipe = self.recipe;
        let path = self.sources.path_models(recipe, &[])?;
        note_packing(&path.checkpoints[0]);
        let device = self.sources.device;
        catch_interrupt();
        let (written, apart) =
            path_export::export(recipe, &path, folder, self.fold_bound, device, self.options, observer)?;
        let found = apart.map_or_else(
            || "not compared with the path".to_owned(),
            |a| {
                let share = format!("the same likeliest token at {} of {} positions", a.same, a.of);
                format!("logits within {:.1e} of the path's greatest, {share}", a.logits)
            },
        );
        let steps = recipe.path.len();
        Ok((written, format!("a path of {steps} steps as {steps} layers of {}: {found}", recipe.donor())))
    }

    /// What would be written, and from which models.
    pub fn plan(&self, folder: Option<&Path>) -> Result<String> {
        let recipe = self.recipe;
        if !recipe.path.is_empty() {
            let path = self.sources.path_models(recipe, &[])?;
            note_packing(&path.checkpoints[0]);
            let outline = path_export::outline(recipe, &path, self.options)?;
            let giver = path_vision_giver(path.checkpoints.iter()).map(Checkpoint::reference);
            return Ok(told(recipe, giver, &path.checkpoints, &outline, folder));
        }
        let pool = self.sources.pool(recipe, false)?;
        note_packing(pool.base());
        let outline = ExportPlan::of(recipe, &pool, self.options)?;
        let giver = pool.vision_giver().map(Checkpoint::reference);
        Ok(told(recipe, giver, std::iter::once(pool.base()).chain(pool.sources()), &outline, folder))
    }
}

/// Prints a note for each key of the model's config that the merge's config leaves out.
fn note_packing(donor: &Checkpoint) {
    for key in donor.config().packing() {
        note(&visible_line(&format!(
            "{}/config.json: {key} is left out: the weights that are merged and written are plain ones",
            donor.reference()
        )));
    }
}

/// The recipe of a session's best candidate and its measured figures. The recipes of earlier stages' winners, which it
/// may use, are put into `made`.
fn best_of(session: &str, made: &mut Vec<Recipe>) -> Result<(Recipe, Option<Measured>)> {
    let reader = Reader::open(&Home::from_env()?, session)?;
    let (state, lost) = reader.legible_state()?;
    if let Some(trouble) = lost {
        if state.seq == 0 {
            return Err(trouble.into());
        }
        note(&trouble.what);
    }
    *made = state.made();
    let best = state.best_entry().ok_or_else(|| {
        BadInput::error(format!("the session {session} has measured no candidate yet: let it run first"))
    })?;
    let Target::Recipe(recipe) = &best.candidate.target else {
        return Err(BadInput::error(format!(
            "the best of session {session} is {}, a model as it is: there is nothing to merge",
            best.candidate.label
        )));
    };
    // The figures don't describe a merge of files that have changed since the measurement.
    let prints = reader.prints()?;
    let all = made.iter().chain(&recipe.before).chain([&**recipe]);
    let models: BTreeSet<&str> =
        all.flat_map(Recipe::references).filter(|name| !name.starts_with("stage:")).collect();
    for model in models {
        for change in model_changes(model, &prints, &Observer::telling(&tell))? {
            note(&format!(
                "{change} since session `{session}` measured it: its figures may not be those of this merge"
            ));
        }
    }
    let from = format!("session `{}`, candidate {} ({})", session, best.candidate.id, best.candidate.label);
    Ok((recipe.as_ref().clone(), Some(measured(from, best))))
}

fn measured(from: String, entry: &Entry) -> Measured {
    let shares = |score: Option<Score>| match score.map(serde_json::to_value) {
        Some(Ok(serde_json::Value::Object(map))) => map,
        _ => serde_json::Map::new(),
    };
    let (train, test) = (shares(entry.train()), shares(entry.test));
    let figures = train.iter().filter(|(name, value)| *name != "n" && value.is_number());
    Measured {
        from,
        figures: figures
            .map(|(name, value)| {
                (name.clone(), value.as_f64(), test.get(name).and_then(serde_json::Value::as_f64))
            })
            .collect(),
        questions: (entry.train().map_or(0, |s| s.n), entry.test.map(|s| s.n)),
    }
}

/// A description of the plan. The first of `models` gives config and tokenizer; `giver` is the vision giver.
fn told<'a>(
    recipe: &Recipe,
    giver: Option<&str>,
    models: impl IntoIterator<Item = &'a Checkpoint>,
    outline: &ExportPlan,
    folder: Option<&Path>,
) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {key:<12}{}", visible_line(&value));
    };
    let path = format!("a path of {} steps, folded", recipe.path.len());
    line("method", if recipe.path.is_empty() { recipe.method.name().to_owned() } else { path });
    let config = outline.config.get("text_config").unwrap_or(&outline.config);
    line("config", format!("of {}, {} layers", recipe.donor(), config["num_hidden_layers"]));
    let tokenizer = match (&recipe.tokenizer, giver) {
        (None, giver) => format!("of {}", giver.unwrap_or(recipe.donor())),
        (Some(_), _) => format!("as the recipe says, {} rows", config["vocab_size"]),
    };
    line("tokenizer", tokenizer);
    if let Some(giver) = giver {
        line("pictures", format!("tower, projector and processor of {giver}; language models are merged"));
    }
    for model in models {
        line("reads", reads(model));
    }
    for shard in &outline.shards {
        let tensors = shard.tensors.len();
        let plural = if tensors == 1 { "" } else { "s" };
        line("writes", format!("{}: {tensors} tensor{plural}, {}", shard.file, models::size(shard.bytes)));
    }
    let bytes = outline.shards.iter().map(|s| s.bytes).sum();
    line("in all", format!("{} tensors, {}", outline.tensors().count(), models::size(bytes)));
    line("memory", format!("{} for tensors on their way; models stay mapped", models::size(outline.memory)));
    let folder = folder.map_or_else(|| "a folder".to_owned(), |f| f.display().to_string());
    format!("{folder} would be written; nothing is yet.\n{text}")
}

fn reads(model: &Checkpoint) -> String {
    let summary = model.summary();
    format!("{}: {}, {}", summary.reference, models::size(summary.bytes), summary.dtype)
}

/// A bound on the difference of logits: a number above 0, or `off`.
pub fn read_bound(text: &str) -> Result<f64, String> {
    if text == "off" {
        return Ok(f64::INFINITY);
    }
    let number = text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "must be a number above 0, or off".to_owned())
}
