//! Every key that a tokenizer's, a chat template's or a generation config's file may carry or lack, against
//! transformers 5.24. Cells and the script that made them are in `golden/matrix`.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value, json};
use yosegi::checkpoint::{Checkpoint, ModelConfig, tensor_shapes};
use yosegi::lm::{ChatTemplate, Decoder, Device, Options, Reader, generate};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/matrix")
}

fn matrix() -> &'static Value {
    static MATRIX: OnceLock<Value> = OnceLock::new();
    MATRIX.get_or_init(|| serde_json::from_slice(&fs::read(golden().join("tokens.json")).unwrap()).unwrap())
}

/// The conversations of the templates, their fields in order.
fn messages() -> Vec<minijinja::Value> {
    #[derive(serde::Deserialize)]
    struct All {
        templates: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        messages: minijinja::Value,
    }
    let all: All = serde_json::from_slice(&fs::read(golden().join("tokens.json")).unwrap()).unwrap();
    all.templates.into_iter().map(|one| one.messages).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&fs::read(golden().join("tokens").join(name)).unwrap()).unwrap()
}

/// Writes a cell's folder.
fn folder(cell: &Value, to: &Path) {
    let mut tokenizer = json_of(&format!("{}.json", text(&cell["tokenizer"])));
    tokenizer.as_object_mut().unwrap().extend(cell["patch"].as_object().cloned().unwrap_or_default());
    fs::write(to.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let mut config = json_of("config.json");
    config["model_type"] = json!(cell["family"].as_str().unwrap_or("llama"));
    // Some families' own one lies beyond this vocabulary.
    config["pad_token_id"] = Value::Null;
    config.as_object_mut().unwrap().extend(cell["config"].as_object().cloned().unwrap_or_default());
    fs::write(to.join("config.json"), config.to_string()).unwrap();
    for (name, content) in cell["files"].as_object().unwrap() {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.as_str().map_or_else(|| content.to_string(), str::to_owned)).unwrap();
    }
    if config["model_type"] == "llama" {
        fs::copy(golden().join("tokens/model.safetensors"), to.join("model.safetensors")).unwrap();
        return;
    }
    // Of the other families the weights do not matter.
    let config = ModelConfig::from_json("cell", config.to_string().as_bytes()).unwrap();
    let shapes = tensor_shapes(&config);
    let sizes: Vec<usize> = shapes.iter().map(|(_, shape)| 2 * shape.iter().product::<usize>()).collect();
    let mut at = 0;
    let mut header = Map::new();
    for ((name, shape), size) in shapes.iter().zip(&sizes) {
        header
            .insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}));
        at += size;
    }
    let header = Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + at, 0);
    fs::write(to.join("model.safetensors"), bytes).unwrap();
}

/// Cells that transformers refuses and this program reads: what they say is clear.
const READ_HERE: [&str; 1] = ["GPT2Tokenizer with {'add_prefix_space': None}"];

/// Templates that may differ: bytes and a template's own name are of no use in a prompt, and a namespace with
/// a hidden name is harmless here.
const DIFFERENT: [&str; 3] = ["{{ 'x'.encode('utf-8') }}", "{{ self }}|", "{% set ns = namespace(_x=1) %}"];

/// What this program makes of a cell: each as a value, or why not.
fn read(cell: &Value) -> Result<BTreeMap<&'static str, Value>, String> {
    let dir = tempfile::tempdir().unwrap();
    folder(cell, dir.path());
    let checkpoint = Checkpoint::open(dir.path().to_str().unwrap()).map_err(|e| e.to_string())?;
    let reader = Reader::of(&checkpoint).map_err(|e| e.to_string())?;
    let mut out = BTreeMap::new();
    let texts = matrix()["texts"].as_array().unwrap();
    let all: Vec<Vec<u32>> = texts.iter().map(|t| reader.prompt(text(t)).unwrap()).collect();
    out.insert("text", json!(reader.tokenizer.decode(&all.concat())));
    match reader.chat() {
        Ok(None) => {}
        Ok(Some(template)) => match template.render_values(&matrix()["chat"], true) {
            Ok(chat) => {
                out.insert("chat_ids", json!(reader.chat_prompt(&chat).unwrap()));
                out.insert("chat", json!(chat));
            }
            Err(why) => {
                out.insert("chat_refused", json!(why.to_string()));
            }
        },
        Err(why) => {
            out.insert("chat_refused", json!(why.to_string()));
        }
    }
    if cell["answer"] == true {
        let decoder = Decoder::load(checkpoint.config(), &checkpoint, &Device::Cpu).unwrap();
        let options =
            Options { max_new_tokens: 12, eos: reader.ends.clone(), threads: 1, ..Options::default() };
        let quiet = AtomicBool::new(false);
        let (said, _) =
            generate(&decoder, &reader.tokenizer, &all[..1], &options, &|_| false, &|_| {}, &quiet).unwrap();
        out.insert("answer", json!(said[0].tokens));
    }
    out.insert("ids", json!(all));
    Ok(out)
}

