//! Models of text and LLaVA models together: what is opened, what is merged, what is written. The models, recipes and
//! expected values are in `golden/llava_merge`, with the script that made them with transformers 5.24 and mergekit
//! 0.1.5.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use yosegi::checkpoint::{Checkpoint, Fit, TowerKind, VisionLayout, Weights, tensor_shapes};
use yosegi::merge::{Merged, Pool, write_checkpoint};
use yosegi::recipe::{BaseNeed, MaskStream, Method, Recipe, Scope, Source};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llava_merge")
}

fn model(name: &str) -> String {
    golden().join("models").join(name).display().to_string()
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&model(name)).unwrap()
}

/// The tensors of a safetensors file, by their names in it.
fn stored(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        (name, (view.shape().to_vec(), view.data().to_vec()))
    };
    read.tensors().into_iter().map(tensor).collect()
}

#[test]
fn a_llava_model_opens_as_its_language_model_and_a_vision_part() {
    for (name, prefixes) in [
        ("vlm", ["language_model.model.", "language_model.", "vision_tower.", ""]),
        ("qvlm", ["model.language_model.", "", "model.vision_tower.", "model."]),
    ] {
        let model = open(name);
        let stored = stored(&golden().join("models").join(name).join("model.safetensors"));
        let config = model.config();
        assert_eq!((config.vocab_size, config.num_hidden_layers), (44, 2));
        let vision = model.vision_config().unwrap();
        assert_eq!((vision.image_token, vision.layers, vision.patches()), (40, 2, 4));
        // The decoder has the tensors and names of a plain one.
        let mut expected: Vec<String> = tensor_shapes(config).into_iter().map(|(name, _)| name).collect();
        expected.sort_unstable();
        assert_eq!(model.names(), expected);
        // Each stored tensor is found under one name, with its bytes.
        let text = model.names().into_iter().map(|name| (name, model.tensor(name).unwrap()));
        let vision = model.vision_names().into_iter().map(|name| (name, model.vision_tensor(name).unwrap()));
        let [decoder, head, tower, rest] = prefixes;
        let mut seen = 0;
        for (name, view) in text.chain(vision) {
            let there = match name.split_once('.') {
                Some(("model", part)) => format!("{decoder}{part}"),
                Some(("lm_head", _)) => format!("{head}{name}"),
                Some(("vision_tower", part)) => format!("{tower}{part}"),
                _ => format!("{rest}{name}"),
            };
            assert_eq!((view.shape, view.data), (stored[&there].0.as_slice(), stored[&there].1.as_slice()));
            seen += 1;
        }
        assert_eq!(seen, stored.len(), "{name}");
    }
    let (clip, siglip) = (open("vlm"), open("qvlm"));
    let of = |model: &Checkpoint| {
        let vision = model.vision_config().unwrap();
        (vision.layout, vision.tower, vision.keep_class_token, vision.feature_layers.clone())
    };
    assert_eq!(of(&clip), (VisionLayout::LlavaNext, TowerKind::Clip, false, vec![-2]));
    assert_eq!(of(&siglip), (VisionLayout::Llava, TowerKind::Siglip, true, vec![-1]));
    assert_eq!(clip.vision_config().unwrap().grid_pinpoints, [(8, 16), (16, 8)]);
    assert!(!clip.config().tie_word_embeddings && siglip.config().tie_word_embeddings);
    assert!(open("base").vision_config().is_none() && open("base").vision_names().is_empty());
}

