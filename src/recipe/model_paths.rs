//! Makes a recipe's model paths valid in every folder. A recipe with relative folders comes in from the workbench or a
//! command. A recipe with absolute folders goes out to the engine, which works in another folder.

use std::path::{Path, PathBuf};

use super::Recipe;

/// Makes a recipe's relative model folders absolute, starting from `folder`. Names that are not a folder there do not
/// change, nor do names of recipes whose results this recipe uses.
pub fn make_absolute(recipe: &mut Recipe, folder: &Path) {
    let names: Vec<String> = recipe.before.iter().filter_map(|r| r.name.clone()).collect();
    let change = |model: &str| {
        let plain = model.split_once('+').map_or(model, |(plain, _)| plain);
        if names.iter().any(|name| name == model) {
            return None;
        }
        if names.iter().any(|name| name == plain) {
            let adapter = absolute(&model[plain.len() + 1..], folder)?;
            return Some(format!("{plain}+{adapter}"));
        }
        absolute(model, folder)
    };
    recipe.rename_models(&change);
}

/// Replaces a recipe's relative model folders by the pool's absolute ones. A folder becomes the pool's model whose path
/// ends with it, if there is exactly one.
pub fn name_as_in(recipe: &mut Recipe, pool: &[&str]) {
    let change = |model: &str| {
        let path = Path::new(model);
        if path.is_absolute() || pool.contains(&model) {
            return None;
        }
        let plain: PathBuf =
            path.components().filter(|c| !matches!(c, std::path::Component::CurDir)).collect();
        let mut found = pool.iter().filter(|p| Path::new(p).is_absolute() && Path::new(p).ends_with(&plain));
        match (found.next(), found.next()) {
            (Some(one), None) => Some((*one).to_owned()),
            _ => None,
        }
    };
    recipe.rename_models(&change);
}

/// A model reference with absolute folders for the model and its adapter; `None` if neither is a folder under `folder`.
#[must_use]
pub fn absolute(model: &str, folder: &Path) -> Option<String> {
    let whole = |part: &str| {
        let path = Path::new(part);
        let path = (path.is_relative() && !part.is_empty()).then(|| folder.join(path))?;
        let found = path.is_dir().then(|| path.canonicalize().ok())??;
        found.to_str().map(str::to_owned)
    };
    if let Some(found) = whole(model) {
        return Some(found);
    }
    let (plain, adapter) = model.rsplit_once('+')?;
    let found = (whole(plain), whole(adapter));
    if found == (None, None) {
        return None;
    }
    Some(format!("{}+{}", found.0.as_deref().unwrap_or(plain), found.1.as_deref().unwrap_or(adapter)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::RecipeFile;

    #[test]
    fn folders_become_absolute_and_names_stay() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        for name in ["a", "deep/b", "x+y", "first", "lora"] {
            std::fs::create_dir_all(here.join(name)).unwrap();
        }
        let text = "name: first\nmerge_method: linear\nmodels: [{model: ./a, parameters: {weight: 1}}]\n---\n\
                    merge_method: ties\nbase_model: zoo:base\nparameters: {weight: 1, density: 0.5}\n\
                    tokenizer: {source: deep/b, tokens: {t: {source: a}}}\n\
                    models: [{model: first}, {model: x+y}, {model: a+lora}, {model: first+lora}, {model: org/c+lora}, {model: none}]\n";
        let mut recipe = RecipeFile::from_yaml(text, "", false).unwrap().into_recipe().unwrap();
        make_absolute(&mut recipe, &here);
        let at = |name: &str| here.join(name).display().to_string();
        let wanted = [
            "first".to_owned(),
            at("x+y"),
            format!("{}+{}", at("a"), at("lora")),
            format!("first+{}", at("lora")),
            format!("org/c+{}", at("lora")),
            "none".to_owned(),
        ];
        assert_eq!(recipe.models(), wanted.each_ref());
        assert_eq!(recipe.before[0].models(), [&at("a")]);
        assert_eq!(recipe.base.as_deref(), Some("zoo:base"));
        assert!(recipe.references().contains(&at("deep/b").as_str()));
        assert!(recipe.references().contains(&at("a").as_str()));
    }

    #[test]
    fn a_pool_knows_its_own() {
        let text = "method = \"ties\"\nbase = \"./base\"\nsource = [{ model = \"m/ja\", weight = 1 }, { model = \"x\", weight = 1 }]\n";
        let mut recipe = Recipe::from_toml(text, "").unwrap();
        name_as_in(&mut recipe, &["/w/base", "/w/m/ja", "/v/x", "/w/x"]);
        assert_eq!((recipe.base.as_deref(), recipe.models()), (Some("/w/base"), vec!["/w/m/ja", "x"]));
    }
}
