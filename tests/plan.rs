//! What a session is told to compute in, from outside.
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
    assert!(said.contains("small.toml, line 2: `precision`") && said.contains("bf16"), "{said}");
}
