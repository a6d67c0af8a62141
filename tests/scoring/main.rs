//! Answers of all shapes are judged as the reference scorer judges them, and a task file's
//! mistakes each get their sentence.

#![allow(clippy::unwrap_used)]

mod fitness;
mod reference;
mod task_files;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use serde::Deserialize;
use yosegi::task::{
    Detector, Fitness, Means, Places, Question, Rouge, Scorer, Segmenter, Split, Task, bootstrap_medians,
    rouge, squad,
};

/// A task with one question a split, for its scorer.
fn task(scorer: &str) -> Task {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.tsv"), "one?\t1\n").unwrap();
    std::fs::write(dir.path().join("b.tsv"), "two?\t2\n").unwrap();
    let path = dir.path().join("t.toml");
    let text = format!(
        "name = 't'\nprompt = '{{{{ question }}}}'\nmax_new_tokens = 9\nlanguage = 'ja'\nscorer = '{scorer}'\n\
         [train]\ndata = 'a.tsv'\n[test]\ndata = 'b.tsv'\n"
    );
    std::fs::write(&path, text).unwrap();
    Task::load(path.to_str().unwrap()).unwrap()
}

fn shared(scorer: &str) -> &'static Task {
    static BOTH: OnceLock<[Task; 2]> = OnceLock::new();
    let [reference, lenient] = BOTH.get_or_init(|| [task("number"), task("number_lenient")]);
    if scorer == "number" { reference } else { lenient }
}

fn question(gold: &str) -> Question {
    Question { id: "1".into(), question: "?".into(), gold: gold.into(), ..Question::default() }
}
