//! Tasks beyond number questions: log-likelihoods against lm-evaluation-harness, the built-in tasks
//! on their data, and task files of one's own.
//!
//! Fixtures: `tests/golden/lm_eval/make.py` and what it wrote. Tests on published data need the
//! environment variable `YOSEGI_TEST_DATA` and say so where it is not set.

#![allow(clippy::unwrap_used)]

mod builtin;
mod likelihoods;
mod own;
mod pictures;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use yosegi::checkpoint::Checkpoint;
use yosegi::lm::{Continuation, Decoder, Device, Likelihood, Tokenizer, likelihoods};
use yosegi::task::{BUILTIN, Kind, Length, Metric, Places, Question, SUITES, Split, Suite, Task, Verdict};

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lm_eval")
}

/// The published data, or `None` with a word.
fn published() -> Option<PathBuf> {
    let data = std::env::var_os("YOSEGI_TEST_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("YOSEGI_TEST_DATA is not set: nothing tested on published data");
    }
    data
}

fn nowhere() -> PathBuf {
    PathBuf::from("/nowhere")
}

/// A folder for task files and their data.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn places(&self) -> Places {
        Places { data: self.0.path().join("data"), hub: self.0.path().join("hub") }
    }

    fn load(&self, toml: &str, splits: &[Split]) -> Result<Task, String> {
        let path = self.write("task.toml", toml);
        Task::load_splits(path.to_str().unwrap(), splits, &self.places()).map_err(|e| e.to_string())
    }

    fn error(&self, toml: &str) -> String {
        let error = self.load(toml, &[Split::Train, Split::Test]).unwrap_err();
        assert!(!error.contains('\n'), "one sentence: {error}");
        error.replace(&format!("{}/", self.0.path().display()), "")
    }
}
