//! A config's text changed by hand's overrides, or for a program in another folder; comments stay.

use std::path::Path;

use crate::session::error::BadInput;
use crate::session::stages::share_budget;
use crate::task::BUILTIN;

/// A config's text with some values replaced, comments kept.
pub fn with_overrides(text: &str, seed: Option<u64>, budget: Option<u64>) -> anyhow::Result<String> {
    if seed.is_none() && budget.is_none() {
        return Ok(text.to_owned());
    }
    let mut document: toml_edit::DocumentMut = text.parse().map_err(BadInput::error)?;
    if let Some(seed) = seed {
        document["seed"] = toml_edit::value(i64::try_from(seed)?);
    }
    if let Some(budget) = budget {
        match document.get_mut("stage") {
            Some(toml_edit::Item::ArrayOfTables(stages)) => share_budget(stages, budget)?,
            _ => document["budget"]["evaluations"] = toml_edit::value(i64::try_from(budget)?),
        }
    }
    Ok(document.to_string())
}

/// A config's text with relative paths of models and task made absolute, since the engine works
/// in another folder than the one who asks. Names that are no path here stay as they are.
pub fn with_absolute_paths(text: &str, folder: &Path) -> anyhow::Result<String> {
    let Ok(mut document) = text.parse::<toml_edit::DocumentMut>() else { return Ok(text.to_owned()) };
    let absolute = |item: &str| -> Option<String> {
        let path = Path::new(item);
        let here = path.is_relative() && !BUILTIN.contains(&item) && !item.is_empty();
        let path = here.then(|| folder.join(path)).filter(|p| p.exists())?;
        path.canonicalize().ok()?.to_str().map(str::to_owned)
    };
    let mut changed = false;
    let mut replace = |item: Option<&mut toml_edit::Item>| {
        if let Some(item) = item
            && let Some(path) = item.as_str().and_then(absolute)
        {
            *item = toml_edit::value(path);
            changed = true;
        }
    };
    replace(document.get_mut("pool").and_then(|t| t.get_mut("base")));
    replace(document.get_mut("search").and_then(|t| t.get_mut("start")));
    match document.get_mut("task") {
        Some(toml_edit::Item::ArrayOfTables(tasks)) => {
            tasks.iter_mut().for_each(|task| replace(task.get_mut("use")));
        }
        task => replace(task.and_then(|t| t.get_mut("use"))),
    }
    let mut replace_all = |list: Option<&mut toml_edit::Item>| {
        for model in list.and_then(|l| l.as_array_mut()).into_iter().flat_map(|a| a.iter_mut()) {
            if let Some(path) = model.as_str().and_then(absolute) {
                *model = path.into();
                changed = true;
            }
        }
    };
    replace_all(document.get_mut("pool").and_then(|t| t.get_mut("sources")));
    replace_all(document.get_mut("space").and_then(of_path));
    if let Some(toml_edit::Item::ArrayOfTables(stages)) = document.get_mut("stage") {
        stages.iter_mut().for_each(|s| replace_all(s.get_mut("space").and_then(of_path)));
    }
    Ok(if changed { document.to_string() } else { text.to_owned() })
}

/// The list of a path space's models.
fn of_path(space: &mut toml_edit::Item) -> Option<&mut toml_edit::Item> {
    space.get_mut("path")?.get_mut("models")
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
        assert_eq!(with_absolute_paths(ZOO, folder.path()).unwrap(), ZOO);
        let text = ZOO.replace("\"zoo:ja\"", "\"models/ja\"");
        let config = Config::parse(&with_absolute_paths(&text, folder.path()).unwrap(), "x").unwrap();
        assert!(Path::new(&config.pool.sources[0]).is_absolute());
        assert_eq!(config.pool.sources[1], "zoo:math-add");
    }

    #[test]
    fn overrides_keep_comments() {
        let text = with_overrides(ZOO, Some(7), Some(12)).unwrap();
        let config = Config::parse(&text, "x").unwrap();
        assert_eq!((config.seed, config.budget.evaluations), (7, 12));
        assert!(text.contains("# auto, cpu, cuda, cuda:1"));
    }
}
