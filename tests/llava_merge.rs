//! Models of text and LLaVA models together: what is opened, what is merged, what is written. The models, recipes and
//! expected values are in `golden/llava_merge`, with the script that made them with transformers 5.24 and mergekit
//! 0.1.5.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use yosegi::checkpoint::{Checkpoint, TowerKind, VisionLayout, Weights, tensor_shapes};

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
