//! Tokenizers that have no `tokenizer.json`, against transformers 5.24: the ids of some thousands of texts,
//! and what they decode to. The fixtures and the script that made them are in `golden/sentencepiece`.
#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use yosegi::checkpoint::{Checkpoint, Dtype, Weights, tensor_shapes};
use yosegi::lm::Tokenizer;

fn golden() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/sentencepiece"))
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A fixture's small files; models of the same options are one file.
fn files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = golden().join("models").join(name);
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap().flatten() {
        out.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    }
    if let Some(same) = out.remove("same.json") {
        let same: String = serde_json::from_slice(&same).unwrap();
        let shared = golden().join("models").join(same);
        for name in ["tokenizer.model", "vocab.json", "merges.txt"] {
            if let Ok(bytes) = fs::read(shared.join(name)) {
                out.insert(name.to_owned(), bytes);
            }
        }
    }
    out
}

/// A checkpoint with these files, its weights of no meaning.
fn checkpoint(name: &str, files: BTreeMap<String, Vec<u8>>) -> Checkpoint {
    let mut config: Value = serde_json::from_slice(&files["config.json"]).unwrap();
    let shape = json!({
        "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 4,
        "num_key_value_heads": 1, "vocab_size": 640, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": true, "pad_token_id": null, "bos_token_id": null, "eos_token_id": null,
    });
    config.as_object_mut().unwrap().extend(shape.as_object().unwrap().clone());
    let whole = yosegi::checkpoint::ModelConfig::from_json(name, config.to_string().as_bytes()).unwrap();
    let tensors: Vec<_> = tensor_shapes(&whole)
        .into_iter()
        .map(|(name, shape)| {
            let bytes = vec![0; 4 * shape.iter().product::<usize>()];
            (name, shape, Dtype::F32, bytes)
        })
        .collect();
    Checkpoint::from_memory(name, &config, &tensors, files).unwrap()
}

fn tokenizer(name: &str) -> Tokenizer {
    Tokenizer::of(&checkpoint(name, files(name))).unwrap()
}

