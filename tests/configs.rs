//! Everything under `configs/` loads.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use yosegi::recipe::Recipe;
use yosegi::session::Home;
use yosegi::session::config::Config;
use yosegi::session::journal::Reader;
use yosegi::task::{Places, Split, Task, TaskError};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut out: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    out.sort();
    assert!(!out.is_empty());
    out
}

#[test]
fn every_session_config_loads() {
    // Keys have a test of their own, beside their table.
    for path in files("configs").iter().filter(|path| !path.ends_with("keys.toml")) {
        let text = fs::read_to_string(path).unwrap();
        Config::parse(&text, &path.display().to_string()).unwrap();
    }
}

#[test]
fn a_value_of_another_type_is_named_by_its_key() {
    let zoo = yosegi::session::config::ZOO;
    let says = |from: &str, to: &str| {
        assert!(zoo.contains(from));
        Config::parse(&zoo.replacen(from, to, 1), "x.toml").unwrap_err().to_string()
    };
    let list = r#"sources = ["zoo:ja", "zoo:math-add", "zoo:math-mul"]"#;
    assert_eq!(
        says(list, "sources = \"zoo:ja\""),
        "x.toml, line 10: `sources`: invalid type: string \"zoo:ja\", expected a list: put it in [ ]"
    );
    let number = says("population = 16", "population = \"many\"");
    assert!(number.contains("`population`: invalid type"), "{number}");
    let bound = says("weight = { min = -0.3, max = 1.8 }", "weight = { min = -0.3, max = \"a\" }");
    assert!(bound.starts_with("x.toml") && !bound.contains("`weight = "), "{bound}");
    assert!(says("population = 16", "population =").starts_with("x.toml, line "));
}

#[test]
fn every_recipe_loads_and_fits_the_zoo() {
    for path in files("configs/recipes") {
        let recipe = Recipe::open(&path).unwrap();
        recipe.check(5).unwrap();
        let again = Recipe::from_toml(&recipe.to_toml(), "written back").unwrap();
        assert_eq!(recipe, again, "{}", path.display());
    }
}

/// A task whose data a fresh machine lacks says what to put where; all else must load.
#[test]
fn every_task_loads_or_says_what_it_lacks() {
    for path in files("configs/tasks") {
        // The built-in ones are found by name: the binary carries them with their data.
        let name = path.file_stem().unwrap().to_str().unwrap();
        match Task::load_splits(name, &[Split::Test], &Places::from_env()) {
            Ok(task) => assert!(!task.test.is_empty()),
            Err(error @ TaskError::Absent { .. }) => {
                assert!(error.to_string().contains(": "), "{error}");
            }
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
    assert!(Task::load("zoo").is_ok());
}

/// The program itself, given each shipped session config that the zoo can run with every model as a
/// relative path: the journal holds that config, and the search has its genes.
#[test]
fn a_session_with_relative_paths_is_the_one_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().canonicalize().unwrap();
    let home = at.join("home");
    let yosegi = |arguments: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_yosegi"))
            .args(arguments)
            .current_dir(&at)
            .env("YOSEGI_HOME", &home)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    yosegi(&["zoo", "--out", "zoo"]);
    let small = [("train_limit", 3), ("test_limit", 3), ("evaluations", 2), ("population", 2), ("block", 2)];
    for path in files("configs").iter().filter(|path| path.file_stem().unwrap() != "keys") {
        let text = fs::read_to_string(path).unwrap();
        if !text.contains("base = \"zoo:base\"") {
            continue; // Models that a fresh machine lacks.
        }
        let mut document: toml_edit::DocumentMut = text.replace("\"zoo:", "\"zoo/").parse().unwrap();
        let mut tables = vec![document.as_table_mut()];
        while let Some(table) = tables.pop() {
            for (key, size) in small {
                if table.contains_key(key) {
                    table[key] = toml_edit::value(size);
                }
            }
            table.remove("watch");
            table.remove("grid");
            for (_, item) in table.iter_mut() {
                match item {
                    toml_edit::Item::Table(inner) => tables.push(inner),
                    toml_edit::Item::ArrayOfTables(list) => tables.extend(list.iter_mut()),
                    _ => {}
                }
            }
        }
        let given = document.to_string();
        let name = path.file_stem().unwrap().to_str().unwrap();
        fs::write(at.join("relative.toml"), &given).unwrap();
        yosegi(&["evolve", "relative.toml", "--headless", "--name", name]);
        let state = Reader::open(&Home::at(home.clone()), name).unwrap().state().unwrap();
        let given = given.replace("\"zoo/", &format!("\"{}/zoo/", at.display()));
        let given = Config::parse(&given, "given").unwrap();
        assert_eq!(Config::parse(&state.config, "stored").unwrap(), given, "{name}");
        if given.stage.is_empty() {
            let space = given.any_space(state.layers).unwrap();
            assert_eq!(state.genes.len(), space.genes().len(), "{name}");
        }
    }
}