#[test]
fn every_file_is_read_as_transformers_reads_it() {
    let mut wrong = Vec::new();
    let cells = matrix()["cells"].as_array().unwrap();
    for cell in cells {
        let (name, expect) = (text(&cell["name"]), &cell["expect"]);
        let ours = read(cell);
        let ours = match ours {
            Ok(ours) => ours,
            Err(why) => {
                if expect.get("refused").is_none() && expect.get("answer_refused").is_none() {
                    wrong.push(format!("{name}: refused ({why}), there {expect}"));
                }
                continue;
            }
        };
        for (key, value) in expect.as_object().unwrap() {
            let mine = ours.get(key.as_str()).cloned().unwrap_or(Value::Null);
            let same = if key.ends_with("refused") { !mine.is_null() } else { mine == *value };
            if !same && !READ_HERE.contains(&name) {
                wrong.push(format!("{name}: {key}\n  ours   {mine}\n  theirs {value}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}

/// Where `tokenizer_config.json` names no class, that of `config.json` counts, as in transformers 5.24.
#[test]
fn config_json_may_name_the_tokenizers_class() {
    let ids = |tokenizer: &str, config: Value, files: Value| {
        read(&json!({"tokenizer": tokenizer, "config": config, "files": files})).unwrap()["ids"].clone()
    };
    for (tokenizer, class) in [("piece", "LlamaTokenizer"), ("byte", "GPT2TokenizerFast")] {
        let named = json!({"tokenizer_config.json": {"tokenizer_class": class}});
        let there = ids(tokenizer, json!({}), named);
        let here = ids(tokenizer, json!({"tokenizer_class": class}), json!({}));
        assert_eq!(here, there, "{class}");
    }
    let class = json!({"tokenizer_class": "LlamaTokenizer"});
    assert_ne!(ids("piece", class.clone(), json!({})), ids("piece", json!({}), json!({})));
    // A tokenizer of bytes is none of Llama's, whoever says so.
    assert_eq!(ids("byte", class, json!({})), ids("byte", json!({}), json!({})));
    let prefix =
        json!({"tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": true}});
    let ids = ids("byte", json!({"model_type": "qwen2"}), prefix);
    assert_eq!((&ids[0], &ids[1]), (&json!([1, 225, 262, 265, 83, 280]), &json!([1, 1, 306, 2])));
}

#[test]
fn every_template_renders_as_in_transformers() {
    let mut wrong = Vec::new();
    let all = matrix()["templates"].as_array().unwrap();
    let tokens = matrix()["variables"].as_object().unwrap();
    for (one, messages) in all.iter().zip(messages()) {
        let source = match one["template"].as_str() {
            Some(source) => source.to_owned(),
            None => fs::read_to_string(golden().join("templates").join(text(&one["file"]))).unwrap(),
        };
        let rendered = ChatTemplate::new(&source, tokens.clone(), "cell".to_owned())
            .and_then(|t| t.render_values(&messages, one["prompt"] == true));
        let same = match (&rendered, one["text"].as_str()) {
            (Ok(ours), Some(theirs)) => ours == theirs,
            (Err(_), None) => true,
            _ => false,
        };
        if !same && !one["template"].as_str().is_some_and(|t| DIFFERENT.contains(&t)) {
            let ours = rendered.unwrap_or_else(|e| format!("refused: {e}"));
            let theirs = one["text"].as_str().unwrap_or_else(|| text(&one["refused"]));
            wrong.push(format!(
                "{}: {:?}\n  ours   {ours:?}\n  theirs {theirs:?}",
                text(&one["name"]),
                one["template"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}
