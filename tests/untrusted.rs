//! Text from elsewhere (a model's files, a recipe, a config, a task, its data, a journal, names)
//! never drives the terminal: whatever a command says is free of escape sequences, control and
//! direction characters, and its JSON stays JSON.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use yosegi::evaluate::StoredQuestion;
use yosegi::session::Home;
use yosegi::session::journal::Journal;
use yosegi::session::protocol::{Event, Split};

/// Escape, bell, carriage return, a direction override, a line separator, C1, a tag, DEL.
const EVIL: &str =
    "x\u{1b}[31m\u{1b}]0;t\u{7}\r\u{202e}\u{2028}\u{2029}\u{9b}2J\u{e0041}\u{feff}\u{7f}\u{85}y";

struct Place(TempDir);

impl Place {
    /// The zoo as checkpoints in `zoo/`.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        assert!(place.run(&["zoo", "--out", "zoo"]).status.success());
        place
    }

    fn at(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.at().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.current_dir(self.at()).env("YOSEGI_HOME", self.at().join("home")).env("YOSEGI_LANG", "en");
        command.env("HF_HOME", self.at().join("hf")).env("HF_HUB_OFFLINE", "1").stdin(Stdio::null());
        command.env_remove("HF_HUB_CACHE").env_remove("HUGGINGFACE_HUB_CACHE");
        command.args(args).output().unwrap()
    }

    /// Runs a command; what it says must be plain, and with `--json` be JSON. Gives stdout, stderr
    /// and whether it succeeded.
    fn plain(&self, args: &[&str]) -> (String, String, bool) {
        let output = self.run(args);
        let stream = |bytes: &[u8], name: &str| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            for c in text.chars() {
                let fine = matches!(c, '\n' | '\t') || !is_steering(c);
                assert!(fine, "{args:?}: U+{:04X} on {name}:\n{}", u32::from(c), text.escape_debug());
            }
            text
        };
        let (out, error) = (stream(&output.stdout, "stdout"), stream(&output.stderr, "stderr"));
        assert!(!error.contains("panicked"), "{args:?}: {error}");
        if args.contains(&"--json") && output.status.success() {
            let lines = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
            assert!(lines.map(Result::unwrap).count() > 0, "{args:?}: no JSON");
        }
        (out, error, output.status.success())
    }
}

fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A JSON object with `EVIL` in place of the value of one key.
fn spoilt(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().map(|(k, v)| (k.clone(), if k == key { json!(EVIL) } else { v.clone() })).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn models_and_their_files() {
    let place = Place::new();
    let file = |name: &str| fs::read(place.at().join("zoo/ja").join(name)).unwrap();
    let config: Value = serde_json::from_slice(&file("config.json")).unwrap();
    let keys: Vec<String> = config.as_object().unwrap().keys().cloned().collect();
    let with = |config: &Value, name: &str, text: &[u8]| {
        for own in ["config.json", "tokenizer.json", "model.safetensors", "README.md"] {
            place.write(&format!("m/{own}"), file(own));
        }
        place.write("m/config.json", config.to_string());
        place.write(&format!("m/{name}"), text);
    };
    for key in keys.iter().map(String::as_str).chain(["hidden_act", "rope_scaling", "torch_dtype"]) {
        with(&spoilt(&config, key), "LICENSE", b"");
        place.plain(&["inspect", "m"]);
    }
    with(&spoilt(&config, "hidden_act"), "LICENSE", b"");
    let (_, error, fine) = place.plain(&["generate", "m", "--prompt", "1+1="]);
    assert!(!fine && error.contains("hidden_act"), "{error}");
    // Files that are no such files, and a card.
    for (name, text) in [
        ("tokenizer.json", format!("{{\"model\": {{\"type\": {EVIL:?}}}}}")),
        ("tokenizer.json", EVIL.to_owned()),
        ("model.safetensors", EVIL.to_owned()),
        ("README.md", EVIL.to_owned()),
        ("tokenizer_config.json", json!({ "chat_template": format!("{{{{ {EVIL} }}}}") }).to_string()),
        ("generation_config.json", json!({ "eos_token_id": EVIL }).to_string()),
    ] {
        with(&config, name, text.as_bytes());
        for args in [
            &["inspect", "m"][..],
            &["inspect", "m", "--json"],
            &["inspect", "zoo/base", "m"],
            &["generate", "m", "--prompt", "1+1=", "--max-tokens", "2"],
            &["merge", "r.toml", "--dry-run"],
        ] {
            place.plain(args);
        }
    }
    // A tensor of that name, and an index that names such a shard.
    let mut tensors = Vec::new();
    let weights = file("model.safetensors");
    let whole = safetensors::SafeTensors::deserialize(&weights).unwrap();
    for name in whole.names() {
        tensors.push((name.to_owned(), whole.tensor(name).unwrap()));
    }
    let one = whole.tensor("model.norm.weight").unwrap();
    tensors.push((EVIL.to_owned(), one.clone()));
    with(&config, "LICENSE", EVIL.as_bytes());
    place.write("m/model.safetensors", safetensors::serialize(tensors, None).unwrap());
    let (out, ..) = place.plain(&["inspect", "m"]);
    assert!(out.contains("not merged"), "{out}");
    place.plain(&["inspect", "m", "--json"]);
    fs::remove_file(place.at().join("m/model.safetensors")).unwrap();
    place.write("m/model.safetensors.index.json", json!({ "weight_map": { "a": EVIL } }).to_string());
    place.plain(&["inspect", "m"]);
    // A folder of that name, and one in the hub's cache.
    let folder = format!("zoo/{EVIL}");
    fs::rename(place.at().join("zoo/ja"), place.at().join(&folder)).unwrap();
    for args in [
        &["inspect", folder.as_str()][..],
        &["inspect", folder.as_str(), "--json"],
        &["inspect", "zoo/base", folder.as_str()],
    ] {
        assert!(place.plain(args).2);
    }
    fs::create_dir_all(place.at().join(format!("hf/hub/models--o--{EVIL}/snapshots/{EVIL}"))).unwrap();
    place.plain(&["models"]);
    place.plain(&["models", "--json"]);
    place.plain(&["models", "--base", EVIL]);
    place.plain(&["zoo", "--out", &format!("out{EVIL}")]);
}

#[test]
fn recipes_and_what_is_made_of_them() {
    let place = Place::new();
    let folder = format!("zoo/{EVIL}```");
    fs::rename(place.at().join("zoo/ja"), place.at().join(&folder)).unwrap();
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let model = text(&folder);
    let recipe = format!(
        "name = {}\nmethod = \"task_arithmetic\"\nbase = \"zoo/base\"\n[[source]]\nmodel = {model}\nweight = 0.5\n",
        text(EVIL)
    );
    place.write("r.toml", &recipe);
    for args in [
        &["recipe", "check", "r.toml"][..],
        &["merge", "r.toml", "--dry-run"],
        &["merge", "r.toml", "--out", "out"],
    ] {
        let (_, error, fine) = place.plain(args);
        assert!(fine, "{args:?}: {error}");
    }
    let card = fs::read_to_string(place.at().join("out/README.md")).unwrap();
    assert!(card.chars().all(|c| c == '\n' || !is_steering(c)), "{}", card.escape_debug());
    assert!(card.contains("````toml"), "{card}");
    // What is printed reads back as the recipe that it was.
    let (yaml, ..) = place.plain(&["recipe", "convert", "r.toml", "-"]);
    place.write("r.yaml", &yaml);
    let (back, error, fine) = place.plain(&["recipe", "convert", "r.yaml", "-"]);
    assert!(fine && back.contains("\\u202e"), "{back}{error}");
    let again: toml::Value = toml::from_str(&back).unwrap();
    assert_eq!(again["source"][0]["model"].as_str(), Some(folder.as_str()), "{back}");
    for (key, value) in [
        ("method", text(EVIL)),
        ("base", text(EVIL)),
        ("dtype", text(EVIL)),
        ("tokenizer", text(EVIL)),
        (&text(EVIL), "1".to_owned()),
    ] {
        let lines = recipe.lines().filter(|l| !l.starts_with(key)).collect::<Vec<_>>().join("\n");
        place.write("bad.toml", format!("{key} = {value}\n{lines}"));
        for args in [
            &["recipe", "check", "bad.toml"][..],
            &["merge", "bad.toml", "--dry-run"],
            &["eval", "bad.toml", "--task", "zoo", "--limit", "1"],
        ] {
            place.plain(args);
        }
        place.plain(&["merge", "bad.toml", "--dry-run", "--lenient"]);
    }
    let yaml = format!("merge_method: {}\nmodels:\n- model: {}\n", json!(EVIL), json!(EVIL));
    place.write("bad.yaml", yaml);
    place.plain(&["recipe", "check", "bad.yaml"]);
    place.write("bad.yaml", EVIL);
    place.plain(&["recipe", "check", "bad.yaml"]);
    place.plain(&["recipe", "methods", EVIL]);
    place.plain(&["recipe", "check", &format!("{EVIL}.toml")]);
}

#[test]
fn tasks_answers_and_tables() {
    let place = Place::new();
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let task = format!(
        "name = {}\nprompt = {}\nmax_new_tokens = 2\n[train]\ndata = 'rows.jsonl'\n[test]\ndata = 'held.jsonl'\n",
        text(EVIL),
        text(&format!("{EVIL}{{{{ question }}}}="))
    );
    place.write("t.toml", &task);
    let row = |id: &str, q: &str| json!({ "id": format!("{id}{EVIL}\0"), "question": format!("{q}{EVIL}\0"), "answer": "2" });
    place.write("rows.jsonl", format!("{}\n", row("a", "1+1")));
    place.write("held.jsonl", format!("{}\n{}\n", row("b", "=2+0"), row("c", "=3-1")));
    let answer =
        |id: &str| json!({ "id": format!("{id}{EVIL}\0"), "gold": "2", "text": format!("=2{EVIL}\0") });
    place.write("a.jsonl", format!("{}\n{}\n", answer("b"), answer("c")));
    place.write("b.jsonl", format!("{}\n", json!({ "id": format!("b{EVIL}\0"), "gold": "2", "text": "-9" })));
    for args in [
        &["eval", "zoo:ja", "--task", "t.toml"][..],
        &["eval", "zoo:ja", "--task", "t.toml", "--json"],
        &["eval", "zoo:ja", "--task", "t.toml", "--markdown"],
        &["eval", "zoo:ja", "--task", "t.toml,zoo", "--limit", "1"],
        &["score", "--task", "t.toml", "--answers", "a.jsonl"],
        &["score", "--task", "t.toml", "--answers", "a.jsonl", "--json"],
        &["score", "--task", "t.toml", "--answers", "b.jsonl", "--export", "b.csv"],
        &["score", "--task", "t.toml", "--answers", "a.jsonl", "--export", "a.csv"],
        &["compare", "a.jsonl", "b.jsonl", "--task", "t.toml", "--verbose"],
        &["compare", "a.jsonl", "b.jsonl", "--task", "t.toml", "--json"],
        &["compare", "a.jsonl", "zoo:ja", "--task", "t.toml"],
        &["generate", "zoo:ja", "--prompt", EVIL, "--max-tokens", "2"],
        &["generate", "zoo:ja", "--prompt", EVIL, "--max-tokens", "2", "--json"],
    ] {
        let (_, error, fine) = place.plain(args);
        assert!(fine, "{args:?}: {error}");
    }
    // No cell is a formula; a number is a number.
    let mut table = csv::Reader::from_path(place.at().join("a.csv")).unwrap();
    for record in table.records().map(Result::unwrap) {
        assert!(record.iter().all(|cell| !cell.starts_with(['=', '+', '@', '\t', '\r'])), "{record:?}");
        assert!(record[4].starts_with("'=2"), "{record:?}");
    }
    assert_eq!(
        &csv::Reader::from_path(place.at().join("b.csv")).unwrap().records().next().unwrap().unwrap()[4],
        "-9"
    );
    for (broken, with) in [
        ("name", text(EVIL)),
        ("prompt", text(&format!("{{{{ {EVIL} }}}}"))),
        ("scorer", text(EVIL)),
        ("language", text(EVIL)),
        (&text(EVIL), "1".to_owned()),
    ] {
        place.write(
            "bad.toml",
            format!(
                "{broken} = {with}\n{}",
                task.lines().filter(|l| !l.starts_with(broken)).collect::<Vec<_>>().join("\n")
            ),
        );
        place.plain(&["eval", "zoo:ja", "--task", "bad.toml"]);
        place.plain(&["score", "--task", "bad.toml", "--answers", "a.jsonl"]);
    }
    for rows in [
        EVIL.to_owned(),
        json!({ EVIL: EVIL }).to_string(),
        json!({ "question": "q", "answer": EVIL }).to_string(),
    ] {
        place.write("rows.jsonl", &rows);
        place.write("x.jsonl", &rows);
        place.plain(&["eval", "zoo:ja", "--task", "t.toml", "--split", "train"]);
        place.plain(&["score", "--task", "zoo", "--answers", "x.jsonl"]);
        place.plain(&["generate", "zoo:ja", "--prompts", "x.jsonl"]);
    }
    for args in [
        &["eval", EVIL, "--task", EVIL][..],
        &["eval", "zoo:ja", "--suite", EVIL],
        &["score", "--task", EVIL, "--answers", EVIL],
        &["compare", EVIL, EVIL, "--task", "zoo"],
    ] {
        assert!(!place.plain(args).2);
    }
}

/// A journal whose every text is spoilt.
fn journal(home: &Home) {
    let event = |value: Value| -> Event { serde_json::from_value(value).unwrap() };
    let score = json!({ "fitness": 0.5, "acc": 0.5, "acc_ja": 0.5, "japanese": 1.0, "n": 4 });
    let candidate = |id: u64, origin: &str| json!({ "id": id, "label": EVIL, "origin": origin, "genome": [], "target": { "model": EVIL } });
    let mut journal = Journal::create(home, "evil").unwrap();
    let created = event(json!({
        "event": "created", "version": 1, "name": EVIL, "config": EVIL, "seed": 1,
        "genes": [{ "name": EVIL, "low": 0.0, "high": 1.0 }], "layers": 2, "train_questions": 1, "test_questions": 1,
        "budget": 8, "device": EVIL, "device_note": EVIL, "dtype": EVIL, "language_by": EVIL,
        "begin": { "languages": [EVIL] },
    }));
    let text = || EVIL.to_owned();
    let question = StoredQuestion {
        split: Split::Test,
        index: 0,
        id: text(),
        question: text(),
        gold: text(),
        images: vec![],
    };
    journal.begin(&created, &[question], &[]).unwrap();
    let scores = json!([{ "split": "train", "score": score }, { "split": "test", "score": score }]);
    for told in [
        json!({ "event": "baseline", "candidate": candidate(0, "base"), "scores": scores }),
        json!({ "event": "baseline", "candidate": candidate(1, "source"), "scores": [], "failed": EVIL }),
        json!({ "event": "generation_started", "generation": 1, "sigma": 0.1, "mean": [0.5], "candidates": [candidate(2, "search")] }),
        json!({ "event": "evaluated", "id": 2, "generation": 1, "outcome": { "scored": score } }),
        json!({ "event": "generation_finished", "generation": 1, "best": 2, "best_fitness": 0.5, "mean_fitness": 0.5,
                "std_fitness": 0.0, "evaluations": 1 }),
        json!({ "event": "stopped", "reason": EVIL }),
    ] {
        journal.append(&event(told), None).unwrap();
    }
}

#[test]
fn sessions_and_their_journals() {
    let place = Place(tempfile::tempdir().unwrap());
    journal(&Home::at(place.at().join("home")));
    for args in [
        &["report", "evil"][..],
        &["report", "evil", "--json"],
        &["report", "evil", "--html", "page.html"],
        &["sessions"],
        &["sessions", "--json"],
        &["attach", "evil"],
        &["stop", "evil"],
        &["merge", "--session", "evil", "--dry-run"],
        &["evolve", "--extend", "evil", "--budget", "20", "--headless"],
        &["doctor"],
        &["doctor", "--json"],
        &["report", EVIL],
        &["attach", EVIL],
        &["stop", EVIL],
        &["completions", EVIL],
        &["man", "--out", &format!("{EVIL}/x")],
        &[EVIL],
        &["report", "--", EVIL, EVIL],
        &[&format!("--{EVIL}")],
    ] {
        place.plain(args);
    }
    let page = fs::read_to_string(place.at().join("page.html")).unwrap();
    assert!(page.chars().all(|c| matches!(c, '\n' | '\t') || !is_steering(c)), "the page is plain too");
    let config = |key: &str| {
        let text = toml::Value::String(EVIL.to_owned()).to_string();
        let whole = "name = 's'\ndevice = 'cpu'\n[pool]\nbase = 'zoo:base'\nsources = ['zoo:ja', 'zoo:math-add']\n[task]\nuse = 'zoo'\n\
            fitness = 'acc'\n[search]\nalgorithm = 'cma-es'\nstart = 'uniform'\n[budget]\nevaluations = 1\n";
        let mut out = String::new();
        for line in whole.lines() {
            let spoilt = line.split_once(" = ").filter(|(k, _)| *k == key).map(|(k, v)| {
                if v.starts_with('[') { format!("{k} = [{text}]") } else { format!("{k} = {text}") }
            });
            out.push_str(&spoilt.unwrap_or_else(|| line.to_owned()));
            out.push('\n');
        }
        if key == EVIL { format!("{text} = 1\n{out}") } else { out }
    };
    for key in ["name", "device", "base", "sources", "use", "fitness", "algorithm", "start", EVIL] {
        place.write("s.toml", config(key));
        let (_, error, fine) = place.plain(&["evolve", "s.toml", "--headless"]);
        assert!(!fine, "{key}: {error}");
    }
    place.write("s.toml", EVIL);
    place.plain(&["evolve", "s.toml", "--headless"]);
    place.plain(&["evolve", &format!("{EVIL}.toml"), "--headless", "--name", EVIL]);
}
