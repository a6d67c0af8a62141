//! Everything under `configs/` loads.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use yosegi::recipe::Recipe;
use yosegi::session::config::Config;
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
