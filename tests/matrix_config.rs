//! Every key of a `config.json` as transformers takes it: greedy tokens are equal, or it is refused where
//! transformers refuses it or would make up tensors; so are models whose layers were moved.
//!
//! Fixtures: `tests/golden/matrix/make_config.py` and what it wrote.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use yosegi::checkpoint::{Checkpoint, Dtype, FAMILIES, ModelConfig, Weights};
use yosegi::lm::{Decoder, Device, Options, PathModel, PathStep, Tokenizer, generate};
use yosegi::merge::{Merged, Pool, write_checkpoint};
use yosegi::recipe::Recipe;

#[derive(Deserialize)]
struct Golden {
    new_tokens: usize,
    prompts: Vec<Vec<u32>>,
    families: BTreeMap<String, Family>,
}

#[derive(Deserialize)]
struct Family {
    config: Map<String, Value>,
    cells: Vec<Cell>,
    stacked: Vec<Stack>,
}

/// A change of a family's config, and what transformers makes of it.
#[derive(Deserialize)]
struct Cell {
    weights: Option<String>,
    set: Map<String, Value>,
    #[serde(default)]
    unset: Vec<String>,
    #[serde(default)]
    prompt: usize,
    #[serde(default)]
    tokens: Vec<u32>,
    refused: Option<String>,
}

/// A model made of layers of a family's, in another order.
#[derive(Deserialize)]
struct Stack {
    set: Map<String, Value>,
    layers: Vec<usize>,
    prompt: usize,
    tokens: Vec<u32>,
    /// Of each layer, in families where they differ.
    kinds: Option<Vec<String>>,
}

type Tensors = Vec<(String, Vec<usize>, Dtype, Vec<u8>)>;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/matrix")
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(folder().join("config.json")).unwrap()).unwrap()
}

/// The weights of a family, read by the format's own rules: they are not what is tested here.
fn weights(family: &str) -> Tensors {
    let file = std::fs::read(folder().join(format!("{family}.safetensors"))).unwrap();
    let start = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&file[8..start]).unwrap();
    let number = |v: &Value| v.as_u64().unwrap() as usize;
    let tensors = header.iter().filter(|(name, _)| *name != "__metadata__").map(|(name, entry)| {
        let shape = entry["shape"].as_array().unwrap().iter().map(number).collect();
        let [from, to] = [0, 1].map(|i| start + number(&entry["data_offsets"][i]));
        (name.clone(), shape, Dtype::BF16, file[from..to].to_vec())
    });
    tensors.collect()
}

/// The weights with a part missing, or said twice.
fn variant(mut weights: Tensors, kind: Option<&str>) -> Tensors {
    let (head, embed) = ("lm_head.weight", "model.embed_tokens.weight");
    match kind {
        None => {}
        Some("no-head") => weights.retain(|(name, ..)| name != head),
        Some("no-embeddings") => weights.retain(|(name, ..)| name != embed),
        Some("no-biases") => weights.retain(|(name, ..)| !name.ends_with("bias")),
        Some("one-layer-less") => weights.retain(|(name, ..)| !name.starts_with("model.layers.3.")),
        Some("same-head") => {
            let data = weights.iter().find(|(name, ..)| name == embed).unwrap().3.clone();
            weights.iter_mut().find(|(name, ..)| name == head).unwrap().3 = data;
        }
        Some("one-layer-more") => {
            let last = weights.iter().filter(|(name, ..)| name.starts_with("model.layers.3."));
            let more =
                last.map(|(n, s, d, b)| (n.replace("layers.3.", "layers.4."), s.clone(), *d, b.clone()));
            let more: Tensors = more.collect();
            weights.extend(more);
        }
        Some(other) => panic!("{other} weights"),
    }
    weights
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_json(include_bytes!("golden/transformers/tied-gqa/tokenizer.json")).unwrap()
}

fn say(decoder: &Decoder, golden: &Golden, prompt: usize, eos: &[u32]) -> Vec<u32> {
    let options =
        Options { max_new_tokens: golden.new_tokens, eos: eos.to_vec(), threads: 1, ..Options::default() };
    let quiet = AtomicBool::new(false);
    let prompts = [golden.prompts[prompt].clone()];
    generate(decoder, &tokenizer(), &prompts, &options, &|_| false, &|_| {}, &quiet).unwrap().0[0]
        .tokens
        .clone()
}

/// What comes of a checkpoint, or why nothing does.
fn run(config: &Value, weights: &Tensors, golden: &Golden, prompt: usize) -> Result<Vec<u32>, String> {
    let model = Checkpoint::from_memory("m", config, weights, BTreeMap::new()).map_err(|e| e.to_string())?;
    let decoder = Decoder::load(model.config(), &model, &Device::Cpu).map_err(|e| e.to_string())?;
    Ok(say(&decoder, golden, prompt, &model.config().eos_token_ids))
}

