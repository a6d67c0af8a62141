//! Changes a config's text: applies overrides from the command line, or makes relative paths absolute. Comments stay.
//! `yosegi evolve` calls it before it sends a config to the engine.

use std::path::Path;

use toml_edit::{InlineTable, Item, TableLike, Value};

use super::budget::share_budget;
use crate::error::BadInput;
use crate::evaluate::Precision;
use crate::recipe::model_paths;
use crate::task::BUILTIN;

/// A config's text with another seed or another number of evaluations, comments kept.
///
/// # Errors
/// The text is not TOML, or the number does not fit TOML.
pub fn with_overrides(text: &str, seed: Option<u64>, budget: Option<u64>) -> anyhow::Result<String> {
    if seed.is_none() && budget.is_none() {
        return Ok(text.to_owned());
    }
    let mut document: toml_edit::DocumentMut = text.parse().map_err(BadInput::error)?;
    if let Some(seed) = seed {
        document["seed"] = toml_edit::value(whole("seed", seed)?);
    }
    if let Some(budget) = budget {
        let number = whole("budget", budget)?;
        match stages(&mut document) {
            Some(mut stages) => share_budget(&mut stages, budget)?,
            None => document["budget"]["evaluations"] = toml_edit::value(number),
        }
    }
    Ok(document.to_string())
}

/// A config's text with another precision, comments kept.
///
/// # Errors
/// The text is not TOML.
pub fn with_precision(text: &str, precision: Precision) -> anyhow::Result<String> {
    let mut document: toml_edit::DocumentMut = text.parse().map_err(BadInput::error)?;
    document["precision"] = toml_edit::value(precision.name());
    Ok(document.to_string())
}

/// A config's text with `lenient` set for the recipe that its search begins from: unknown keys there are skipped.
///
/// # Errors
/// The text is not TOML.
pub fn with_lenient(text: &str) -> anyhow::Result<String> {
    let mut document: toml_edit::DocumentMut = text.parse().map_err(BadInput::error)?;
    match stages(&mut document) {
        // Only the first stage can begin from a recipe.
        Some(mut stages) => {
            if let Some(first) = stages.first_mut() {
                let search = first.entry("search").or_insert_with(|| Item::Value(InlineTable::new().into()));
                search["lenient"] = toml_edit::value(true);
            }
        }
        None => document["search"]["lenient"] = toml_edit::value(true),
    }
    Ok(document.to_string())
}

/// A config's stages, written as `[[stage]]` or as a list of inline tables; `None` if it has none.
fn stages(document: &mut toml_edit::DocumentMut) -> Option<Vec<&mut dyn TableLike>> {
    match document.get_mut("stage")? {
        Item::ArrayOfTables(tables) => Some(tables.iter_mut().map(|t| t as &mut dyn TableLike).collect()),
        Item::Value(Value::Array(list)) => {
            let tables = list.iter_mut().filter_map(Value::as_inline_table_mut);
            Some(tables.map(|t| t as &mut dyn TableLike).collect())
        }
        _ => None,
    }
}

/// A number as a TOML integer.
fn whole(key: &str, number: u64) -> anyhow::Result<i64> {
    i64::try_from(number).map_err(|_| {
        BadInput::error(format!("--{key} {number} is too large: give a number up to {}", i64::MAX))
    })
}

/// The keys under which a config names files and folders, from the top; `*` stands for every entry of a list.
const PLACES: [&[&str]; 8] = [
    &["pool", "base"],
    &["pool", "sources", "*"],
    &["task", "use"],
    &["task", "*", "use"],
    &["search", "start"],
    &["space", "path", "models", "*"],
    &["stage", "*", "search", "start"],
    &["stage", "*", "space", "path", "models", "*"],
];

