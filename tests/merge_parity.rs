//! Every value of 26 merges equals mergekit 0.1.5 (with stable sorts) to the bit, in bfloat16.
//! The fixtures and the script that made them are in `golden/mergekit`.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use yosegi::checkpoint::Weights;
use yosegi::merge::{Merged, Pool};
use yosegi::recipe::{Method, Recipe};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mergekit")
}

fn model(name: &str) -> String {
    golden().join("models").join(name).display().to_string()
}

/// All recipes, with the models' names turned into their folders.
fn recipes() -> Vec<(String, Recipe)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(golden().join("recipes")).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let read = |file: PathBuf| {
        let mut recipe = Recipe::open(&file).unwrap();
        recipe.base = recipe.base.as_deref().map(model);
        recipe.sources.iter_mut().for_each(|s| s.model = model(&s.model));
        (file.file_stem().unwrap().to_str().unwrap().to_owned(), recipe)
    };
    files.into_iter().map(read).collect()
}

fn check(pool: &Pool, name: &str, recipe: &Recipe, merged: &mut Merged) -> Result<usize, String> {
    pool.merge_into(recipe, merged).map_err(|e| e.to_string())?;
    let bytes = fs::read(golden().join("expected").join(format!("{name}.safetensors"))).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let names: BTreeSet<&str> = merged.names().collect();
    assert_eq!(names, expected.names().into_iter().collect::<BTreeSet<_>>());
    let (mut values, mut off) = (0, Vec::new());
    for name in names {
        let (ours, theirs) = (merged.tensor(name).unwrap(), expected.tensor(name).unwrap());
        assert_eq!(ours.shape, theirs.shape());
        let pairs = ours.data.as_chunks::<2>().0.iter().zip(theirs.data().as_chunks::<2>().0);
        let differing = pairs.filter(|(a, b)| a != b).count();
        values += ours.len();
        if differing > 0 {
            off.push(format!("{name}: {differing} of {}", ours.len()));
        }
    }
    if off.is_empty() { Ok(values) } else { Err(off.join(", ")) }
}

#[test]
fn every_value_equals_mergekit() {
    let pool = Pool::open(&model("base"), &["a", "b", "c"].map(model)).unwrap();
    let recipes = recipes();
    assert!(recipes.len() >= 20);
    for method in [Method::Linear, Method::TaskArithmetic, Method::Ties, Method::DareLinear, Method::DareTies]
    {
        let count = recipes.iter().filter(|(_, r)| r.method == method).count();
        assert!(count >= 4, "{} has {count} fixtures", method.name());
    }
    // One `Merged` for all: what it remembers of the last recipe must not show.
    let mut merged = Merged::new(&pool);
    let mut values = 0;
    let mut failures = Vec::new();
    for (name, recipe) in &recipes {
        match check(&pool, name, recipe, &mut merged) {
            Ok(n) => values += n,
            Err(why) => failures.push(format!("{name}: {why}")),
        }
    }
    assert!(failures.is_empty(), "{} recipes differ:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(values, recipes.len() * 33_904);
}
