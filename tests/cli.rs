//! The commands around a session: what they print, what they write, and how they refuse.

use std::path::Path;
use std::process::{Command, Output};

fn yosegi(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    command.args(arguments).current_dir(home).env("YOSEGI_HOME", home.join("home"));
    command.env("HF_HOME", home.join("hf")).env_remove("YOSEGI_MECAB_DICT").env("YOSEGI_LANG", "en");
    command.stdin(std::process::Stdio::null()).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One sentence on stderr, and the exit code for bad input.
fn refused(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

#[test]
fn the_version_says_what_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&yosegi(folder.path(), &["--version"]));
    assert!(text.starts_with(&format!("yosegi {} (", env!("CARGO_PKG_VERSION"))), "{text}");
    let feature = if cfg!(feature = "workbench") { "features: workbench" } else { "no features" };
    assert!(text.contains(feature), "{text}");
}

#[test]
fn shells_and_man_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&yosegi(folder.path(), &["completions", shell]));
        assert!(script.contains("evolve") && script.contains("doctor"), "{shell}: {script}");
    }
    let page = stdout(&yosegi(folder.path(), &["man"]));
    assert!(page.contains(".TH yosegi 1") && page.contains("evolve"), "{page}");
    assert!(!page.contains("worker"), "hidden commands stay hidden");
    stdout(&yosegi(folder.path(), &["man", "--out", "pages"]));
    for name in ["yosegi.1", "yosegi-evolve.1", "yosegi-recipe-convert.1"] {
        assert!(folder.path().join("pages").join(name).is_file(), "{name}");
    }
}

#[test]
fn the_doctor_looks_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&yosegi(folder.path(), &["doctor", "--json"]));
    let findings: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    for about in [
        "version",
        "cpu",
        "gpu",
        "memory",
        "home",
        "engine",
        "logout",
        "models",
        "terminal",
        "dictionary",
        "language id",
    ] {
        assert!(findings.iter().any(|f| f["about"] == about), "{about} is missing: {text}");
    }
    for finding in &findings {
        let good = finding["verdict"] == "good";
        assert_eq!(good, finding["todo"].is_null(), "{finding}");
    }
    let text = stdout(&yosegi(folder.path(), &["doctor"]));
    assert!(text.contains("lid.176") && text.contains("4 bundled"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    // A home that can't be written is a gap with its way out.
    let text = Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(["doctor", "--json"])
        .env("YOSEGI_HOME", "/proc/none")
        .output()
        .unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_str(&stdout(&text)).unwrap();
    let home = findings.iter().find(|f| f["about"] == "home's disk").unwrap();
    assert!(home["found"].as_str().unwrap().starts_with("proc"), "{home}");
}

#[cfg(feature = "workbench")]
#[test]
fn replays_and_pictures_refuse_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let says = |arguments: &[&str]| refused(&yosegi(at, arguments));
    assert!(says(&["replay"]).contains("needs a terminal"));
    assert!(says(&["replay", "--speed", "0"]).contains("--speed 0 is not a speed"));
    assert!(says(&["replay", "--speed=-1"]).contains("-1"));
    assert!(says(&["replay", "none"]).contains("no session `none`"));
    assert!(says(&["replay", "none.jsonl"]).contains("none.jsonl cannot be read"));
    std::fs::write(at.join("bad.jsonl"), "{\"model\":1}\n").unwrap();
    assert!(says(&["replay", "bad.jsonl"]).contains("line 1"));
    std::fs::write(at.join("empty.jsonl"), "").unwrap();
    assert!(says(&["replay", "empty.jsonl"]).contains("no beginning"));
    assert!(says(&["report", "none", "--html", "x.html"]).contains("no session `none`"));
    assert!(says(&["screenshot", "--pane", "evolve", "--size", "5x5"]).contains("columns (20 to 500)"));
    assert!(says(&["screenshot", "--png", "--session", "none"]).contains("none"));
    assert!(!at.join("x.html").exists());
}

#[cfg(feature = "workbench")]
#[test]
fn a_pane_is_drawn_at_any_size() {
    let folder = tempfile::tempdir().unwrap();
    for (size, width) in [("60x18", "568"), ("200x60", "1828")] {
        stdout(&yosegi(folder.path(), &["screenshot", "--pane", "evolve", "--size", size, "--out", "."]));
        let svg = std::fs::read_to_string(folder.path().join("evolve.svg")).unwrap();
        assert!(svg.contains(&format!("width=\"{width}\"")), "{}", &svg[..300]);
    }
    // As PNG too, or, where there is no font at all, a sentence that says so.
    let drawn = yosegi(folder.path(), &["screenshot", "--pane", "answers", "--png", "--out", "png"]);
    let said = String::from_utf8_lossy(&drawn.stderr);
    match std::fs::read(folder.path().join("png/answers.png")) {
        Ok(png) => {
            assert!(drawn.status.success() && png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 20_000);
        }
        Err(_) => assert!(said.contains("no font was found on this machine"), "{said}"),
    }
    stdout(&yosegi(folder.path(), &["screenshot", "--out", "all"]));
    assert_eq!(std::fs::read_dir(folder.path().join("all")).unwrap().count(), 6);
}
