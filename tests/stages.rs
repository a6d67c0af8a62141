//! Paths, stages and estimates with the real program on the real zoo: killed again and again, reported, exported.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};

use rand::{Rng, SeedableRng};
use yosegi::session::Home;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::Event;

/// Kills of each session; `YOSEGI_KILLS=200` for a long run.
fn kills() -> u64 {
    std::env::var("YOSEGI_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

/// A bundled config over six questions, long enough for the kills.
fn small(text: &str) -> String {
    let evaluations = 30 + 2 * kills();
    let line = |line: &str| match line.split(" =").next() {
        Some("train_limit") => "train_limit = 6".to_owned(),
        Some("test_limit") => "test_limit = 5".to_owned(),
        Some("block") => "block = 2".to_owned(),
        Some("population") => "population = 5".to_owned(),
        Some("evaluations") => format!("evaluations = {evaluations}"),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn yosegi(home: &Path, args: &[&str]) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home).current_dir(home).stdin(Stdio::null()).args(args);
    command
}

fn evolve(home: &Path) -> Process {
    let args = ["evolve", "config.toml", "--headless", "--json", "--name", "s", "--resume"];
    let mut command = yosegi(home, &args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(home: &Path) -> Vec<Event> {
    let output = evolve(home).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reader = Reader::open(&Home::at(home), "s").unwrap();
    reader.records(1).unwrap().into_iter().map(|r| r.event).collect()
}

/// Runs a session once in peace and once killed at random moments; the folder of the second.
fn killed(config: &str, seed: u64) -> tempfile::TempDir {
    let (peace, war) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for home in [&peace, &war] {
        std::fs::write(home.path().join("config.toml"), small(config)).unwrap();
    }
    let whole = finish(peace.path());
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut seen = 0;
    for kill in 0..kills() {
        let mut child = evolve(war.path()).spawn().unwrap();
        if kill % 5 == 4 {
            std::thread::sleep(std::time::Duration::from_millis(random.random_range(0..100)));
        } else {
            let enough = seen + random.random_range(1..=3);
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            for line in lines {
                let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                seen = seen.max(value["seq"].as_u64().unwrap_or(0));
                if seen >= enough {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(finish(war.path()) == whole, "the killed session's journal is another");
    war
}

fn said(home: &Path, args: &[&str]) -> String {
    let output = yosegi(home, args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes the best as a checkpoint, which answers; what was told of it.
fn export(home: &Path) -> String {
    let folder = home.join("out");
    let folder = folder.to_str().unwrap();
    let told = said(home, &["merge", "--session", "s", "--out", folder]);
    said(home, &["eval", folder, "--task", "zoo", "--limit", "3"]);
    told
}

#[test]
fn a_killed_search_for_paths_ends_as_if_undisturbed_and_is_exported() {
    let home = killed(include_str!("../configs/zoo-dfs.toml"), 3);
    let report = said(home.path(), &["report", "s"]);
    assert!(report.contains("the path of the best") && report.contains("\n  base 0"), "{report}");
    let told = export(home.path());
    assert!(told.contains("a path of"), "{told}");
}

#[test]
fn a_killed_session_of_stages_ends_as_if_undisturbed_and_is_exported() {
    let home = killed(include_str!("../configs/zoo-hybrid.toml"), 4);
    let report = said(home.path(), &["report", "s"]);
    for word in ["stage 1 of 2, weights", "is stage:1 from then on", "stage 2, paths", "name = \"stage:1\""] {
        assert!(report.contains(word), "{word}: {report}");
    }
    export(home.path());
}

#[test]
fn a_killed_session_with_an_estimator_ends_as_if_undisturbed() {
    let config = include_str!("../configs/zoo.toml").replace("grid = [0.1, 0.3, 0.6]", "grid = [0.3, 0.6]");
    let race = "\n[racing]\nblock = 2\nerror = 0.16\nsubset = 3\nfull = 2\n";
    let home = killed(&(config + race), 5);
    let report = said(home.path(), &["report", "s"]);
    assert!(report.contains("have an estimate for their fitness; of "), "{report}");
}

#[test]
fn a_killed_race_ends_as_if_undisturbed() {
    let home = killed(include_str!("../configs/zoo-race.toml"), 6);
    let reader = Reader::open(&Home::at(home.path()), "s").unwrap();
    let events = || reader.records(1).unwrap().into_iter().map(|r| r.event);
    let stopped = events().filter(|e| matches!(e, Event::Evaluated { stopped: true, .. })).count();
    let whole = events().filter(|e| matches!(e, Event::Evaluated { stopped: false, .. })).count();
    assert!(stopped > 0 && whole > 0, "{stopped} stopped, {whole} answered everything");
}
