//! What an earlier version wrote is read, and means the same: journals, configs, recipes, key files, answers, and
//! the documents that `--json` prints. Its files stand in `tests/golden/earlier` with the script that made them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use yosegi::session::Home;
use yosegi::session::config::Config;
use yosegi::session::journal::Reader;

const SESSIONS: [&str; 3] = ["weights", "tasks", "stages"];

/// Keys of documents that were renamed since; journals keep the old ones.
const RENAMED: [(&str, &str); 3] =
    [("acc_ja", "acc_in_language"), ("japanese", "in_language"), ("p_ja", "p_language")];

/// What differs from run to run.
const TIMES: [&str; 8] =
    ["at_ms", "cost", "seconds", "merge_s", "prefill_s", "decode_s", "score_s", "config"];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/earlier").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(golden(name)).unwrap()
}

/// A folder with the earlier version's files and a home of its own.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden("")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

/// Puts a session's journal where this version looks for it.
fn put_journal(folder: &Path, name: &str) -> PathBuf {
    let to = folder.join("home/sessions").join(name);
    fs::create_dir_all(&to).unwrap();
    let mut journal = Vec::new();
    let packed = fs::File::open(golden(&format!("{name}.journal.gz"))).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut journal).unwrap();
    fs::write(to.join("journal.db"), journal).unwrap();
    to.join("journal.db")
}

/// What `yosegi` prints in `folder`.
fn yosegi(folder: &Path, args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(args)
        .current_dir(folder)
        .env("YOSEGI_HOME", folder.join("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// `now` says all that `earlier` said, under the same key or its new one.
fn covers(now: &Value, earlier: &Value, at: &str) {
    match (now, earlier) {
        (Value::Object(now), Value::Object(earlier)) => {
            for (key, value) in earlier.iter().filter(|(key, _)| !TIMES.contains(&key.as_str())) {
                let new = RENAMED.iter().find(|(old, _)| old == key).map_or(key.as_str(), |(_, new)| *new);
                let found = now.get(key).or_else(|| now.get(new));
                covers(
                    found.unwrap_or_else(|| panic!("{at}: no {key} any more")),
                    value,
                    &format!("{at}.{key}"),
                );
            }
        }
        (Value::Array(now), Value::Array(earlier)) => {
            assert_eq!(now.len(), earlier.len(), "{at}: how many");
            now.iter().zip(earlier).enumerate().for_each(|(n, (a, b))| covers(a, b, &format!("{at}[{n}]")));
        }
        _ => assert_eq!(now, earlier, "{at}"),
    }
}

/// The documents of a text, one a line or over several lines.
fn documents(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().unwrap()
}

fn covers_documents(now: &str, earlier: &str, at: &str) {
    covers(&Value::Array(documents(now)), &Value::Array(documents(earlier)), at);
}

#[test]
fn journals_are_read() {
    let folder = folder();
    for name in SESSIONS {
        put_journal(folder.path(), name);
        let report = yosegi(folder.path(), &["report", name, "--json"]);
        let earlier = text(&format!("{name}.report.json"));
        covers(&serde_json::from_str(&report).unwrap(), &serde_json::from_str(&earlier).unwrap(), name);
        let records = Reader::open(&Home::at(folder.path().join("home")), name).unwrap().records(1).unwrap();
        assert_eq!(records.len(), text(&format!("{name}.events.jsonl")).lines().count(), "{name}");
    }
    let all = yosegi(folder.path(), &["sessions", "--json"]);
    assert!(SESSIONS.iter().all(|name| all.contains(name)), "{all}");
}

/// The same configs under the same seeds lead to the same events: configs, fitness expressions, the search, the merges
/// and the answers are what they were.
#[test]
fn configs_lead_to_the_same_sessions() {
    let folder = folder();
    for name in SESSIONS {
        let config = format!("{name}.toml");
        Config::parse(&text(&config), &config).unwrap();
        let events = yosegi(folder.path(), &["evolve", &config, "--headless", "--json"]);
        // A task file is named with its folder.
        let at = folder.path().canonicalize().unwrap();
        let events = events.replace(at.to_str().unwrap(), "/tmp/yosegi-earlier");
        covers_documents(&events, &text(&format!("{name}.events.jsonl")), name);
    }
}

/// A session that the earlier version left before its last generation ends as that version ended it.
#[test]
fn journals_go_on() {
    let folder = folder();
    for (name, first_of_the_last_generation) in [("weights", 16), ("stages", 9)] {
        let journal = rusqlite::Connection::open(put_journal(folder.path(), name)).unwrap();
        journal
            .execute_batch(&format!(
                "DELETE FROM events WHERE seq >= (SELECT max(seq) FROM events WHERE kind = 'generation_started');
                 DELETE FROM answers WHERE candidate >= {first_of_the_last_generation};"
            ))
            .unwrap();
        drop(journal);
        yosegi(folder.path(), &["evolve", &format!("{name}.toml"), "--headless", "--resume"]);
        let report = yosegi(folder.path(), &["report", name, "--json"]);
        let earlier = text(&format!("{name}.report.json"));
        covers(&serde_json::from_str(&report).unwrap(), &serde_json::from_str(&earlier).unwrap(), name);
    }
}

#[test]
fn recipes_are_read_and_written_as_before() {
    let folder = folder();
    yosegi(folder.path(), &["recipe", "convert", "recipe.toml", "again.yaml"]);
    assert_eq!(fs::read_to_string(folder.path().join("again.yaml")).unwrap(), text("recipe.yaml"));
    let one = yosegi(folder.path(), &["recipe", "convert", "recipe.yaml", "-"]);
    fs::write(folder.path().join("again.toml"), &one).unwrap();
    yosegi(folder.path(), &["recipe", "convert", "again.toml", "third.yaml"]);
    assert_eq!(fs::read_to_string(folder.path().join("third.yaml")).unwrap(), text("recipe.yaml"));
}

#[test]
fn documents_say_what_they_said() {
    let folder = folder();
    let document = |file: &str, args: &[&str]| {
        covers_documents(&yosegi(folder.path(), args), &text(file), file);
    };
    document("methods.json", &["recipe", "methods", "--json"]);
    document("inspect.json", &["inspect", "zoo:ja", "--json"]);
    document("eval.json", &["eval", "recipe.toml", "--task", "polite.toml", "--json"]);
    document("compare.json", &["compare", "zoo:ja", "zoo:base", "--task", "polite.toml", "--json"]);
    document("score.json", &["score", "--task", "polite.toml", "--answers", "answers.jsonl", "--json"]);
    let generate = ["generate", "recipe.toml", "--prompt", "りんご", "--max-tokens", "8", "--json"];
    document("generate.jsonl", &generate);
}

/// Answers that the earlier version printed are compared and scored.
#[test]
fn earlier_answers_are_taken() {
    let folder = folder();
    let compared =
        yosegi(folder.path(), &["compare", "eval.json", "zoo:base", "--task", "polite.toml", "--json"]);
    assert_eq!(documents(&compared)[0]["right_a"], 1.0, "{compared}");
    let scored =
        yosegi(folder.path(), &["score", "--task", "polite.toml", "--answers", "eval.json", "--json"]);
    assert_eq!(documents(&scored)[0]["acc"], 1.0, "{scored}");
}

/// A key file of the earlier version changes keys without a complaint.
#[cfg(feature = "workbench")]
#[test]
fn key_files_are_read() {
    let (_, problems) = yosegi::workbench::action::keymap::Keymap::read(&text("keys.toml"), "keys.toml");
    assert!(problems.is_empty(), "{problems:?}");
}