#[test]
fn each_key_means_what_it_means_to_transformers() {
    let golden = golden();
    let mut wrong = Vec::new();
    let mut count = 0;
    for family in FAMILIES {
        let name = family.model_type;
        let cells = &golden.families[name];
        let all = weights(name);
        count += cells.cells.len();
        let odd = cells.cells.par_iter().filter_map(|cell| {
            let mut config = cells.config.clone();
            config.extend(cell.set.clone());
            cell.unset.iter().for_each(|key| drop(config.remove(key)));
            let weights = variant(all.clone(), cell.weights.as_deref());
            let found = run(&Value::Object(config), &weights, &golden, cell.prompt);
            let what = || format!("{name} {:?} {} without {:?}", cell.weights, json!(cell.set), cell.unset);
            match (found, &cell.refused) {
                (Ok(tokens), None) if tokens == cell.tokens => None,
                (Err(why), Some(_)) if !why.is_empty() && !why.contains('\n') => None,
                (found, Some(why)) => Some(format!("{}: {found:?}, where transformers: {why}", what())),
                (found, None) => Some(format!("{}: {found:?}, not {:?}", what(), cell.tokens)),
            }
        });
        wrong.extend(odd.collect::<Vec<_>>());
    }
    assert!(count >= 2000, "{count} cells");
    assert!(wrong.is_empty(), "{} of {count} are other than there:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is tried here stands in the table for people.
#[test]
fn every_key_stands_in_the_table() {
    let table = include_str!("../docs/config-keys.md");
    let carried = ["architectures", "unheard_of", "no_such_flag"];
    for (name, family) in &golden().families {
        for cell in &family.cells {
            for key in cell.set.keys().chain(&cell.unset).filter(|key| !carried.contains(&key.as_str())) {
                assert!(table.contains(&format!("`{key}`")), "{key} of {name}");
            }
        }
    }
}

/// What a config says of each layer goes with it: in memory, on disk, and along a path.
#[test]
fn moved_layers_keep_their_windows() {
    let golden = golden();
    let temp = tempfile::tempdir().unwrap();
    for (name, family) in &golden.families {
        for (place, stack) in family.stacked.iter().enumerate() {
            let mut config = family.config.clone();
            config.extend(stack.set.clone());
            let model = Checkpoint::from_memory("m", &Value::Object(config), &weights(name), BTreeMap::new());
            let pool = Pool::of(None, vec![model.unwrap()]).unwrap();
            let slice = |layer: &usize| {
                format!("[[slice]]\n[[slice.source]]\nmodel = \"m\"\nlayers = [{layer}, {}]\n", layer + 1)
            };
            let slices: String = stack.layers.iter().map(slice).collect();
            let recipe = Recipe::from_toml(&format!("method = \"passthrough\"\n{slices}"), "r.toml").unwrap();
            let mut merged = Merged::new(&pool);
            pool.merge_into(&recipe, &mut merged).unwrap();
            let decoder = Decoder::load(merged.config(), &merged, &Device::Cpu).unwrap();
            let told = |way: &str| format!("{name} {} {:?} {way}", json!(stack.set), stack.layers);
            assert_eq!(say(&decoder, &golden, stack.prompt, &[]), stack.tokens, "{}", told("in memory"));

            let out = temp.path().join(format!("{name}-{place}"));
            write_checkpoint(&recipe, &pool, &out).unwrap();
            let written = Checkpoint::open(out.to_str().unwrap()).unwrap();
            let decoder = Decoder::load(written.config(), &written, &Device::Cpu).unwrap();
            assert_eq!(say(&decoder, &golden, stack.prompt, &[]), stack.tokens, "{}", told("on disk"));
            if let Some(kinds) = &stack.kinds {
                assert_eq!(written.config().raw["layer_types"], json!(kinds), "{}", told("listed"));
            }

            let model = pool.base();
            let part = PathModel { name: "m", config: model.config(), weights: model };
            let steps: Vec<PathStep> =
                stack.layers.iter().map(|&layer| PathStep { model: 0, layer, scale: 1.0 }).collect();
            let path = Decoder::load_path(&[part], &steps, &Device::Cpu).unwrap();
            assert_eq!(say(&path, &golden, stack.prompt, &[]), stack.tokens, "{}", told("as a path"));
        }
    }
}

/// The same place, filled by one recipe after another.
#[test]
fn a_merge_of_other_layers_has_their_windows() {
    let golden = golden();
    let family = &golden.families["qwen2"];
    let model = Checkpoint::from_memory(
        "m",
        &Value::Object(family.config.clone()),
        &weights("qwen2"),
        BTreeMap::new(),
    );
    let pool = Pool::of(None, vec![model.unwrap()]).unwrap();
    let recipe = |layers: [usize; 2]| {
        let slice = |layer: usize| {
            format!("[[slice]]\n[[slice.source]]\nmodel = \"m\"\nlayers = [{layer}, {}]\n", layer + 1)
        };
        Recipe::from_toml(
            &format!("method = \"passthrough\"\n{}{}", slice(layers[0]), slice(layers[1])),
            "r.toml",
        )
        .unwrap()
    };
    let mut merged = Merged::new(&pool);
    for (layers, windowed) in [([0, 3], [false, true]), ([3, 0], [true, false]), ([1, 0], [false, false])] {
        pool.merge_into(&recipe(layers), &mut merged).unwrap();
        assert_eq!(merged.config().windowed, windowed);
        let bytes = merged.config().raw.to_string();
        assert_eq!(&ModelConfig::from_json("m", bytes.as_bytes()).unwrap(), merged.config());
        assert!(merged.tensor("model.layers.1.mlp.up_proj.weight").is_some());
    }
}
