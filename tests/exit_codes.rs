//! What a person gives wrongly ends with code 2 and one sentence; 1 is left for what went wrong by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use yosegi::session::Home;
use yosegi::session::journal::Journal;
use yosegi::session::protocol::Event;

fn yosegi(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(args)
        .current_dir(dir)
        .env("YOSEGI_HOME", dir.join("home"))
        .env("HF_HOME", dir.join("hf"))
        .env("HF_HUB_OFFLINE", "1")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a config, a recipe and files that are none.
fn place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("zoo.toml", include_bytes!("../configs/zoo.toml"));
    write(
        "recipe.toml",
        b"method = \"linear\"\nbase = \"zoo:base\"\n[[source]]\nmodel = \"zoo:ja\"\nweight = 0.5\n",
    );
    write("noise.toml", b"\xff\xfe\x00 = [");
    write("noise.jsonl", b"{\"a\": ");
    write("text.txt", b"text");
    fs::create_dir(dir.path().join("folder")).unwrap();
    dir
}

#[test]
fn bad_calls_end_with_code_2() {
    let dir = place();
    let calls: &[&[&str]] = &[
        &["nosuch"],
        &["evolve"],
        &["evolve", "none.toml", "--headless"],
        &["evolve", "noise.toml", "--headless"],
        &["evolve", "folder", "--headless"],
        &["evolve", "zoo.toml", "--headless", "--name", "../x"],
        &["evolve", "zoo.toml", "--headless", "--seed", "18446744073709551615"],
        &["evolve", "zoo.toml", "--headless", "--budget", "18446744073709551615"],
        &["evolve", "zoo.toml", "--headless", "--budget", "-1"],
        &["evolve", "--extend", "nosuch", "--budget", "9", "--headless"],
        &["evolve", "--extend", "nosuch", "--headless"],
        &["attach", "nosuch"],
        &["attach", "../x"],
        &["stop", "nosuch"],
        &["report", "nosuch"],
        &["report", "nosuch", "--html", "x.html"],
        &["replay", "nosuch"],
        &["screenshot", "--session", "nosuch", "--out", "pictures"],
        &["screenshot", "--session", "noise.jsonl", "--out", "pictures"],
        &["merge", "none.toml", "--out", "out"],
        &["merge", "noise.toml", "--out", "out"],
        &["merge", "recipe.toml", "--out", "text.txt"],
        &["merge", "recipe.toml", "--out", "text.txt/out"],
        &["merge", "--session", "nosuch", "--out", "out"],
        &["recipe", "check", "none.toml"],
        &["recipe", "check", "folder"],
        &["recipe", "check", "noise.toml"],
        &["inspect", "nosuch"],
        &["inspect", "folder"],
        &["generate", "nosuch", "--prompt", "x"],
        &["generate", "zoo:base", "--prompts", "none.jsonl"],
        &["generate", "zoo:base", "--prompts", "noise.jsonl"],
        &["eval", "nosuch", "--task", "zoo", "--limit", "1"],
        &["eval", "zoo:base", "--task", "nosuch", "--limit", "1"],
        &["eval", "zoo:base", "--task", "folder", "--limit", "1"],
        &["compare", "zoo:base", "nosuch", "--task", "zoo", "--limit", "1"],
        &["compare", "noise.jsonl", "zoo:base", "--task", "zoo", "--limit", "1"],
        &["zoo", "--out", "text.txt"],
        &["man", "--out", "text.txt"],
    ];
    for args in calls {
        let out = yosegi(dir.path(), args);
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {said}");
        assert!(!said.is_empty() && !said.contains("panicked"), "{args:?}: {said}");
    }
}

/// Journals in every state but a good one.
#[test]
fn journals_that_are_not_as_they_should_be_are_listed_as_that() {
    let dir = place();
    let home = Home::at(dir.path().join("home"));
    let make = |name: &str| {
        let mut journal = Journal::create(&home, name).unwrap();
        for i in 0..300 {
            let event = Event::Stopped { reason: format!("{i} {}", "x".repeat(200)) };
            journal.append(&event, None).unwrap();
        }
        home.session(name).unwrap().join("journal.db")
    };
    // None yet, and none that could be read, are two things.
    let out = yosegi(dir.path(), &["sessions"]);
    assert!(text(&out.stdout).contains("no sessions"), "{}", text(&out.stdout));
    let cut = make("cut");
    fs::File::options().write(true).open(&cut).unwrap().set_len(20_000).unwrap();
    let newer = make("newer");
    let db = rusqlite::Connection::open(newer).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let null = make("null");
    let db = rusqlite::Connection::open(null).unwrap();
    db.execute("UPDATE events SET body = replace(body, '\"299 ', 'null, \"') WHERE seq = 300", []).unwrap();
    fs::write(make("emptied"), "").unwrap();
    fs::write(make("foreign"), "this is no database ".repeat(300)).unwrap();
    let nowhere = make("nowhere");
    fs::remove_file(&nowhere).unwrap();
    std::os::unix::fs::symlink("/none/at/all", &nowhere).unwrap();

    let out = yosegi(dir.path(), &["sessions"]);
    let listed = text(&out.stdout);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let out = yosegi(dir.path(), &["sessions", "--json"]);
    let rows: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let kinds = [
        ("cut", "damaged", "damaged"),
        ("newer", "newer", "newer"),
        ("null", "damaged", "damaged"),
        ("emptied", "empty", "empty"),
        ("foreign", "damaged", "damaged"),
        ("nowhere", "unreadable", "unreadable"),
    ];
    for (name, word, kind) in kinds {
        let line = listed.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap_or_default();
        assert!(line.contains(word), "{name}: {listed}");
        let sentence = listed.lines().find(|l| l.starts_with(&format!("{name}: "))).unwrap_or_default();
        assert!(sentence.contains("journal.db") && sentence.contains(": "), "{name}: {listed}");
        let row = rows.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap();
        assert_eq!(row["problem"]["kind"], kind, "{name}: {row}");
        assert!(row["problem"]["what"].as_str().unwrap().contains("journal.db"));
        let out = yosegi(dir.path(), &["report", name]);
        assert_eq!(out.status.code(), Some(2), "{name}: {}", text(&out.stderr));
        // One that holds nothing is begun anew, over the others nothing is written.
        if name != "emptied" {
            let out = yosegi(dir.path(), &["evolve", "zoo.toml", "--name", name, "--headless"]);
            assert_eq!(out.status.code(), Some(2), "{name}: {}", text(&out.stderr));
        }
    }
    // Of what is damaged at its end all before it is told.
    let out = yosegi(dir.path(), &["report", "null"]);
    assert!(text(&out.stdout).contains("is stopped"), "{}", text(&out.stdout));
    assert!(text(&out.stderr).contains("299 events from number 1 on can be read"), "{}", text(&out.stderr));
    let out = yosegi(dir.path(), &["report", "null", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(report["damaged"].as_str().unwrap().contains("journal.db"));

    // A folder of sessions that is none.
    let home = dir.path().join("home/sessions");
    fs::rename(&home, dir.path().join("aside")).unwrap();
    fs::write(&home, "").unwrap();
    let out = yosegi(dir.path(), &["sessions"]);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(2), String::new()));
    assert!(text(&out.stderr).contains("sessions cannot be read"), "{}", text(&out.stderr));
}