/// A copy of a model with one change to its config and to its tensors, as a folder.
fn changed(
    name: &str,
    config: impl Fn(&mut serde_json::Value),
    tensors: impl Fn(&mut BTreeMap<String, (Vec<usize>, Vec<u8>)>),
) -> (tempfile::TempDir, Result<Checkpoint, String>) {
    let from = golden().join("models").join(name);
    let folder = tempfile::tempdir().unwrap();
    let mut value = serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    config(&mut value);
    fs::write(folder.path().join("config.json"), value.to_string()).unwrap();
    let mut all = stored(&from.join("model.safetensors"));
    tensors(&mut all);
    let dtype = if name.starts_with('q') { safetensors::Dtype::F32 } else { safetensors::Dtype::BF16 };
    let views = all.iter().map(|(name, (shape, data))| {
        (name.as_str(), safetensors::tensor::TensorView::new(dtype, shape.clone(), data).unwrap())
    });
    fs::write(folder.path().join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let opened = Checkpoint::open_as("odd", folder.path(), &mut |_, _, _| ()).map_err(|e| e.to_string());
    (folder, opened)
}

#[test]
fn every_fault_of_a_vision_part_names_its_tensor_as_it_is_stored() {
    type Tensors = BTreeMap<String, (Vec<usize>, Vec<u8>)>;
    let position = "vision_tower.embeddings.position_embedding.weight";
    let refused = |name: &str, change: &dyn Fn(&mut Tensors), needles: &[&str]| {
        let (_folder, opened) = changed(name, |_| (), change);
        let why = opened.err().unwrap();
        assert!(needles.iter().all(|n| why.contains(n)) && !why.contains('\n'), "{needles:?}: {why}");
    };
    let lacks = |tensor: &'static str| move |all: &mut Tensors| drop(all.remove(tensor).unwrap());
    refused("vlm", &lacks(position), &["odd/model.safetensors", position, "missing"]);
    refused("vlm", &lacks("image_newline"), &["image_newline", "missing"]);
    refused("qvlm", &lacks("model.vision_tower.embeddings.patch_embedding.bias"), &["patch_embedding.bias"]);
    refused("vlm", &lacks("language_model.lm_head.weight"), &["language_model.lm_head.weight", "missing"]);
    refused(
        "qvlm",
        &lacks("model.language_model.layers.1.mlp.up_proj.weight"),
        &["tensor model.language_model.layers.1.mlp.up_proj.weight is missing"],
    );
    let shorter = |all: &mut Tensors| {
        let (shape, data) = all.get_mut(position).unwrap();
        shape[0] -= 1;
        data.truncate(data.len() / 5 * 4);
    };
    refused("vlm", &shorter, &[position, "[4, 8]", "[5, 8]"]);
    let twice = |all: &mut Tensors| {
        let head = all["language_model.lm_head.weight"].clone();
        all.insert("lm_head.weight".to_owned(), head);
    };
    refused("vlm", &twice, &["lm_head.weight", "twice"]);
    // What comes after the last hidden state may be left out, but not have another shape.
    let after = "vision_tower.post_layernorm.bias";
    assert!(changed("vlm", |_| (), lacks(after)).1.is_ok());
    let odd = |all: &mut Tensors| all.get_mut(after).unwrap().0 = vec![2, 4];
    refused("vlm", &odd, &[after, "[2, 4]"]);
    // An older file has `vision_model.` in its names.
    let older = |all: &mut Tensors| {
        for name in all.keys().cloned().collect::<Vec<_>>() {
            if let Some(part) = name.strip_prefix("vision_tower.") {
                let tensor = all.remove(&name).unwrap();
                all.insert(format!("vision_tower.vision_model.{part}"), tensor);
            }
        }
    };
    let (_folder, opened) = changed("vlm", |_| (), older);
    assert_eq!(opened.unwrap().vision_names(), open("vlm").vision_names());
    // A layer more in the config than in the file.
    let (_folder, opened) =
        changed("vlm", |config| config["vision_config"]["num_hidden_layers"] = 3.into(), |_| ());
    assert!(opened.err().unwrap().contains("vision_tower.encoder.layers.2."));
}

fn fnv(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What transformers stores of a VLM after mergekit's values were put into it: a hash of each tensor, for each recipe.
#[derive(serde::Deserialize)]
struct Exact {
    seed: u64,
    recipes: BTreeMap<String, BTreeMap<String, String>>,
}

fn exact() -> Exact {
    serde_json::from_slice(&fs::read(golden().join("exact.json")).unwrap()).unwrap()
}

/// A recipe of the fixtures, with the models' names turned into their folders.
fn recipe(name: &str, seed: u64) -> Recipe {
    let mut recipe = Recipe::open(&golden().join("recipes").join(format!("{name}.yml"))).unwrap();
    assert_eq!(recipe.mask, MaskStream::Mergekit);
    recipe.seed = seed;
    recipe.rename_models(&|name| Some(model(name)));
    recipe
}

fn pool(recipe: &Recipe) -> Pool {
    Pool::gather(recipe, |name| Checkpoint::open(name).map_err(yosegi::merge::MergeError::from)).unwrap()
}

#[test]
fn every_bit_of_a_merge_equals_mergekits_merge_of_the_language_models() {
    let exact = exact();
    assert!(exact.recipes.len() >= 18);
    let mut failures = Vec::new();
    for (name, expected) in &exact.recipes {
        let recipe = recipe(name, exact.seed);
        let pool = pool(&recipe);
        let giver = pool.vision_giver().unwrap();
        let mut merged = Merged::new(&pool);
        // In memory, twice: the second time nothing is left to do.
        let first = pool.merge_into(&recipe, &mut merged).unwrap();
        let again = pool.merge_into(&recipe, &mut merged).unwrap();
        assert!(first.bytes > 0 && again.bytes == 0, "{name}");
        assert_eq!(merged.config().vocab_size, 44);
        assert_eq!(merged.config().vision.as_deref(), giver.vision_config());
        for tensor in merged.names() {
            let stored = giver.stored_text_name(tensor);
            if expected[&stored] != fnv(merged.tensor(tensor).unwrap().data) {
                failures.push(format!("{name}, in memory: {tensor}"));
            }
        }
        // On disk: exactly the tensors that transformers would store.
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("merged");
        write_checkpoint(&recipe, &pool, &out).unwrap();
        let written = stored(&out.join("model.safetensors"));
        assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (tensor, (_, data)) in &written {
            if expected[tensor] != fnv(data) {
                failures.push(format!("{name}, on disk: {tensor}"));
            }
        }
        // It opens again as what it is, with the small files of the VLM.
        let reopened = Checkpoint::open(out.to_str().unwrap()).unwrap();
        let outer = &reopened.vision_config().unwrap().raw;
        let theirs = &giver.vision_config().unwrap().raw;
        assert_eq!(
            (&outer["vision_config"], &outer["model_type"]),
            (&theirs["vision_config"], &theirs["model_type"])
        );
        assert_eq!(outer["text_config"]["vocab_size"], 44);
        assert_eq!(reopened.tokenizer_json().unwrap(), giver.tokenizer_json().unwrap());
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// Whatever the method: a merge with a VLM is the merge of its language model, without the rows that not all models
/// have; these follow unchanged.
#[test]
fn every_method_merges_the_language_model_alone() {
    let vlm = open("vlm");
    let cut = |name: &str| {
        let view = vlm.tensor(name).unwrap();
        let rows = if view.shape[0] == 44 { 40 } else { view.shape[0] };
        let shape: Vec<usize> = [rows].into_iter().chain(view.shape[1..].iter().copied()).collect();
        let bytes = shape.iter().product::<usize>() * view.dtype.size();
        (name.to_owned(), shape, view.dtype, view.data[..bytes].to_vec())
    };
    let tensors: Vec<_> = vlm.names().into_iter().map(cut).collect();
    let mut config = vlm.config().raw.clone();
    config["vocab_size"] = 40.into();
    let alone = Checkpoint::from_memory("alone", &config, &tensors, BTreeMap::new()).unwrap();
    let mut tried = 0;
    for method in Method::ALL {
        let spec = method.spec();
        if spec.sources.1.is_some_and(|most| most < 2) {
            continue;
        }
        let made = |second: &Checkpoint| {
            let base = (spec.base != BaseNeed::Unused).then(|| open("base"));
            let mut recipe = Recipe::new(method, base.as_ref().map(Checkpoint::reference));
            for name in [open("ja").reference(), second.reference()] {
                let mut source = Source::new(name);
                for spec in method.parameters().iter().filter(|p| p.scope == Scope::PerModel) {
                    source = source.with(spec.param, spec.default.unwrap_or(0.6));
                }
                recipe.sources.push(source);
            }
            for spec in method.parameters().iter().filter(|p| p.scope == Scope::Global) {
                recipe.parameters.set(spec.param, spec.default.unwrap_or(0.4));
            }
            let pool =
                Pool::for_recipe(&recipe, base, vec![open("ja"), second.clone()], None, false).unwrap();
            let mut merged = Merged::new(&pool);
            pool.merge_into(&recipe, &mut merged).map(|_| merged)
        };
        let (Ok(whole), Ok(part)) = (made(&vlm), made(&alone)) else { continue };
        tried += 1;
        for name in part.names() {
            let (whole, part) = (whole.tensor(name).unwrap(), part.tensor(name).unwrap());
            let (merged, rest) = whole.data.split_at(part.data.len());
            assert!(merged == part.data, "{}: {name}", spec.name);
            let own = vlm.tensor(name).unwrap();
            let expected = &own.data[own.data.len() - rest.len() * own.dtype.size() / whole.dtype.size()..];
            assert!(whole.dtype != own.dtype || rest == expected, "{}: {name}", spec.name);
        }
    }
    assert!(tried >= 12, "{tried}");
}

#[test]
fn other_tokens_in_the_shared_rows_are_refused_by_name() {
    let recipe =
        Recipe::uniform(&model("base"), &[model("other"), model("vlm")], Method::TaskArithmetic, 0.5);
    let why = Pool::gather(&recipe, |name| Checkpoint::open(name).map_err(yosegi::merge::MergeError::from))
        .err()
        .unwrap()
        .to_string();
    for needle in ["other", "row 38", "w39", "vlm", "union"] {
        assert!(why.contains(needle), "{needle}: {why}");
    }
    // Without a VLM, another number of tokens is refused as ever.
    let (base, ja) = (open("base"), open("ja"));
    assert!(matches!(open("vlm").fit(&base), Fit::Caution(why) if why.contains("44 against 40")));
    assert_eq!(ja.fit(&base), Fit::Fits);
    assert!(matches!(open("other").fit(&base), Fit::Caution(why) if why.contains("other ones")));
    assert!(matches!(open("other").fit(&open("vlm")), Fit::Caution(why) if why.contains("other tokens")));
    assert!(matches!(open("qvlm").fit(&base), Fit::No(_)));
}
