//! Ctrl-C while a merge is written: no file stays half written, and whole ones serve the next try.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use yosegi::checkpoint::{ModelConfig, tensor_shapes};

/// What a busy machine may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A model of some 130 million zeros, which take no room on the disk.
fn model(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let config = json!({"model_type": "llama", "hidden_size": 1024, "intermediate_size": 4096,
        "num_hidden_layers": 8, "num_attention_heads": 8, "vocab_size": 600, "tie_word_embeddings": true});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let config = ModelConfig::from_json("zeros", config.to_string().as_bytes()).unwrap();
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (name, shape) in tensor_shapes(&config) {
        let end = at + 2 * shape.iter().product::<usize>();
        header.insert(name, json!({"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}));
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    file.set_len((8 + header.len() + at) as u64).unwrap();
}

/// A folder with two models and the recipe of their merge.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let sources = ["a", "b"].map(|name| {
        model(&place.path().join(name));
        format!("[[source]]\nmodel = \"./{name}\"\nweight = 0.5\n")
    });
    fs::write(place.path().join("r.toml"), format!("method = \"linear\"\n{}", sources.concat())).unwrap();
    place
}

fn merge(place: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    command.args(["merge", "r.toml", "--out", "out"]).args(more).current_dir(place);
    command.env("YOSEGI_HOME", place.join("home")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Merges, and interrupts the merge as soon as `file` of the unfinished checkpoint is there. Returns the exit code and
/// what was said.
fn interrupted_at(place: &Path, file: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut child = merge(place, more).spawn().unwrap();
    let (file, begin) = (place.join(".out.part").join(file), Instant::now());
    while !file.exists() {
        assert!(begin.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "{}", file.display());
        std::thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: kill touches no memory; the process is a child of this test.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) }, 0);
    let code = child.wait().unwrap().code();
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    (code, said)
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn an_interrupted_merge_leaves_nothing() {
    let place = place();
    let before = names(place.path());
    let (code, said) = interrupted_at(place.path(), "model.safetensors.part", &[]);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted; nothing of out was left"), "{said}");
    assert_eq!(names(place.path()), before);
}

#[test]
fn whole_shards_of_an_interrupted_merge_serve_the_next() {
    let place = place();
    let shards = ["--shard-size", "60MB"];
    let (code, said) = interrupted_at(place.path(), "model-00003-of-00005.safetensors.part", &shards);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains(".out.part for the next try"), "{said}");
    let kept = names(&place.path().join(".out.part"));
    assert!(
        kept.len() >= 3 && kept.iter().all(|n| n == ".yosegi-order" || n.ends_with(".safetensors")),
        "{kept:?}"
    );
    assert!(!place.path().join("out").exists());
    let made = merge(place.path(), &shards).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success() && said.contains("of 5 weight files were there already"), "{said}");
    assert!(names(&place.path().join("out")).contains("model.safetensors.index.json"));
    assert!(!place.path().join(".out.part").exists());
}