/// Makes relative paths of models, tasks and recipes in a config's text absolute, since the engine works in another
/// folder. Names that are no path under `folder` stay unchanged, and so does a text that is not TOML.
#[must_use]
pub fn with_absolute_paths(text: &str, folder: &Path) -> String {
    let Ok(mut document) = text.parse::<toml_edit::DocumentMut>() else { return text.to_owned() };
    let absolute = |item: &str| -> Option<String> {
        let path = Path::new(item);
        if !path.is_relative() || BUILTIN.contains(&item) || item.is_empty() {
            return None;
        }
        let path = folder.join(path);
        if path.exists() {
            return path.canonicalize().ok()?.to_str().map(str::to_owned);
        }
        // A model's folder together with its adapter's.
        model_paths::absolute(item, folder)
    };
    let mut changed = false;
    for place in PLACES {
        visit(document.as_item_mut(), place, &mut |value| {
            if let Some(path) = value.as_str().and_then(absolute) {
                let decor = value.decor().clone();
                *value = path.into();
                *value.decor_mut() = decor;
                changed = true;
            }
        });
    }
    if changed { document.to_string() } else { text.to_owned() }
}

/// Calls `take` for every value at a key path. A missing key is not added: `Item::get_mut` would insert an empty entry,
/// and an empty `[space.path]` would change the kind of search.
fn visit(item: &mut Item, place: &[&str], take: &mut dyn FnMut(&mut Value)) {
    match (item, place) {
        (Item::Value(value), _) => visit_value(value, place, take),
        (Item::ArrayOfTables(tables), ["*", key, rest @ ..]) => {
            tables.iter_mut().filter_map(|t| t.get_mut(key)).for_each(|item| visit(item, rest, take));
        }
        (Item::Table(table), [key, rest @ ..]) => {
            if let Some(item) = table.get_mut(key) {
                visit(item, rest, take);
            }
        }
        _ => {}
    }
}

