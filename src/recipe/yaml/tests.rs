//! Tests that texts are read as in `PyYAML` and mergekit 0.1.5 (`tests/golden/recipe/notation.py`), and tests of YAML
//! that no recipe can contain.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::Value;

use super::parse::documents;
use crate::recipe::RecipeFile;
use crate::recipe::read::{Reader, Tree};

#[derive(Deserialize)]
struct Golden {
    scalars: Vec<Scalar>,
    recipes: Vec<Case>,
}

#[derive(Deserialize)]
struct Scalar {
    text: String,
    #[serde(default)]
    is: Value,
    #[serde(default)]
    refused: bool,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    read: Option<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/recipe/notation.json")).unwrap()
}

fn value(text: &str) -> Result<Tree, String> {
    let reader = Reader::new("m.yml", false);
    let mut found = documents(&format!("k: {text}"), &reader).map_err(|e| e.to_string())?;
    Ok(found.remove(0).root.get("k").unwrap().tree.clone())
}

#[test]
fn scalars_are_what_pyyaml_makes_of_them() {
    let scalars = golden().scalars;
    assert!(scalars.len() > 100);
    for Scalar { text, is, refused } in scalars {
        let found = value(&text);
        let same = match (&found, &is) {
            (Err(_) | Ok(Tree::Other), _) if refused => true,
            (Ok(Tree::Other), Value::Object(odd)) => odd["odd"] == "date",
            (Ok(Tree::Number(n)), Value::Object(odd)) => odd["odd"] == format!("{n:?}").to_lowercase(),
            (Ok(Tree::Null), Value::Null) => !refused,
            (Ok(Tree::Flag(flag)), Value::Bool(wanted)) => flag == wanted,
            (Ok(Tree::Whole(n)), Value::Number(wanted)) => wanted.as_i64() == Some(*n),
            (Ok(Tree::Number(n)), Value::Number(wanted)) => {
                wanted.is_f64() && wanted.as_f64().is_some_and(|w| w.to_bits() == n.to_bits())
            }
            (Ok(Tree::Text(found)), Value::String(wanted)) => found == wanted,
            _ => false,
        };
        assert!(same, "{text}: {found:?}, PyYAML has {is} (refused: {refused})");
    }
}

#[test]
fn recipes_are_what_mergekit_makes_of_them() {
    let cases = golden().recipes;
    assert!(cases.len() > 30);
    for Case { name, text, read } in cases {
        let found = RecipeFile::from_yaml(&text, "m.yml", false);
        match read {
            Some(plain) => {
                let wanted = RecipeFile::from_yaml(&plain, "plain.yml", false)
                    .unwrap_or_else(|e| panic!("{name}: {e}"));
                let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(found.recipes, wanted.recipes, "{name}");
                assert_eq!(
                    found.warnings.is_empty(),
                    ![
                        "spare",
                        "the base with",
                        "a list of mappings",
                        "at the top",
                        "two merge keys",
                        "one letter"
                    ]
                    .iter()
                    .any(|n| name.contains(n)),
                    "{name}"
                );
            }
            // A tab between two values is harmless.
            None if name == "tabs between" => assert!(found.is_ok()),
            None => assert!(found.is_err(), "{name}"),
        }
    }
}

#[test]
fn what_no_recipe_has_is_refused_in_a_sentence() {
    let refused = |text: &str, needle: &str| {
        let error = RecipeFile::from_yaml(text, "m.yml", false).unwrap_err().to_string();
        assert!(error.contains(needle) && error.contains("m.yml:"), "{error}");
    };
    // Each alias holds the previous one nine times.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 9].join(", ");
        writeln!(bomb, "a{i}: &a{i} [{list}]").unwrap();
    }
    refused(&bomb, "aliases stand for more than");
    let mut merged = "a0: &a0 {k0: 1, k1: 1, k2: 1, k3: 1}\n".to_owned();
    for i in 1..24 {
        writeln!(merged, "a{i}: &a{i} {{x: *a{0}, y: *a{0}, <<: *a{0}}}", i - 1).unwrap();
    }
    refused(&merged, "aliases stand for more than");
    refused(&("[".repeat(5000) + &"]".repeat(5000)), "not YAML");
    refused(&format!("a: {}", "{b: ".repeat(300)), "not YAML");
    refused(&format!("a: {}x{}", "[".repeat(130), "]".repeat(130)), "within each other");
    refused("a: &a [*a]\n", "an alias before its anchor");
    refused("a: !!omap [b: 1]\n", "the tag");
    refused("merge_method: linear\nmerge_method: ties\n", "is given twice");
    // An unknown key is not accepted if its anchor is unused.
    refused(
        "x: &x 1\nmerge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n",
        "unknown key x",
    );
}

/// A key that is given twice has its last value, if the reader is lenient.
#[test]
fn the_last_of_two_counts_if_lenient() {
    let text = "merge_method: ties\nmerge_method: linear\nmodels: [{model: a, parameters: {weight: 1, weight: 2}}]\n";
    let recipe_file = RecipeFile::from_yaml(text, "m.yml", true).unwrap();
    assert_eq!(recipe_file.warnings.len(), 2, "{:?}", recipe_file.warnings);
    let plain = "merge_method: linear\nmodels: [{model: a, parameters: {weight: 2}}]\n";
    assert_eq!(recipe_file.recipes, RecipeFile::from_yaml(plain, "m.yml", false).unwrap().recipes);
}
