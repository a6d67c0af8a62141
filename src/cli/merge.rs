//! `yosegi merge`: a recipe, or a session's best one, in; a Hugging Face checkpoint out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::follow::{note, out};
use super::{fetch, models};
use crate::checkpoint::Checkpoint;
use crate::lm::{self, Device};
use crate::merge::{Measured, Options, Outline, Pool, export, read_size};
use crate::recipe::{Book, Recipe};
use crate::session::Home;
use crate::session::error::BadInput;
use crate::session::journal::Reader;
use crate::session::protocol::{Score, Target};
use crate::session::state::Entry;
use crate::session::text::visible;
use crate::session::{align, fold, route::Route};

#[derive(Debug, clap::Args)]
pub struct Merge {
    /// A recipe (TOML or mergekit's YAML)
    #[arg(required_unless_present = "session", conflicts_with = "session")]
    pub recipe: Option<PathBuf>,
    /// The best candidate of this session, in place of a recipe
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// Folder to write; must not exist or be empty. A merge that was killed goes on where it stopped
    #[arg(long, required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Seed of the mask stream, in place of the recipe's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Most bytes of tensors in one file, such as 5GB or 500MB
    #[arg(long, value_name = "SIZE", default_value = "5GB", value_parser = read_size)]
    pub shard_size: u64,
    /// Pass over unknown keys of the recipe, with a warning for each
    #[arg(long)]
    pub lenient: bool,
    /// How far a folded path's logits may be from the path's own, relative to the greatest;
    /// off writes without comparing
    #[arg(long, value_parser = read_bound, default_value_t = crate::session::fold::BOUND)]
    pub fold_bound: f64,
    /// Say what would be written, with sizes, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Merges and writes, or says what would be written.
pub fn run(args: &Merge) -> Result<()> {
    let (mut recipe, measured) = match (&args.recipe, &args.session) {
        (_, Some(session)) => best_of(session)?,
        (Some(file), None) => {
            let book = Book::open(file, args.lenient)?;
            for warning in &book.warnings {
                note(&visible(warning));
            }
            (book.only()?, None)
        }
        (None, None) => return Err(BadInput::error("name a recipe, or a session with --session")),
    };
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    let started = Instant::now();
    if !recipe.path.is_empty() {
        return match &args.out {
            Some(folder) if !args.dry_run => export_path(&recipe, folder, args.fold_bound),
            _ => Err(BadInput::error("a path is folded as it is written: give --out, without --dry-run")),
        };
    }
    let options = Options { shard_size: args.shard_size, measured };
    let pool = pool(&recipe, &lm::pick("auto")?)?;
    if args.dry_run {
        let outline = Outline::of(&recipe, &pool, &options)?;
        return out(plan(&recipe, &pool, &outline, args.out.as_deref()).trim_end());
    }
    let Some(folder) = &args.out else { return Err(BadInput::error("name a folder with --out")) };
    let written = export(&recipe, &pool, folder, &options)?;
    if written.kept > 0 {
        note(&format!("{} of {} weight files were there already", written.kept, written.shards));
    }
    out(&format!(
        "{}: {} of {} models, {} in {} file{}, {:.1} s",
        folder.display(),
        recipe.method.name(),
        recipe.models().len() + usize::from(recipe.base.is_some()),
        models::size(written.bytes),
        written.shards,
        if written.shards == 1 { "" } else { "s" },
        started.elapsed().as_secs_f64()
    ))
}

/// The recipe of a session's best candidate, and what was measured of it.
fn best_of(session: &str) -> Result<(Recipe, Option<Measured>)> {
    let state = Reader::open(&Home::from_env()?, session)?.state()?;
    let best = state.best_entry().ok_or_else(|| {
        BadInput::error(format!("the session {session} has measured no candidate yet: let it run first"))
    })?;
    let Target::Recipe(recipe) = &best.candidate.target else {
        return Err(BadInput::error(format!(
            "the best of session {session} is {}, a model as it is: there is nothing to merge",
            best.candidate.label
        )));
    };
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

/// What would be written, from what.
fn plan(recipe: &Recipe, pool: &Pool, outline: &Outline, folder: Option<&Path>) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {key:<12}{value}");
    };
    let donor = pool.base();
    line("method", recipe.method.name().to_owned());
    line("config", format!("of {}, {} layers", donor.reference(), outline.config["num_hidden_layers"]));
    let tokenizer = match &recipe.tokenizer {
        None => format!("of {}", donor.reference()),
        Some(_) => format!("as the recipe says, {} rows", outline.config["vocab_size"]),
    };
    line("tokenizer", tokenizer);
    for model in std::iter::once(donor).chain(pool.sources()) {
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

/// The models of a recipe, its sources in the base's order where it asks for that.
pub fn pool(recipe: &Recipe, device: &Device) -> Result<Pool> {
    let Some(how) = &recipe.align else { return Pool::gather(recipe, fetch::open) };
    let Some(base) = &recipe.base else {
        return Err(BadInput::error(
            "recipe: align brings sources into a base's order, and no base is named",
        ));
    };
    let base = fetch::open(base)?;
    let sources = recipe.models().into_iter().map(fetch::open).collect::<Result<_>>()?;
    let found = align::in_base_order(&base, sources, how, device)?;
    for (source, found) in &found {
        for line in align::told(source.reference(), found) {
            note(&line);
        }
    }
    Ok(Pool::new(base, found.into_iter().map(|(source, _)| source).collect())?)
}

/// Folds the recipe's path into an ordinary checkpoint; says how far it is from the path.
fn export_path(recipe: &Recipe, out: &Path, bound: f64) -> Result<()> {
    let started = Instant::now();
    let route = Route::open(&Route::names(recipe, &[]), fetch::open)?;
    let apart = fold::export(recipe, &route, out, bound, &lm::pick("auto")?)?;
    let found = apart.map_or_else(
        || "not compared with the path".to_owned(),
        |a| {
            let share = format!("the same likeliest token at {} of {} positions", a.same, a.of);
            format!("logits within {:.1e} of the path's greatest, {share}", a.logits)
        },
    );
    println!(
        "{}: a path of {} steps as {} layers of {}: {found}, in {:.1} s",
        out.display(),
        recipe.path.len(),
        recipe.path.len(),
        recipe.donor(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// A bound on the difference of logits: a number above 0, or `off`.
pub fn read_bound(text: &str) -> Result<f64, String> {
    if text == "off" {
        return Ok(f64::INFINITY);
    }
    let number = text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "must be a number above 0, or off".to_owned())
}
