//! A session on another machine: the journal names its models as they were found where it began.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Output, Stdio};

use yosegi::session::Home;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::Event;

const CONFIG: &str = r#"
[pool]
base = "models/base"
sources = ["models/ja", "zoo:math-add"]
[task]
use = "zoo"
train_limit = 4
test_limit = 3
[space]
method = "task_arithmetic"
weight = { min = 0.0, max = 1.0 }
[search]
population = 4
[budget]
evaluations = 24
"#;

fn copy(from: &Path, into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten().filter(|f| f.path().is_file()) {
        std::fs::copy(file.path(), into.join(file.file_name())).unwrap();
    }
}

fn yosegi(home: &Path) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home.join("home")).current_dir(home).stdin(Stdio::null());
    command.args(["evolve", "config.toml", "--headless", "--json", "--resume"]);
    command
}

fn resume(home: &Path, name: &str) -> Output {
    yosegi(home).args(["--name", name]).output().unwrap()
}

fn events(home: &Path, name: &str) -> Vec<Event> {
    let reader = Reader::open(&Home::at(home.join("home")), name).unwrap();
    reader.records(1).unwrap().into_iter().map(|r| r.event).collect()
}

#[test]
fn without_its_models_a_session_says_which_and_with_them_it_goes_on_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo");
    for name in ["base", "ja"] {
        copy(&zoo.join(name), &home.join("models").join(name));
    }
    std::fs::write(home.join("config.toml"), CONFIG).unwrap();
    let done = resume(home, "whole");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let mut child = yosegi(home).args(["--name", "cut"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let evaluated = lines.filter(|line| line.contains("\"evaluated\"")).take(5).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(evaluated, 5);
    let before = events(home, "cut");

    // The models lie elsewhere now: one sentence names what is missing, and nothing is lost.
    std::fs::rename(home.join("models"), home.join("other")).unwrap();
    let refused = resume(home, "cut");
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.contains("models/base") || said.contains("models/ja"), "{said}");
    assert_eq!(events(home, "cut"), before);

    // Under the names that the journal has, it goes where the whole one went.
    std::fs::rename(home.join("other"), home.join("models")).unwrap();
    let done = resume(home, "cut");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (cut, whole) = (events(home, "cut"), events(home, "whole"));
    assert_eq!(cut[1..], whole[1..]);
}
