//! Tests that open real folders, complete and broken.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::formats::safetensors::make_header;
use super::{Checkpoint, Dtype, Fit, ModelConfig, Weights, tensor_shapes, write_folder};

fn config() -> Value {
    json!({"model_type": "llama", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
           "num_attention_heads": 2, "vocab_size": 6, "tie_word_embeddings": true})
}

type Tensors = Vec<(String, Vec<usize>, Dtype, Vec<u8>)>;

fn tensors(config: &Value) -> Tensors {
    let read = ModelConfig::from_json("t", config.to_string().as_bytes()).unwrap();
    let fill = |(name, shape): (String, Vec<usize>)| {
        let n = 2 * shape.iter().product::<usize>();
        let data = (0..n).map(|i| (i % 60) as u8).collect();
        (name, shape, Dtype::BF16, data)
    };
    tensor_shapes(&read).into_iter().map(fill).collect()
}

fn file_of(tensors: &[(String, Vec<usize>, Dtype, Vec<u8>)]) -> Vec<u8> {
    let mut file = make_header(tensors.iter().map(|(n, s, d, _)| (n.as_str(), *d, s.as_slice())));
    for (.., data) in tensors {
        file.extend(data);
    }
    file
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config().to_string()).unwrap();
    fs::write(folder.path().join("model.safetensors"), file_of(&tensors(&config()))).unwrap();
    folder
}

fn refused(folder: &Path, needle: &str) {
    let Err(error) = Checkpoint::open(folder.to_str().unwrap()) else { panic!("{needle}: opened") };
    let message = error.to_string();
    assert!(message.contains(needle), "{message:?} should say {needle:?}");
    assert!(!message.contains('\n'));
}

#[test]
fn a_folder_opens() {
    let folder = folder();
    let model = Checkpoint::open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(model.tensor("model.norm.weight").unwrap().shape, [8]);
    assert!(model.tensor("lm_head.weight").is_none());
    assert!(model.tokenizer_json().unwrap_err().to_string().contains("tokenizer.json"));
    assert!(model.file("../config.json").is_none());
    let summary = model.summary();
    assert_eq!((summary.layers, summary.vocab, summary.dtype.as_str()), (1, 6, "bf16"));
    assert_eq!(summary.bytes, 2 * summary.parameters);
}

#[test]
fn shards_open_like_one_file() {
    let folder = folder();
    let all = tensors(&config());
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    refused(folder.path(), "no model.safetensors");
    let mut map = serde_json::Map::new();
    for (part, tensors) in all.chunks(4).enumerate() {
        let name = format!("model-{part}.safetensors");
        fs::write(folder.path().join(&name), file_of(tensors)).unwrap();
        map.extend(tensors.iter().map(|(n, ..)| (n.clone(), Value::from(name.clone()))));
    }
    let index = folder.path().join("model.safetensors.index.json");
    fs::write(&index, json!({"weight_map": map}).to_string()).unwrap();
    let model = Checkpoint::open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(model.names().len(), all.len());
    for (name, _, _, data) in &all {
        assert_eq!(model.tensor(name).unwrap().data, data);
    }

    fs::remove_file(folder.path().join("model-1.safetensors")).unwrap();
    refused(folder.path(), "the shard model-1.safetensors");
    for escape in ["../secret", "/etc/passwd", "a/b", "..", ""] {
        fs::write(&index, json!({"weight_map": {"x": escape}}).to_string()).unwrap();
        refused(folder.path(), "outside its folder");
    }
    fs::write(&index, "{}").unwrap();
    refused(folder.path(), "has no weight_map");
}

/// A folder with two weight files, and the index that the closure makes from the names in each.
fn two_files(index: impl Fn(&mut serde_json::Map<String, Value>)) -> tempfile::TempDir {
    let folder = folder();
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let all = tensors(&config());
    let mut other = all[..1].to_vec();
    other[0].3.fill(9);
    let files =
        [("a.safetensors", [&all[..4], &[]].concat()), ("b.safetensors", [&all[4..], &other].concat())];
    let mut map = serde_json::Map::new();
    for (file, tensors) in &files {
        fs::write(folder.path().join(file), file_of(tensors)).unwrap();
        map.extend(tensors.iter().map(|(name, ..)| (name.clone(), Value::from(*file))));
    }
    index(&mut map);
    let index = json!({"metadata": {}, "weight_map": map}).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    folder
}