fn checksum(ids: &[u32]) -> u32 {
    ids.iter()
        .flat_map(|id| id.to_le_bytes())
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[test]
fn ids_are_those_of_transformers() {
    let texts: Vec<String> = serde_json::from_value(json_of(&golden().join("texts.json"))).unwrap();
    let expected = json_of(&golden().join("expected.json"));
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 20 && texts.len() >= 2000, "{} tokenizers", expected.len());
    let mut wrong = Vec::new();
    for (name, of) in expected {
        let tokenizer = tokenizer(name);
        if tokenizer.vocab() as u64 != of["size"].as_u64().unwrap() {
            wrong.push(format!("{name}: {} tokens, not {}", tokenizer.vocab(), of["size"]));
        }
        let first: Vec<Vec<u32>> = serde_json::from_value(of["ids"].clone()).unwrap();
        let decoded: Vec<String> = serde_json::from_value(of["decoded"].clone()).unwrap();
        let checks = of["checks"].as_str().unwrap();
        assert_eq!(checks.len(), 8 * texts.len());
        let mut failed = 0;
        for (i, text) in texts.iter().enumerate() {
            let ids = tokenizer.encode(text).unwrap();
            if format!("{:08x}", checksum(&ids)) != checks[8 * i..8 * i + 8] {
                failed += 1;
                if failed <= 3 {
                    wrong.push(format!("{name}: {text:?} gives {ids:?}, not {:?}", first.get(i)));
                }
            } else if let Some(decoded) = decoded.get(i)
                && tokenizer.decode(&ids) != *decoded
            {
                wrong.push(format!("{name}: {ids:?} is {:?}, not {decoded:?}", tokenizer.decode(&ids)));
            }
        }
        if failed > 0 {
            wrong.push(format!("{name}: {failed} of {} texts", texts.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A folder with weights, a config and these tokenizer files: it runs, is scored and merged, and the merge
/// hands the files on.
#[test]
fn such_models_run_and_merge() {
    let place = tempfile::tempdir().unwrap();
    let yosegi = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        let output = command
            .args(args)
            .current_dir(place.path())
            .env("YOSEGI_HOME", place.path().join("home"))
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for name in ["llama", "mistral-symbols", "gemma", "qwen2", "unigram"] {
        let files = files(name);
        for model in ["a", "b"] {
            write(&place.path().join(name).join(model), name, &files);
        }
        let source = |model: &str| format!("[[source]]\nmodel = \"{name}/{model}\"\nweight = 0.5\n");
        let recipe = format!("method = \"linear\"\n{}{}", source("a"), source("b"));
        fs::write(place.path().join("r.toml"), recipe).unwrap();
        let out = format!("{name}/out");
        yosegi(&["merge", "r.toml", "--out", &out]);
        for file in files.keys().filter(|f| *f != "config.json") {
            assert!(place.path().join(&out).join(file).exists(), "{name}: {file}");
        }
        for model in [&format!("{name}/a"), "r.toml", &out] {
            yosegi(&[
                "generate",
                model,
                "--prompt",
                "hello <sep> 日本語",
                "--max-tokens",
                "2",
                "--device",
                "cpu",
            ]);
            yosegi(&["eval", model, "--task", "zoo", "--limit", "2", "--device", "cpu"]);
        }
    }
}

/// Writes a checkpoint of these files with weights of no meaning.
fn write(folder: &Path, name: &str, files: &BTreeMap<String, Vec<u8>>) {
    fs::create_dir_all(folder).unwrap();
    let model = checkpoint(name, files.clone());
    let views: Vec<_> = model
        .names()
        .into_iter()
        .map(|name| {
            let view = model.tensor(name).unwrap();
            let dtype = safetensors::Dtype::F32;
            (name, safetensors::tensor::TensorView::new(dtype, view.shape.to_vec(), view.data).unwrap())
        })
        .collect();
    fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    for (file, bytes) in files {
        fs::write(folder.join(file), bytes).unwrap();
    }
    fs::write(folder.join("config.json"), model.config().raw.to_string()).unwrap();
}

#[test]
fn what_cannot_be_made_says_why() {
    type Files = BTreeMap<String, Vec<u8>>;
    let says = |change: &dyn Fn(&mut Files)| {
        let mut all = files("llama");
        change(&mut all);
        checkpoint("some/model", all).tokenizer_json().unwrap_err().to_string()
    };
    let none = says(&|all| drop(all.remove("tokenizer.model")));
    assert!(none.starts_with("some/model: it has no tokenizer.json, nor tokenizer.model"), "{none}");
    let other = says(&|all| {
        all.remove("tokenizer.model");
        all.insert("vocab.json".into(), b"{}".to_vec());
        all.insert("merges.txt".into(), Vec::new());
    });
    assert!(other.contains("vocab.json and merges.txt") && other.contains("AutoTokenizer"), "{other}");
    let tiktoken = says(&|all| drop(all.insert("tokenizer.model".into(), b"IQ== 0\nIg== 1\n".to_vec())));
    assert!(
        tiktoken.contains("tiktoken") && tiktoken.contains("from_pretrained('some/model')"),
        "{tiktoken}"
    );
    let broken = says(&|all| drop(all.insert("tokenizer.model".into(), b"\x0a\xff\xff\xff".to_vec())));
    assert!(broken.contains("no sentencepiece model"), "{broken}");
    let class = br#"{"tokenizer_class": "T5Tokenizer"}"#;
    let class = says(&|all| drop(all.insert("tokenizer_config.json".into(), class.to_vec())));
    assert!(class.contains("tokenizer_class T5Tokenizer"), "{class}");
    let ids = br#"{"added_tokens_decoder": {"x": {"content": "y"}}}"#;
    let ids = says(&|all| drop(all.insert("tokenizer_config.json".into(), ids.to_vec())));
    assert!(ids.contains("added_tokens_decoder"), "{ids}");
    let merge = |line: &str| {
        let mut all = files("qwen2");
        all.insert("merges.txt".into(), format!("#version: 0.2\n{line}\n").into_bytes());
        checkpoint("some/model", all).tokenizer_json().unwrap_err().to_string()
    };
    assert!(merge("t").contains("merges.txt, line 2: t is not two tokens"), "{}", merge("t"));
    assert!(merge("zz zz").contains("make a third"), "{}", merge("zz zz"));
}
