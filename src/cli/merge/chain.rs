//! `yosegi merge` of a file with several recipes, where a recipe may use another recipe's result by name. All recipes
//! are merged in order, as in mergekit-multi.
//!
//! The last recipe's result goes to `--out`. Each intermediate result has its own folder: under `--intermediates`,
//! which keeps it, or in a hidden folder beside `--out` until `--out` is written. A text file beside each intermediate
//! result records everything that determines it. A later run reuses the result only if that text is the same.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Merge, Step};
use crate::checkpoint::{Checkpoint, check_out, own_folder, write_whole};
use crate::cli::fetch;
use crate::cli::output::exit;
use crate::cli::output::follow::interrupted;
use crate::cli::output::say::{note, out};
use crate::error::{BadInput, Interrupted};
use crate::evaluate::ModelSources;
use crate::lm::Device;
use crate::merge::Options;
use crate::progress::Observer;
use crate::recipe::RecipeFile;

/// Opens the checkpoint of a model reference.
type Fetch<'a> = &'a dyn Fn(&str) -> Result<Checkpoint>;

/// The recipes of a file while they are merged into checkpoints.
struct Chain<'a> {
    recipe_file: &'a RecipeFile,
    args: &'a Merge,
    /// The folder of the intermediate results, and whether they are kept.
    aside: PathBuf,
    keep: bool,
    /// The recipe whose result goes to `--out`.
    last: Option<usize>,
    /// The device on which alignments are computed.
    device: Device,
}

/// Merges every recipe of the file, or says what would be written.
pub fn run(recipe_file: &RecipeFile, args: &Merge) -> Result<()> {
    let stamps = stamps(recipe_file)?;
    let chain = Chain::new(recipe_file, args)?;
    if args.dry_run {
        return chain.plan();
    }
    if let Some(folder) = &args.out {
        check_out(folder)?;
    }
    let made = chain.make(&stamps);
    if chain.keep {
        return made;
    }
    match made {
        Ok(()) => fs::remove_dir_all(&chain.aside)
            .with_context(|| format!("{} can't be removed, and is of no more use", chain.aside.display())),
        Err(error) => {
            // This removes the folder only if it is empty.
            if fs::remove_dir(&chain.aside).is_err() && chain.aside.exists() {
                note(&format!(
                    "what was merged so far lies in {} and is taken over next time",
                    chain.aside.display()
                ));
            }
            Err(error)
        }
    }
}

impl<'a> Chain<'a> {
    fn new(recipe_file: &'a RecipeFile, args: &'a Merge) -> Result<Self> {
        let name = |i: usize| recipe_file.recipes[i].name.clone().unwrap_or_default();
        let file = args.recipe.as_deref().unwrap_or(Path::new("the file")).display();
        let last = if args.out.is_some() || args.dry_run { recipe_file.result() } else { None };
        let thrown: Vec<String> =
            recipe_file.unused().into_iter().filter(|i| Some(*i) != last).map(name).collect();
        if args.out.is_none() && !args.dry_run && recipe_file.recipes.iter().any(|r| r.name.is_none()) {
            return Err(BadInput::error(format!(
                "{file} has a recipe without a name, whose result goes to --out: name a folder there"
            )));
        }
        if args.out.is_some() && last.is_none() {
            return Err(BadInput::error(format!(
                "{file} has several results, {}, and --out takes one: take the name from the recipe that goes \
                 there, or give --intermediates alone, which takes all",
                thrown.join(" and ")
            )));
        }
        if args.intermediates.is_none() && !args.dry_run && !thrown.is_empty() {
            return Err(BadInput::error(format!(
                "{file}: no recipe uses the result of {}, and it is not the one that goes to --out: give \
                 --intermediates to keep it, or take it out",
                thrown.join(" and ")
            )));
        }
        let aside = match (&args.intermediates, &args.out) {
            (Some(folder), _) => folder.clone(),
            (None, Some(out)) => {
                let mut hidden = OsString::from(".");
                hidden.push(out.file_name().ok_or_else(|| BadInput::error("--out names no folder"))?);
                hidden.push(".steps");
                out.with_file_name(hidden)
            }
            (None, None) => PathBuf::new(),
        };
        let (device, keep) = (crate::cli::device::auto()?, args.intermediates.is_some());
        Ok(Self { recipe_file, args, aside, keep, last, device })
    }

    fn make(&self, stamps: &[(String, String)]) -> Result<()> {
        let made = || {
            if let Some(parent) = self.aside.parent() {
                fs::create_dir_all(parent)?;
            }
            // A folder that the user names may be behind a symbolic link; a folder that this program names may not.
            if self.keep { fs::create_dir_all(&self.aside) } else { own_folder(&self.aside) }
        };
        made().map_err(|e| BadInput::error(format!("{}: cannot be made: {e}", self.aside.display())))?;
        for i in self.recipe_file.merge_order()? {
            if interrupted() {
                return Err(Interrupted("interrupted between two recipes".to_owned()).into());
            }
            let folder = match (&self.args.out, &self.recipe_file.recipes[i].name) {
                (Some(out), _) if Some(i) == self.last => out.clone(),
                (_, Some(name)) => {
                    if self.is_there(i, name, stamps)? {
                        note(&format!("{name}: taken over from {}", self.aside.display()));
                        continue;
                    }
                    self.aside.join(name)
                }
                (_, None) => continue,
            };
            let options = self.options(i);
            out(&self.step(i, &options, &|model| self.open(model)).write(&folder)?)?;
        }
        Ok(())
    }

