//! Fetching from a hub on this machine's loopback: what is asked for, what a merge hands on, and
//! what is said where there is nothing to read.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A hub with one repository, a folder. It serves until the test's process ends.
struct Hub {
    url: String,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

/// Time between two pieces of weights that a slow hub sends, and their number.
const SLOW: (Duration, usize) = (Duration::from_millis(100), 20);

impl Hub {
    fn of(repo: &Path) -> Self {
        Self::with(repo, false)
    }

    /// A hub that sends weights slowly.
    fn slow(repo: &Path) -> Self {
        Self::with(repo, true)
    }

    fn with(repo: &Path, slow: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let (repo, seen) = (repo.to_path_buf(), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (repo, seen) = (repo.clone(), Arc::clone(&seen));
                std::thread::spawn(move || serve(&stream, &repo, &seen, slow));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one connection's requests.
fn serve(stream: &TcpStream, repo: &Path, asked: &Mutex<BTreeSet<String>>, slow: bool) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let mut words = first.split_whitespace();
        let (head, path) = (words.next()? == "HEAD", words.next()?.to_owned());
        let mut range = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            let (key, value) = line.split_once(':')?;
            if key.eq_ignore_ascii_case("range") {
                range = value.trim().strip_prefix("bytes=").map(str::to_owned);
            }
        }
        let (status, headers, body) = answer(&path, range.as_deref(), repo, asked);
        let mut out = stream;
        let length = body.len();
        write!(out, "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n").ok()?;
        if !head && slow && path.ends_with(".safetensors") {
            for piece in body.chunks(body.len().div_ceil(SLOW.1)) {
                std::thread::sleep(SLOW.0);
                out.write_all(piece).ok()?;
            }
        } else if !head {
            out.write_all(&body).ok()?;
        }
    }
}

fn answer(
    path: &str,
    range: Option<&str>,
    repo: &Path,
    asked: &Mutex<BTreeSet<String>>,
) -> (&'static str, String, Vec<u8>) {
    let commit = "a".repeat(40);
    if path.starts_with("/api/") {
        let sizes = path.ends_with("?blobs=true");
        let file = |name: String| match fs::metadata(repo.join(&name)) {
            Ok(found) if sizes => serde_json::json!({ "rfilename": name, "size": found.len() }),
            _ => serde_json::json!({ "rfilename": name }),
        };
        let names: Vec<_> = files(repo).into_iter().map(file).collect();
        let body = serde_json::json!({ "sha": commit, "siblings": names }).to_string();
        return ("200 OK", "content-type: application/json\r\n".to_owned(), body.into_bytes());
    }
    let name = path.split_once("/resolve/main/").map_or("", |(_, name)| name);
    let Ok(bytes) = fs::read(repo.join(name)) else { return ("404 Not Found", String::new(), Vec::new()) };
    asked.lock().unwrap().insert(name.to_owned());
    let etag = name.bytes().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat();
    let headers = format!("etag: \"{etag}\"\r\nx-repo-commit: {commit}\r\naccept-ranges: bytes\r\n");
    let Some((from, to)) = range.and_then(|r| r.split_once('-')) else { return ("200 OK", headers, bytes) };
    let from: usize = from.parse().unwrap();
    let to = to.parse().map_or(bytes.len(), |to: usize| (to + 1).min(bytes.len()));
    let headers = format!("{headers}content-range: bytes {from}-{}/{}\r\n", to - 1, bytes.len());
    ("206 Partial Content", headers, bytes[from..to].to_vec())
}

/// Files below a folder, by their paths in it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            out.extend(files(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            out.insert(name);
        }
    }
    out
}

fn yosegi(home: &Path, hub: &str, arguments: &[&str]) -> Output {
    yosegi_command(home, hub, arguments).output().unwrap()
}

