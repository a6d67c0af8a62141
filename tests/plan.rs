//! What a session plans before it starts, and what it is told to compute in, from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use yosegi::session::Home;
use yosegi::session::journal::Reader;

fn yosegi(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    command.args(arguments).current_dir(home).env("YOSEGI_HOME", home.join("home"));
    command.env("HF_HOME", home.join("hf")).env("YOSEGI_LANG", "en");
    command.stdin(Stdio::null()).output().expect("the program runs")
}

/// What a refused command says on stderr.
fn refused(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

const SMALL: &str = "name = \"small\"\ndevice = \"cpu\"\n[pool]\nbase = \"zoo:base\"\nsources = [\"zoo:ja\", \"zoo:math-add\"]\n\
    [task]\nuse = \"zoo\"\ntrain_limit = 4\ntest_limit = 2\n[space]\nmethod = \"task_arithmetic\"\n\
    [search]\npopulation = 3\n[baselines]\ngrid = [0.5]\n[budget]\nevaluations = 6\n";

#[test]
fn a_session_keeps_its_precision() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    std::fs::write(home.join("small.toml"), SMALL).unwrap();
    let run = |more: &[&str]| yosegi(home, &[&["evolve", "small.toml", "--headless"], more].concat());
    let said = refused(&run(&["--precision", "fp8"]));
    assert!(said.contains("f32, bf16"), "{said}");
    assert!(run(&["--precision", "bf16"]).status.success());
    let state = || Reader::open(&Home::at(home.join("home")), "small").unwrap().state().unwrap();
    assert_eq!(state().dtype, "bf16");
    assert!(state().config.contains("precision = \"bf16\""), "{}", state().config);
    let said = refused(&run(&["--resume", "--precision", "f32"]));
    assert!(said.contains("session `small` began with precision bf16, not f32"), "{said}");
    assert!(run(&["--resume", "--precision", "bf16"]).status.success());

    let config = SMALL.replace("device =", "precision = \"half\"\ndevice =");
    std::fs::write(home.join("small.toml"), config).unwrap();
    let said = refused(&run(&["--name", "other"]));
    assert!(said.contains("small.toml, line 2: there is no `half`") && said.contains("bf16"), "{said}");
}

/// The plan of a config in the folder, as `--json` gives it.
fn planned(home: &Path, more: &[&str]) -> serde_json::Value {
    let output = yosegi(home, &[&["evolve", "small.toml", "--dry-run", "--json"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_plan_says_what_the_run_then_does() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    std::fs::write(home.join("small.toml"), SMALL).unwrap();
    let plan = planned(home, &["--measure=3", "--for-card", "h100"]);
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 1, "nothing is written");
    let run = yosegi(home, &["evolve", "small.toml", "--headless"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let state = Reader::open(&Home::at(home.join("home")), "small").unwrap().state().unwrap();
    let stage = &plan["stages"][0];
    assert_eq!(stage["genes"], state.genes.len());
    assert_eq!((&stage["population"], &stage["generations"]), (&3.into(), &2.into()));
    assert_eq!(stage["evaluations"], state.evaluations);
    assert_eq!(plan["layers"], state.layers);
    assert_eq!(
        (&plan["device"], &plan["dtype"]),
        (&state.device.as_str().into(), &state.dtype.as_str().into())
    );
    let work = &plan["work"];
    assert_eq!(work["baselines"], state.baselines().count());
    assert_eq!(work["train_questions"], state.train_questions);
    assert_eq!(work["test_questions"], state.test_questions);
    let train: u64 =
        state.entries.iter().filter_map(yosegi::session::state::Entry::train).map(|score| score.n).sum();
    let test: u64 = state.entries.iter().filter_map(|e| e.test).map(|score| score.n).sum();
    assert_eq!(work["train_runs"], train / 4);
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let (least, most) = (number(&work["test_runs"]["least"]), number(&work["test_runs"]["most"]));
    assert!(least <= test / 2 && test / 2 <= most, "{test} held-out answers, planned {work}");
    let (least, most) = (number(&work["answers"]["least"]), number(&work["answers"]["most"]));
    assert!(least <= train + test && train + test <= most, "{train} and {test} answers, planned {work}");
    assert!(
        state.tokens > 0 && state.tokens <= number(&work["tokens"]),
        "{} tokens, planned {work}",
        state.tokens
    );
    // What was timed, and what a card would do.
    let time = &plan["time"];
    assert_eq!(time["questions"], serde_json::json!([2, 3]));
    let seconds = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(seconds(&time["candidate_s"]) > seconds(&time["merge_s"]), "{time}");
    assert!(seconds(&time["whole_s"]) > 6.0 * seconds(&time["candidate_s"]), "{time}");
    assert!(seconds(&plan["card"]["whole_s"]) > 0.0 && plan["card"]["batch"] == 4, "{}", plan["card"]);

    let text = yosegi(home, &["evolve", "small.toml", "--dry-run"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for said in ["zoo:math-add: ", "bundled", "2 generations of 3, 6 evaluations", "4 for each candidate"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_plan_has_every_stage_and_refuses_what_a_start_would() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    std::fs::write(home.join("small.toml"), include_str!("../configs/zoo-hybrid.toml")).unwrap();
    let plan = planned(home, &[]);
    let stages = plan["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 2);
    assert!(stages.iter().all(|stage| stage["genes"].as_u64().is_some_and(|n| n > 0)), "{plan}");
    assert_eq!(stages[1]["searches"], "path");
    let says = |config: String| {
        std::fs::write(home.join("small.toml"), config).unwrap();
        refused(&yosegi(home, &["evolve", "small.toml", "--dry-run"]))
    };
    assert!(says(SMALL.replace("zoo:math-add", "zoo:math-dul")).contains("zoo:math-dul"));
    assert!(says(SMALL.replace("zoo:math-add", "no/such/folder")).contains("no/such/folder"));
    let none = says(SMALL.replace("[search]", "[search]\nstart = \"session:none\""));
    assert!(none.contains("no session `none`"), "{none}");
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 1, "nothing is written");
}