#[test]
fn the_index_says_where_a_tensor_is_read() {
    let name = "model.embed_tokens.weight";
    for (file, first) in [("a.safetensors", 0), ("b.safetensors", 9)] {
        let folder = two_files(|map| drop(map.insert(name.to_owned(), file.into())));
        let model = Checkpoint::open(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(model.tensor(name).unwrap().data[0], first, "{file}");
    }
    // Nothing says which of the two applies.
    let folder = two_files(|map| drop(map.remove(name)));
    refused(folder.path(), "b.safetensors: tensor model.embed_tokens.weight is in");
    refused(folder.path(), "a.safetensors too");
    // A tensor that is in only one file is read from there.
    let folder = two_files(|map| {
        map.insert(name.to_owned(), "a.safetensors".into());
        map.remove("model.norm.weight");
    });
    assert!(Checkpoint::open(folder.path().to_str().unwrap()).is_ok());
    let folder = two_files(|map| drop(map.insert("model.norm.weight".to_owned(), "a.safetensors".into())));
    refused(folder.path(), "a.safetensors: tensor model.norm.weight is missing");

    let folder = two_files(|map| drop(map.insert(name.to_owned(), "a.safetensors".into())));
    let index = folder.path().join("model.safetensors.index.json");
    let twice = fs::read_to_string(&index).unwrap();
    let twice =
        twice.replacen("\"weight_map\":{", "\"weight_map\":{\"model.norm.weight\":\"a.safetensors\",", 1);
    fs::write(&index, twice).unwrap();
    refused(folder.path(), "model.norm.weight is there twice");
}

/// A tied model's head equals its embeddings only if the checkpoint does not store another head.
#[test]
fn another_head_that_is_stored_stays() {
    let open = |change: &dyn Fn(&mut Tensors)| {
        let mut all = tensors(&config());
        change(&mut all);
        Checkpoint::from_memory("m", &config(), &all, BTreeMap::new())
    };
    let (embed, head) = ("model.embed_tokens.weight", "lm_head.weight");
    let copy = |all: &Tensors| {
        let (_, shape, dtype, data) = all.iter().find(|t| t.0 == embed).unwrap().clone();
        (head.to_owned(), shape, dtype, data)
    };
    let same = open(&|all| all.push(copy(all))).unwrap();
    assert!(same.config().tie_word_embeddings && same.tensor(head).is_none());
    // The same values with another type.
    let wide = open(&|all| {
        let (name, shape, dtype, data) = copy(all);
        let view = super::TensorView { dtype, shape: &shape, data: &data };
        let mut values = vec![0.0; view.len()];
        view.read_f32(0, &mut values);
        let data = values.iter().flat_map(|v: &f32| v.to_le_bytes()).collect();
        all.push((name, shape, Dtype::F32, data));
    });
    assert!(wide.unwrap().config().tie_word_embeddings);
    let other = open(&|all| {
        let mut made = copy(all);
        made.3[1] ^= 1;
        all.push(made);
    })
    .unwrap();
    assert!(!other.config().tie_word_embeddings && other.tensor(head).is_some());
    assert_eq!(other.config().raw["tie_word_embeddings"], false);
    let again = other.replaced(&config(), Vec::new(), BTreeMap::new()).unwrap();
    assert!(!again.config().tie_word_embeddings);
    // Without embeddings, the head takes their place.
    let alone = open(&|all| {
        let made = copy(all);
        all.retain(|t| t.0 != embed);
        all.push(made);
    })
    .unwrap();
    assert!(alone.tensor(embed).is_some() && alone.tensor(head).is_none());
}

#[test]
fn broken_folders_are_refused_in_words() {
    let here = folder();
    let weights = here.path().join("model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 10]).unwrap();
    refused(here.path(), "truncated");
    fs::write(&weights, b"").unwrap();
    refused(here.path(), "truncated");
    let mut claims = whole.clone();
    claims[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    fs::write(&weights, &claims).unwrap();
    refused(here.path(), "claims a header of");

    let mut fewer = tensors(&config());
    let lost = fewer.remove(2).0;
    fs::write(&weights, file_of(&fewer)).unwrap();
    refused(here.path(), &format!("tensor {lost} is missing"));
    let mut other = tensors(&config());
    other[0].1 = vec![8, 6];
    fs::write(&weights, file_of(&other)).unwrap();
    refused(here.path(), "has shape [8, 6], but config.json makes it [6, 8]");

    fs::remove_file(here.path().join("config.json")).unwrap();
    refused(here.path(), "no config.json");
    refused(&here.path().join("nowhere"), "no such folder");
    refused(&weights, "not a model folder");
}

#[test]
fn references_that_lead_nowhere() {
    let says = |reference: &str| match Checkpoint::open(reference) {
        Ok(_) => panic!("{reference} opened"),
        Err(error) => error.to_string(),
    };
    assert!(says("zoo:nobody").contains("bundled models"));
    assert!(says("no-such-thing").contains("zoo:NAME"));
}

#[test]
fn fit_in_words() {
    let open = |name: &str, config: &Value, tokenizer: &str| {
        let files = BTreeMap::from([("tokenizer.json".to_owned(), tokenizer.as_bytes().to_vec())]);
        Checkpoint::from_memory(name, config, &tensors(config), files).unwrap()
    };
    let vocab = r#"{"model":{"vocab":{"a":0},"merges":["a b"]}}"#;
    let same = r#"{"model":{"merges":[["a","b"]],"vocab":{"a":0}},"version":"1"}"#;
    let base = open("base", &config(), vocab);
    assert_eq!(base.fit(&base), Fit::IsBase);
    assert_eq!(open("m", &config(), same).fit(&base), Fit::Fits);
    let swapped = open("m", &config(), r#"{"model":{"vocab":{"b":0}}}"#).fit(&base);
    assert!(matches!(&swapped, Fit::Caution(why) if why.contains("tokenizers")), "{swapped:?}");
    let mut rope = config();
    rope["rope_theta"] = json!(1e6);
    let fit = open("m", &rope, vocab).fit(&base);
    assert_eq!(fit.words(), "rotary base of 1000000 against 10000");
    let mut wide = config();
    wide["vocab_size"] = json!(32000);
    let fit = open("m", &wide, vocab).fit(&base);
    let why = "vocabulary of 32000 against 6: a recipe merges them by token with tokenizer = \"union\"";
    assert_eq!(fit, Fit::No(why.into()));
}

#[test]
fn a_written_folder_opens() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("m");
    let all = tensors(&config());
    let rows: Vec<_> = all.iter().map(|(n, s, d, b)| (n.as_str(), *d, s.as_slice(), b.as_slice())).collect();
    write_folder(&out, |sink| {
        sink.file("config.json", config().to_string().as_bytes())?;
        sink.tensors(&rows)
    })
    .unwrap();
    let model = Checkpoint::open(out.to_str().unwrap()).unwrap();
    assert_eq!(model.tensor(&all[3].0).unwrap().data, all[3].3);
}

#[test]
fn f16_and_f32_are_read_exactly() {
    let shape = [3];
    let read = |dtype, data: &[u8]| {
        let mut out = [0.0; 3];
        super::TensorView { dtype, shape: &shape, data }.read_f32(0, &mut out);
        out
    };
    let values = [1.5_f32, -0.25, 6.103_515_6e-5];
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(read(Dtype::F32, &bytes).map(f32::to_bits), values.map(f32::to_bits));
    let bytes: Vec<u8> = values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
    assert_eq!(read(Dtype::F16, &bytes).map(f32::to_bits), values.map(f32::to_bits));
}

proptest! {
    #[test]
    fn mutated_checkpoints_open_or_are_refused(
        weights in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        config_bytes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let folder = folder();
        for (name, changes) in [("model.safetensors", weights), ("config.json", config_bytes)] {
            let path = folder.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            fs::write(&path, bytes).unwrap();
        }
        if let Ok(model) = Checkpoint::open(folder.path().to_str().unwrap()) {
            for name in model.names() {
                let view = model.tensor(name).unwrap();
                prop_assert_eq!(view.data.len(), view.shape.iter().product::<usize>() * view.dtype.size());
            }
        }
    }
}