fn visit_value(value: &mut Value, place: &[&str], take: &mut dyn FnMut(&mut Value)) {
    match (value, place) {
        (value, []) => take(value),
        (Value::Array(list), ["*", rest @ ..]) => {
            list.iter_mut().for_each(|value| visit_value(value, rest, take));
        }
        (Value::InlineTable(table), [key, rest @ ..]) => {
            if let Some(value) = table.get_mut(key) {
                visit_value(value, rest, take);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ZOO};
    use super::*;

    #[test]
    fn paths_become_absolute_and_names_stay() {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["zoo", "models/ja"] {
            std::fs::create_dir_all(folder.path().join(sub)).unwrap();
        }
        assert_eq!(with_absolute_paths(ZOO, folder.path()), ZOO);
        let text = ZOO.replace("\"zoo:ja\"", "\"models/ja\"");
        let config = Config::parse(&with_absolute_paths(&text, folder.path()), "x").unwrap();
        assert!(Path::new(&config.pool.sources[0]).is_absolute());
        assert_eq!(config.pool.sources[1], "zoo:math-add");
        std::fs::create_dir(folder.path().join("lora")).unwrap();
        for (given, part) in [("models/ja+lora", "/ja+/"), ("zoo:ja+lora", "zoo:ja+/")] {
            let text = ZOO.replace("\"zoo:ja\"", &format!("\"{given}\""));
            let config = Config::parse(&with_absolute_paths(&text, folder.path()), "x").unwrap();
            let source = &config.pool.sources[0];
            assert!(source.contains(part) && source.ends_with("/lora"), "{source}");
        }
    }

    /// Every string of a document with the keys that lead to it.
    fn strings(value: &mut toml::Value, keys: &str, take: &mut dyn FnMut(&str, &mut String)) {
        match value {
            toml::Value::String(text) => take(keys, text),
            toml::Value::Array(list) => list.iter_mut().for_each(|v| strings(v, &format!("{keys}.*"), take)),
            toml::Value::Table(table) => {
                table.iter_mut().for_each(|(k, v)| strings(v, &format!("{keys}.{k}"), take));
            }
            _ => {}
        }
    }

    #[test]
    fn a_config_with_relative_paths_says_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let here = |name: &str| format!("here/{}", name.replace([':', '/'], "-"));
        let named = |keys: &str| {
            [".base", ".sources.*", ".models.*", ".use", ".start"].iter().any(|end| keys.ends_with(end))
        };
        let mut configs: Vec<(String, String)> = std::fs::read_dir("configs")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "toml") && !path.ends_with("keys.toml"))
            .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
            .collect();
        assert!(configs.len() >= 5);
        // The same keys in TOML's other notations.
        let inline = r#"
            pool = { base = "zoo:base", sources = ["zoo:ja"] }
            task = [{ use = "a" }, { use = "b" }]
            stage = [{ name = "w", space = { groups = "blocks" }, budget = { evaluations = 9 } },
                { search = { start = "c.toml" }, space = { path = { models = ["stage:1", "zoo:ja"] } }, budget = { evaluations = 9 } }]
        "#;
        configs.push(("inline".into(), inline.into()));
        let dotted = "pool.base = \"zoo:base\"\npool.sources = [\"zoo:ja\"] # one\ntask.use = \"a\"\nspace.weight.max = 2.0\n";
        configs.push(("dotted".into(), dotted.into()));
        for (name, text) in configs {
            // A session may have the same name as its task.
            let text = text
                .replace("name = \"zoo\"", "name = \"first\"")
                .replace("name = \"zoo-vision\"", "name = \"first\"");
            let mut given: toml::Value = toml::from_str(&text).unwrap();
            let mut count = 0;
            let mut relative = text.clone();
            strings(&mut given, "", &mut |keys, word| {
                if named(keys) && !word.starts_with("stage:") && !matches!(word.as_str(), "uniform" | "grid")
                {
                    std::fs::create_dir_all(root.join(here(word))).unwrap();
                    relative = relative.replace(&format!("\"{word}\""), &format!("\"{}\"", here(word)));
                    *word = root.join(here(word)).display().to_string();
                    count += 1;
                }
            });
            assert!(count >= 3, "{name}: {count}");
            let stored = with_absolute_paths(&relative, &root);
            assert_eq!(toml::from_str::<toml::Value>(&stored).unwrap(), given, "{name}");
            let comments = |text: &str| text.matches('#').count();
            assert_eq!(comments(&stored), comments(&text), "{name}: a comment went missing");
        }
    }

    #[test]
    fn overrides_reach_stages_in_either_form() {
        let tables = include_str!("../../../configs/zoo-hybrid.toml");
        let inline = "name = \"x\"\npool = { base = \"zoo:base\", sources = [\"zoo:ja\"] }\ntask.use = \"zoo\"\n\
            stage = [{ space = { method = \"linear\" }, budget = { evaluations = 30 } }, \
            { space = { path = {} }, budget = { evaluations = 10 } }]\n";
        for text in [tables, inline] {
            let text = with_lenient(&with_overrides(text, Some(3), Some(80)).unwrap()).unwrap();
            let config = Config::parse(&text, "x").unwrap();
            let given: Vec<u64> = config.stage.iter().map(|s| s.budget.evaluations).collect();
            assert_eq!(given.iter().sum::<u64>(), 80, "{text}");
            assert!(config.stage[0].search.lenient && !config.stage[1].search.lenient && config.seed == 3);
        }
    }

    #[test]
    fn overrides_keep_comments() {
        let text = with_overrides(ZOO, Some(7), Some(12)).unwrap();
        let text = with_precision(&text, Precision::Bf16).unwrap();
        let config = Config::parse(&text, "x").unwrap();
        assert_eq!((config.seed, config.budget.evaluations), (7, 12));
        assert_eq!(config.precision, Some(Precision::Bf16));
        assert!(text.contains("# auto, cpu, cuda, cuda:1"));
    }
}