    /// Whether the intermediate result already exists and a new merge would give the same. A result that this command
    /// made from another recipe or other models is removed.
    fn is_there(&self, i: usize, name: &str, stamps: &[(String, String)]) -> Result<bool> {
        let (folder, mark) = (self.aside.join(name), self.aside.join(format!(".{name}.made")));
        let wanted = self.order(i, stamps);
        let found = crate::limits::read_text(&mark, crate::limits::TEXT_FILE).ok();
        let stands = folder.join("config.json").exists();
        if stands && found.as_ref() == Some(&wanted) {
            return Ok(true);
        }
        let failed = |e: std::io::Error| BadInput::error(format!("{}: {e}", folder.display()));
        if stands && found.is_some() {
            note(&format!("{name}: made anew, for its recipe or models have changed"));
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        check_out(&folder)?;
        // The folder is written whole or not at all, so the text file may be written before it.
        write_whole(&mark, wanted.as_bytes()).map_err(failed)?;
        Ok(false)
    }

    /// The text of everything that determines the result of recipe `i`: equal texts mean equal results.
    fn order(&self, i: usize, stamps: &[(String, String)]) -> String {
        let on = self.recipe_file.dependencies(i);
        let recipes = on.iter().map(|r| self.recipe_file.recipes[*r].clone()).collect();
        let mut text = format!(
            "yosegi {}\nshards of {}, path bound {}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            self.args.shard_size,
            self.args.fold_bound,
            RecipeFile::from_recipes(recipes).to_toml()
        );
        if self.args.how.allow_non_finite {
            text.push_str("values that are not finite\n");
        }
        for (model, stamp) in stamps {
            if on.iter().any(|r| self.recipe_file.recipes[*r].references().contains(&model.as_str())) {
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "{model} {stamp}");
            }
        }
        text
    }

    fn options(&self, i: usize) -> Options {
        let on = self.recipe_file.dependencies(i).into_iter().filter(|r| *r != i);
        let before = on.map(|r| self.recipe_file.recipes[r].clone()).collect();
        Options { shard_size: self.args.shard_size, measured: None, before }
    }

    fn step<'s>(&'s self, i: usize, options: &'s Options, fetch: Fetch<'s>) -> Step<'s> {
        let sources = ModelSources {
            made: &[],
            device: &self.device,
            fetch,
            note: &note,
            allow_non_finite: self.args.how.allow_non_finite,
            outlined: false,
        };
        Step { recipe: &self.recipe_file.recipes[i], options, fold_bound: self.args.fold_bound, sources }
    }

    /// Opens a model, or another recipe's result by that recipe's name.
    fn open(&self, reference: &str) -> Result<Checkpoint> {
        let name =
            self.recipe_file.named(reference).and_then(|i| self.recipe_file.recipes[i].name.as_deref());
        let Some(name) = name else { return fetch::open(reference) };
        Ok(Checkpoint::open_as(reference, &self.aside.join(name), &Observer::none())?)
    }

    /// Prints what would be written. For a recipe that uses results not yet made, prints only which results it needs.
    fn plan(&self) -> Result<()> {
        for i in self.recipe_file.merge_order()? {
            let recipe = &self.recipe_file.recipes[i];
            let name = recipe.name.clone().unwrap_or_else(|| "the last one".to_owned());
            let uses = self.recipe_file.uses(i);
            let waits = uses.iter().filter_map(|u| self.recipe_file.recipes[*u].name.as_deref());
            let waits: Vec<&str> = waits.collect();
            let folder =
                if Some(i) == self.last { self.args.out.clone() } else { Some(self.aside.join(&name)) };
            if waits.is_empty() {
                let options = self.options(i);
                out(&format!(
                    "{name}: {}",
                    self.step(i, &options, &fetch::open).plan(folder.as_deref())?.trim_end()
                ))?;
            } else {
                let method = recipe.method.name();
                out(&format!(
                    "{name}: {method}, of what comes from {}; its sizes are those then",
                    waits.join(" and ")
                ))?;
            }
        }
        Ok(())
    }
}

/// The models that no recipe of the file makes, each with a stamp that identifies its content. All of them are opened
/// before anything is merged.
fn stamps(recipe_file: &RecipeFile) -> Result<Vec<(String, String)>> {
    let mut out: Vec<(String, String)> = Vec::new();
    for recipe in &recipe_file.recipes {
        for model in recipe.references() {
            if recipe_file.named(model).is_some() || out.iter().any(|(m, _)| m == model) {
                continue;
            }
            let opened = fetch::open(model).map_err(|error| hint(recipe_file, model, error))?;
            out.push((model.to_owned(), format!("{} {}", opened.stamp(), opened.whole_config())));
        }
    }
    Ok(out)
}

/// The error for a plain word that is not a model: it may be a misspelt recipe name.
fn hint(recipe_file: &RecipeFile, model: &str, error: anyhow::Error) -> anyhow::Error {
    if model.contains(['/', ':']) {
        return error;
    }
    let names: Vec<&str> = recipe_file.recipes.iter().filter_map(|r| r.name.as_deref()).collect();
    BadInput::error(format!(
        "{}; the recipes of this file are named {}",
        exit::sentence(&error),
        names.join(", ")
    ))
}