fn yosegi_command(home: &Path, hub: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    for key in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"]
    {
        command.env_remove(key);
    }
    command.args(arguments).current_dir(home).env("YOSEGI_HOME", home.join("home")).env("HOME", home);
    command.env("HF_HOME", "~/hf").env("HF_ENDPOINT", hub);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A repository with a bundled model in a folder `repo` of `home`.
fn repo(home: &Path) -> PathBuf {
    let written = yosegi(home, "", &["zoo", "--out", "zoo"]);
    assert!(written.status.success(), "{}", stderr(&written));
    let repo = home.join("repo");
    fs::rename(home.join("zoo/ja"), &repo).unwrap();
    repo
}

const COMPANIONS: [&str; 10] = [
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
    "additional_chat_templates/tools.jinja",
    "LICENSE",
    "NOTICE.txt",
];

#[test]
fn what_belongs_to_a_model_is_fetched_and_handed_on() {
    let home = tempfile::tempdir().unwrap();
    let repo = repo(home.path());
    fs::create_dir(repo.join("additional_chat_templates")).unwrap();
    for name in COMPANIONS {
        fs::write(repo.join(name), "{}").unwrap();
    }
    fs::create_dir(repo.join("original")).unwrap();
    for name in ["original/consolidated.00.pth", "pytorch_model.bin", "model.Q4.gguf", "figure.png"] {
        fs::write(repo.join(name), "large").unwrap();
    }
    // A shard whose name says nothing, and one that the index does not name.
    let weights = fs::read(repo.join("model.safetensors")).unwrap();
    let names = safetensors::SafeTensors::deserialize(&weights).unwrap();
    let map: serde_json::Map<_, _> =
        names.names().into_iter().map(|n| (n.to_owned(), "weights.part-1.safetensors".into())).collect();
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    fs::write(repo.join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::rename(repo.join("model.safetensors"), repo.join("weights.part-1.safetensors")).unwrap();
    fs::write(repo.join("model-00001-of-00001.safetensors"), "another").unwrap();

    let hub = Hub::of(&repo);
    let recipe = "method = \"linear\"\n[[source]]\nmodel = \"some/model\"\nweight = 1.0\n";
    fs::write(home.path().join("r.toml"), recipe).unwrap();
    let made = yosegi(home.path(), &hub.url, &["merge", "r.toml", "--out", "out"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let asked = hub.asked();
    let mut wanted: BTreeSet<&str> = COMPANIONS.into_iter().collect();
    wanted.extend(["config.json", "README.md", "tokenizer.json", "model.safetensors.index.json"]);
    wanted.insert("weights.part-1.safetensors");
    for name in &wanted {
        assert!(asked.contains(*name) || !repo.join(name).exists(), "{name} was not fetched: {asked:?}");
    }
    let beyond: Vec<_> =
        asked.iter().filter(|n| !wanted.contains(n.as_str()) && *n != "tokenizer_config.json").collect();
    assert!(beyond.is_empty(), "fetched beyond need: {beyond:?}");
    let out = files(&home.path().join("out"));
    for name in COMPANIONS {
        assert!(out.contains(name), "{name} was not handed on: {out:?}");
    }
    // What is there is not fetched again, nor asked for.
    hub.asked.lock().unwrap().clear();
    let again = yosegi(home.path(), "http://127.0.0.1:9", &["inspect", "some/model"]);
    assert!(again.status.success() && hub.asked().is_empty(), "{}", stderr(&again));
}

#[test]
fn a_plan_says_what_is_downloaded_and_downloads_nothing() {
    let home = tempfile::tempdir().unwrap();
    let repo = repo(home.path());
    let size = |name: &String| fs::metadata(repo.join(name)).unwrap().len();
    let wanted: u64 = files(&repo).iter().map(size).sum();
    fs::write(repo.join("pytorch_model.bin"), "the same in another format").unwrap();
    fs::write(repo.join("figure.png"), "large").unwrap();
    let hub = Hub::of(&repo);
    let config = "[pool]\nbase = \"zoo:base\"\nsources = [\"some/model\"]\n[task]\nuse = \"zoo\"\n\
        [space]\n[budget]\nevaluations = 9\n";
    fs::write(home.path().join("c.toml"), config).unwrap();
    let planned = yosegi(home.path(), &hub.url, &["evolve", "c.toml", "--dry-run", "--json"]);
    assert!(planned.status.success(), "{}", stderr(&planned));
    let plan: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    let source = &plan["models"][1];
    assert_eq!((&source["place"], &source["download"]), (&"hub".into(), &wanted.into()), "{plan}");
    assert!(plan["stages"][0]["genes"].is_u64() && plan["memory"].is_null(), "{plan}");
    assert!(hub.asked().is_empty() && !home.path().join("hf").exists(), "{:?}", hub.asked());
    // Without the hub its size is unknown; nothing can be timed.
    let planned = yosegi(home.path(), "http://127.0.0.1:9", &["evolve", "c.toml", "--dry-run", "--measure"]);
    assert_eq!(planned.status.code(), Some(2));
    assert!(stderr(&planned).contains("before all models are on this machine"), "{}", stderr(&planned));
}

#[test]
fn a_log_tells_how_far_a_long_download_has_come() {
    let home = tempfile::tempdir().unwrap();
    let repo = repo(home.path());
    let bytes = fs::metadata(repo.join("model.safetensors")).unwrap().len();
    let hub = Hub::slow(&repo);
    let shown = |every: &str, home: &Path| {
        let mut command = yosegi_command(home, &hub.url, &["inspect", "some/model"]);
        let shown = command.env("YOSEGI_PROGRESS", every).output().unwrap();
        assert!(shown.status.success(), "{}", stderr(&shown));
        stderr(&shown)
    };
    let said = shown("0.1", home.path());
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("fetching")).collect();
    assert!(!lines.is_empty() && lines.len() <= 30, "{said}");
    let all = format!(" of {:.0} MB", bytes as f64 / 1e6);
    for line in lines {
        assert!(line.starts_with("fetching some/model: model.safetensors: "), "{line}");
        assert!(line.contains(&all) && line.ends_with(" left"), "{line}");
    }
    // Two seconds are no reason for a line every ten.
    let other = tempfile::tempdir().unwrap();
    assert!(!shown("10", other.path()).contains("fetching"));
}

#[test]
fn a_repository_that_cannot_be_read_says_what_it_is() {
    let home = tempfile::tempdir().unwrap();
    let repo = repo(home.path());
    let weights = repo.join("model.safetensors");
    for (name, says) in [
        ("model.Q4_K_M.gguf", "gguf_file='model.Q4_K_M.gguf'"),
        ("tf_model.h5", "from_tf=True"),
        ("consolidated.00.pth", "convert_"),
        ("README.md", "the repository holds no model.safetensors"),
    ] {
        let other = repo.join(name);
        fs::rename(&weights, &other).unwrap();
        let hub = Hub::of(&repo);
        let shown = yosegi(home.path(), &hub.url, &["inspect", "some/model"]);
        assert_eq!(shown.status.code(), Some(2));
        assert!(stderr(&shown).contains(says), "{}", stderr(&shown));
        assert!(hub.asked().is_empty(), "nothing is fetched in vain: {:?}", hub.asked());
        // The folder says the same.
        let shown = yosegi(home.path(), "", &["inspect", "repo"]);
        let says = says.strip_prefix("the repository holds ").unwrap_or(says);
        assert_eq!(shown.status.code(), Some(2));
        assert!(stderr(&shown).contains(says), "{}", stderr(&shown));
        fs::rename(&other, &weights).unwrap();
    }
    fs::write(repo.join("model.safetensors.index.json"), r#"{"weight_map": {"a": "gone.safetensors"}}"#)
        .unwrap();
    fs::remove_file(&weights).unwrap();
    let shown = yosegi(home.path(), &Hub::of(&repo).url, &["inspect", "some/model"]);
    assert!(
        stderr(&shown).contains("gone.safetensors, which the repository does not hold"),
        "{}",
        stderr(&shown)
    );
    let mut offline = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    offline.args(["inspect", "some/other"]).env("HOME", home.path()).env("HF_HOME", "$HOME/hf");
    let shown = offline.env("TRANSFORMERS_OFFLINE", "1").output().unwrap();
    let says = stderr(&shown);
    assert!(
        says.contains("TRANSFORMERS_OFFLINE is set") && says.contains("hf/hub)") && !says.contains('$'),
        "{says}"
    );
}

/// By the variables of `huggingface_hub`, with `~` and variables in them.
#[test]
fn models_and_data_are_looked_up_in_one_cache() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().to_str().unwrap();
    let task = "name = 't'\nprompt = '{{ question }}'\nmax_new_tokens = 4\n[train]\ndata = 'hf:org/set'\n\
                [test]\ndata = 'hf:org/set'\n";
    fs::write(place.path().join("task.toml"), task).unwrap();
    for (set, cache) in [
        (&[][..], ".cache/huggingface/hub"),
        (&[("HF_HOME", "~/a")][..], "a/hub"),
        (&[("HF_HOME", "$HOME/b")][..], "b/hub"),
        (&[("HUGGINGFACE_HUB_CACHE", "${HOME}/c"), ("HF_HOME", "~/a")][..], "c"),
        (&[("HF_HUB_CACHE", "~/d"), ("HUGGINGFACE_HUB_CACHE", "~/c")][..], "d"),
    ] {
        let says = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
            for key in ["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_TOKEN"] {
                command.env_remove(key);
            }
            command.args(arguments).current_dir(home).env("HOME", home).env("HF_HUB_OFFLINE", "1");
            command.env("YOSEGI_HOME", place.path().join("home")).envs(set.iter().copied());
            stderr(&command.output().unwrap())
        };
        let model = says(&["inspect", "org/model"]);
        assert!(model.contains(&format!("cache ({home}/{cache})")), "{set:?}: {model}");
        let data = says(&["eval", "zoo:base", "--task", "task.toml"]);
        assert!(
            data.contains(&format!("looked for it in {home}/{cache}/datasets--org--set)")),
            "{set:?}: {data}"
        );
    }
}
