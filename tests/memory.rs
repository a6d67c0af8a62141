//! What does not fit into memory is refused in a sentence before it is read, and what fits is planned as it then is.
//! Limits of the process stand for a small machine.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use yosegi::checkpoint::{ModelConfig, tensor_shapes};

/// Bytes of the weights of [`model`]: ten blocks of 16.8 million numbers of two bytes, and the embedding.
const WEIGHTS: u64 = 336_000_000;

/// A folder with models of zeros, `base` and `source`, whose files take no room on the disk.
fn bench() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let zoo = dir.path().join("zoo");
    let out = yosegi(dir.path(), "", &["zoo", "--out", zoo.to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    model(&zoo.join("base"), &dir.path().join("base"), "BF16", 2);
    model(&zoo.join("ja"), &dir.path().join("source"), "BF16", 2);
    dir
}

/// A model of zeros in `folder`, with the small files of the zoo's model in `like`. A number of `dtype` has so many bytes.
fn model(like: &Path, folder: &Path, dtype: &str, bytes: usize) {
    fs::create_dir(folder).unwrap();
    for file in fs::read_dir(like).unwrap().map(|file| file.unwrap().path()) {
        fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    let mut config: Value = serde_json::from_slice(&fs::read(like.join("config.json")).unwrap()).unwrap();
    let sizes =
        [("hidden_size", 1024), ("intermediate_size", 4096), ("num_hidden_layers", 10), ("head_dim", 64)];
    let heads = [("num_attention_heads", 16), ("num_key_value_heads", 16)];
    sizes.into_iter().chain(heads).for_each(|(key, size)| config[key] = json!(size));
    let text = config.to_string();
    fs::write(folder.join("config.json"), &text).unwrap();
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (name, shape) in tensor_shapes(&ModelConfig::from_json("it", text.as_bytes()).unwrap()) {
        let end = at + bytes * shape.iter().product::<usize>();
        header.insert(name, json!({ "dtype": dtype, "shape": shape, "data_offsets": [at, end] }));
        at = end;
    }
    let mut header = Value::Object(header).to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let path = folder.join("model.safetensors");
    fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()).unwrap();
    let length = (8 + header.len() + at) as u64;
    fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
}

/// Runs the program after `limits`, some lines of a shell.
fn yosegi(folder: &Path, limits: &str, arguments: &[&str]) -> Output {
    let mut line = format!("{limits}\nexec \"$0\"");
    for argument in arguments {
        let _ = write!(line, " '{argument}'");
    }
    let mut command = Command::new("sh");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_yosegi")]).current_dir(folder);
    command.env("YOSEGI_HOME", folder.join("home")).env("HF_HOME", folder.join("hf"));
    command.env("HF_HUB_OFFLINE", "1").env("YOSEGI_LANG", "en").stdin(Stdio::null()).output().unwrap()
}

/// What the program says where it refuses; it is one sentence with these words.
fn refused(folder: &Path, limits: &str, arguments: &[&str], words: &[&str]) -> String {
    let out = yosegi(folder, limits, arguments);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{arguments:?}: {text}");
    let said: Vec<&str> = text.lines().filter(|line| line.contains(" needs ")).collect();
    assert_eq!(said.len(), 1, "{arguments:?}: {text}");
    for word in words.iter().chain(&["MB weights", "are free ("]) {
        assert!(said[0].contains(word), "{arguments:?}: {word}: {text}");
    }
    text
}

/// Room for a mapped model or two and the program, not for a decoder.
const ADDRESSES: &str = "ulimit -v 600000";
const TWO_FILES: &str = "ulimit -v 950000";
/// Room for the program alone; mapped files do not count.
const DATA: &str = "ulimit -d 250000";

const RECIPE: &str =
    "method = \"linear\"\nbase = \"./base\"\n[[source]]\nmodel = \"./source\"\nweight = 0.5\n";

#[test]
fn generate_refuses_a_model_and_says_what_would_fit() {
    let dir = bench();
    let generate = ["generate", "./base", "--prompt", "2 + 3 =", "--max-tokens", "2", "--device", "cpu"];
    let said = refused(dir.path(), ADDRESSES, &generate, &["./base needs", "on the CPU", "ulimit -v"]);
    assert!(said.contains("take a smaller model"), "nothing else would fit: {said}");
    refused(dir.path(), DATA, &generate, &["./base needs", "ulimit -d"]);
    // With room it runs: the embedding's rows are all alike, and the first one is the likeliest.
    let out = yosegi(dir.path(), "", &generate);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn what_the_sentence_says_would_fit_does() {
    let dir = bench();
    model(&dir.path().join("zoo/base"), &dir.path().join("wide"), "F32", 4);
    let generate = ["generate", "./wide", "--prompt", "2 + 3 =", "--max-tokens", "2", "--device", "cpu"];
    let said = refused(dir.path(), "ulimit -d 600000", &generate, &["674 MB weights", "ulimit -d"]);
    assert!(said.contains("take --precision bf16 (3"), "{said}");
    let narrow = [&generate[..], &["--precision", "bf16"]].concat();
    let out = yosegi(dir.path(), "ulimit -d 600000", &narrow);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_merge_and_a_path_are_refused() {
    let dir = bench();
    fs::write(dir.path().join("merge.toml"), RECIPE.replace("linear", "task_arithmetic")).unwrap();
    let step = |model: &str, layer: usize| format!("[[path]]\nmodel = \"{model}\"\nlayer = {layer}\n");
    let steps: String = (0..10).map(|i| step(["./base", "./source"][i % 2], i)).collect();
    fs::write(dir.path().join("path.toml"), format!("base = \"./base\"\nmethod = \"passthrough\"\n{steps}"))
        .unwrap();
    for (recipe, what) in [("merge.toml", "the merge of 2 models"), ("path.toml", "the path of 10 steps")] {
        let generate = ["generate", recipe, "--prompt", "2 + 3 =", "--max-tokens", "2", "--device", "cpu"];
        refused(dir.path(), TWO_FILES, &generate, &[what, "ulimit -v"]);
        let eval = ["eval", recipe, "--task", "zoo", "--limit", "2", "--device", "cpu"];
        refused(dir.path(), DATA, &eval, &[what, "ulimit -d"]);
    }
}

#[test]
fn eval_refuses_a_model() {
    let dir = bench();
    let eval = ["eval", "./base", "--task", "zoo", "--limit", "2", "--device", "cpu"];
    refused(dir.path(), ADDRESSES, &eval, &["./base needs", "ulimit -v"]);
}

#[test]
fn compare_refuses_the_model_that_is_too_large() {
    let dir = bench();
    let compare = ["compare", "zoo:ja", "./base", "--task", "zoo", "--limit", "2", "--device", "cpu"];
    refused(dir.path(), ADDRESSES, &compare, &["./base needs", "ulimit -v"]);
}

#[test]
fn a_session_is_refused_before_it_begins() {
    let dir = bench();
    let config = "name = \"large\"\ndevice = \"cpu\"\n[pool]\nbase = \"./base\"\nsources = [\"./source\"]\n[task]\n\
        use = \"zoo\"\ntrain_limit = 2\ntest_limit = 2\n[space]\nmethod = \"ties\"\n[budget]\nevaluations = 4\n";
    fs::write(dir.path().join("large.toml"), config).unwrap();
    let evolve = ["evolve", "large.toml", "--headless"];
    refused(dir.path(), TWO_FILES, &evolve, &["the merge of 2 models", "ulimit -v"]);
    let begun = dir.path().join("home/sessions/large");
    assert!(!begun.exists(), "a refused session left {}", begun.display());
}

#[test]
fn a_plan_counts_what_is_loaded() {
    let dir = bench();
    fs::write(dir.path().join("merge.toml"), RECIPE).unwrap();
    let planned = |model: &str, more: &[&str]| -> Value {
        let generate = ["generate", model, "--prompt", "2 + 3 =", "--max-tokens", "2", "--device", "cpu"];
        let arguments = [&generate[..], &["--dry-run", "--json"], more].concat();
        let out = yosegi(dir.path(), "", &arguments);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let all: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(all["fits"], json!([true]));
        all["memory"][0].clone()
    };
    let figure = |plan: &Value, name: &str| plan[name].as_u64().unwrap();
    let alone = planned("./base", &[]);
    let weights = figure(&alone, "weights");
    // The embedding, which is the head too, and padding come on top.
    assert!((WEIGHTS..WEIGHTS + WEIGHTS / 100).contains(&weights), "{alone}");
    assert_eq!(figure(&alone, "merge"), 0);
    assert_eq!((&alone["device"], &alone["dtype"]), (&json!("cpu"), &json!("f32")));
    let narrow = planned("./base", &["--precision", "bf16"]);
    assert_eq!((figure(&narrow, "weights"), &narrow["dtype"]), (weights, &json!("bf16")));
    let merge = planned("merge.toml", &[]);
    assert_eq!(figure(&merge, "weights"), weights);
    assert_eq!(figure(&merge, "merge"), 64 << 20, "tensors pass through a window");
}
