//! The real binary writes checkpoints: in shards, killed and taken up again, planned only.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use yosegi::checkpoint::{Checkpoint, Weights};

fn yosegi(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home).stdin(Stdio::null());
    command
}

const RECIPE: &str = r#"method = "dare_ties"
base = "zoo:base"
mask = "mergekit"
seed = 3

[[source]]
model = "zoo:ja"
weight = 0.5
density = 0.6

[[source]]
model = "zoo:math-add"
weight = 0.75
density = 0.4
"#;

/// A path whose scales change its tensors.
const PATH: &str = r#"method = "passthrough"
base = "zoo:base"
path = [
    { model = "zoo:base", layer = 0 },
    { model = "zoo:ja", layer = 1, scale = 1.3 },
    { model = "zoo:ja", layer = 2, scale = -0.7 },
    { model = "zoo:base", layer = 4 },
]
"#;

#[test]
fn shards_hold_what_one_file_holds_and_a_killed_export_goes_on() {
    in_shards(RECIPE, &["dare_ties", "zoo:math-add", "```toml"]);
}

#[test]
fn a_folded_path_is_written_in_shards_like_any_merge() {
    in_shards(PATH, &["A path of 4 steps", "zoo:ja", "```toml"]);
}

fn in_shards(text: &str, words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let recipe = home.path().join("recipe.toml");
    fs::write(&recipe, text).unwrap();
    let whole = home.path().join("whole");
    let run = |out: &Path, size: &str| {
        let mut command = yosegi(home.path());
        command.args([
            "merge",
            recipe.to_str().unwrap(),
            "--shard-size",
            size,
            "--out",
            out.to_str().unwrap(),
        ]);
        command
    };
    let output = run(&whole, "5GB").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(whole.join("model.safetensors").exists());

    // Killed as soon as a few shards are whole. Where the machine is too fast for that, it is done.
    let parts = home.path().join("parts");
    let aside = home.path().join(".parts.part");
    let mut child = run(&parts, "20KB").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let whole_shards = || {
        let names = fs::read_dir(&aside).into_iter().flatten().flatten().map(|e| e.path());
        names.filter(|p| p.extension().is_some_and(|e| e == "safetensors")).count()
    };
    let until = Instant::now() + Duration::from_mins(1);
    while whole_shards() < 3 && child.try_wait().unwrap().is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let killed_in_time = !parts.exists();
    if killed_in_time {
        let kept = whole_shards();
        assert!(kept >= 3);
        let output = run(&parts, "20KB").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert!(told.contains(&format!("{kept} of ")) && told.contains("already"), "{told}");
    }
    assert!(!aside.exists());
    let (one, many) = (
        Checkpoint::open(whole.to_str().unwrap()).unwrap(),
        Checkpoint::open(parts.to_str().unwrap()).unwrap(),
    );
    assert!(fs::read_dir(&parts).unwrap().count() > 20);
    assert_eq!(one.names(), many.names());
    for name in one.names() {
        assert_eq!(one.tensor(name).unwrap().data, many.tensor(name).unwrap().data, "{name}");
    }
    let card = fs::read_to_string(parts.join("README.md")).unwrap();
    for word in words {
        assert!(card.contains(word), "{card}");
    }
    let index = fs::read_to_string(parts.join("model.safetensors.index.json")).unwrap();
    assert!(one.names().iter().all(|name| index.contains(name)));

    let again = run(&parts, "20KB").output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"));
    println!("killed in time: {killed_in_time}");
}

#[test]
fn a_dry_run_says_what_and_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let recipe = home.path().join("recipe.toml");
    fs::write(&recipe, RECIPE).unwrap();
    let out = home.path().join("out");
    let output = yosegi(home.path())
        .args(["merge", recipe.to_str().unwrap(), "--dry-run", "--shard-size", "500KB"])
        .args(["--out", out.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for word in ["dare_ties", "zoo:ja", "model-00001-of-0000", "memory", "nothing is yet"] {
        assert!(said.contains(word), "{said:?} should say {word}");
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    fs::write(&recipe, PATH).unwrap();
    let output = yosegi(home.path())
        .args(["merge", recipe.to_str().unwrap(), "--dry-run", "--shard-size", "500KB"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    for word in ["a path of 4 steps, folded", "4 layers", "zoo:ja", "model-00001-of-0000", "memory"] {
        assert!(said.contains(word), "{said:?} should say {word}");
    }
    fs::write(&recipe, RECIPE).unwrap();
    for (arguments, word) in [
        (&["--shard-size", "5XB", "--dry-run"][..], "5GB"),
        (&["--out", "/dev/null/x"][..], "/dev/null/x"),
        (&[][..], "--out"),
    ] {
        let output = yosegi(home.path()).arg("merge").arg(&recipe).args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(word), "{told}");
    }
}
