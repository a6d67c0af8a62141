//! `yosegi recipe`: converts, checks and looks up recipes as text, without reading any model. The command line calls
//! it, and other commands read their recipes through it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::output::say;
use super::{RecipeCommand, models};
use crate::checkpoint::look_up;
use crate::error::BadInput;
use crate::limits;
use crate::recipe::{BaseNeed, Kind, Method, MethodSpec, Recipe, RecipeError, RecipeFile, Scope};
use crate::text::visible_line;

/// How a recipe is taken, where one is named in a model's place.
#[derive(Clone, Debug, clap::Args)]
pub struct RecipeArgs {
    /// Pass over unknown keys of the recipe, with a warning for each
    #[arg(long)]
    pub lenient: bool,
    /// Go on where the recipe's merge makes NaN or infinity
    #[arg(long)]
    pub allow_non_finite: bool,
}

/// Runs one of the subcommands.
pub fn run(command: &RecipeCommand) -> Result<()> {
    match command {
        RecipeCommand::Convert { input, output, lenient } => convert(input, output, *lenient),
        RecipeCommand::Check { file, lenient } => check(file, *lenient),
        RecipeCommand::Methods { name, json } => methods(name.as_deref(), *json),
    }
}

/// The two notations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notation {
    Toml,
    Yaml,
}

/// The notation given by a file's extension; none for `-`.
fn notation(path: &Path) -> Result<Option<Notation>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("toml") => Ok(Some(Notation::Toml)),
        Some("yml" | "yaml") => Ok(Some(Notation::Yaml)),
        _ => Err(BadInput::error(format!(
            "{}: the extension says no notation; use .toml, .yml or .yaml, or - for a pipe",
            path.display()
        ))),
    }
}

/// The file's main recipe with the recipes that it uses. Prints a note for each key that was skipped.
pub fn whole(path: &Path, lenient: bool) -> Result<Recipe> {
    let (recipe_file, _) = open(path, lenient)?;
    Ok(recipe_file.into_recipe()?)
}

/// Reads recipes and prints a note for each key that was skipped.
fn open(path: &Path, lenient: bool) -> Result<(RecipeFile, Notation)> {
    let read = if let Some(notation) = notation(path)? {
        (RecipeFile::open(path, lenient)?, notation)
    } else {
        let text = limits::take_text(std::io::stdin(), limits::TEXT_FILE)
            .map_err(|e| BadInput::error(format!("stdin cannot be read as text: {e}")))?;
        match RecipeFile::from_toml(&text, "stdin", lenient) {
            Err(RecipeError::Syntax { .. }) => {
                (RecipeFile::from_yaml(&text, "stdin", lenient)?, Notation::Yaml)
            }
            recipe_file => (recipe_file?, Notation::Toml),
        }
    };
    for warning in &read.0.warnings {
        say::note(&format!("yosegi: {}", visible_line(warning)));
    }
    Ok(read)
}

fn convert(input: &Path, output: &Path, lenient: bool) -> Result<()> {
    let target = notation(output)?;
    let (recipe_file, from) = open(input, lenient)?;
    let other = if from == Notation::Toml { Notation::Yaml } else { Notation::Toml };
    let text = match target.unwrap_or(other) {
        Notation::Toml => recipe_file.to_toml(),
        Notation::Yaml => recipe_file.to_yaml()?,
    };
    if target.is_none() {
        let again = |text: &str| match target.unwrap_or(other) {
            Notation::Toml => RecipeFile::from_toml(text, "stdout", true),
            Notation::Yaml => RecipeFile::from_yaml(text, "stdout", true),
        };
        let recipes = again(&text).map(|recipe_file| recipe_file.recipes);
        return say::notation(&text, |safe| match (&recipes, again(safe)) {
            (Ok(recipes), Ok(recipe_file)) => recipe_file.recipes == *recipes,
            _ => false,
        });
    }
    crate::checkpoint::write_whole(output, text.as_bytes())
        .map_err(|e| BadInput::error(format!("{}: cannot be written: {e}", output.display())))
}

fn check(file: &Path, lenient: bool) -> Result<()> {
    let (recipe_file, _) = open(file, lenient)?;
    for i in recipe_file.merge_order()? {
        let recipe = &recipe_file.recipes[i];
        let name = recipe.name.as_deref().map(|n| format!("{n}: ")).unwrap_or_default();
        let base = recipe.base.as_deref().map(|b| format!(" on {b}")).unwrap_or_default();
        let parts = match (recipe.slices.len(), recipe.path.len()) {
            (0, 0) => String::new(),
            (0, steps) => format!(" by a path of {steps} layers"),
            (slices, _) => format!(" in {slices} slices"),
        };
        let models = recipe.models();
        let line = format!("{name}{} of {}{base}{parts}: in order", recipe.method.name(), models.join(", "));
        say::out(&visible_line(&line))?;
        if let Some(giver) = vision_giver(recipe) {
            say::out(&models::vision_of_merge(giver))?;
        }
    }
    Ok(())
}

/// The recipe's model that gives a vision part, among the models that are on this machine. Only headers are read, and
/// nothing is fetched.
fn vision_giver(recipe: &Recipe) -> Option<&str> {
    let models = recipe.base.as_deref().into_iter().chain(recipe.models());
    models.into_iter().find(|model| look_up(model, None).vision.is_some())
}

fn methods(name: Option<&str>, json: bool) -> Result<()> {
    let all: Vec<&MethodSpec> = match name {
        None => Method::ALL.into_iter().map(Method::spec).collect(),
        Some(name) => {
            let known = || Method::ALL.map(Method::name).join(", ");
            let method = Method::from_name(name).ok_or_else(|| {
                BadInput::error(format!("{name} is no merge method; known are {}", known()))
            })?;
            vec![method.spec()]
        }
    };
    if json {
        say::json_pretty(&all)?;
        return Ok(());
    }
    for (i, spec) in all.into_iter().enumerate() {
        if i > 0 {
            say::out("")?;
        }
        say::out(described(spec).trim_end())?;
    }
    Ok(())
}

/// Describes a method, one line for each parameter.
fn described(spec: &MethodSpec) -> String {
    let mut out = format!("{}: {}\n", spec.name, spec.about);
    let base = match spec.base {
        BaseNeed::Required => "a base and ",
        BaseNeed::Optional => "perhaps a base, and ",
        BaseNeed::Unused => "",
    };
    let count = match spec.sources {
        (1, None) => "any number of sources".to_owned(),
        (least, None) => format!("{least} or more sources"),
        (_, Some(1)) => "exactly one source".to_owned(),
        (_, Some(most)) => format!("exactly {most} sources"),
    };
    let _ = writeln!(out, "  needs {base}{count}");
    for p in spec.parameters {
        let kind = match p.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Count => format!("a whole number, {}", p.range),
            Kind::Number => p.range.to_string(),
        };
        let default = match (p.default, p.kind) {
            (None, _) => "must be given".to_owned(),
            (Some(d), Kind::Flag) => format!("default {}", d != 0.0),
            (Some(d), _) => format!("default {d}"),
        };
        let scope = if p.scope == Scope::PerModel { ", for each model" } else { "" };
        let about = if p.ignored { "accepted, changes nothing here" } else { p.about };
        let _ = writeln!(out, "  {:<18}{about} ({kind}, {default}{scope})", p.param.name());
    }
    out
}
