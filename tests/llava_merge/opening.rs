//! LLaVA models are opened: names, shapes, faults, adapters.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use yosegi::checkpoint::{Checkpoint, TowerKind, VisionLayout, Weights, tensor_shapes};

use super::{changed, floats, golden, model, open, stored};

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

/// An adapter of rank 2 for the named modules, as PEFT writes it, and ΔW = B·A of each.
fn adapter(folder: &Path, modules: &[(&str, [usize; 2])]) -> Vec<Vec<f32>> {
    let values = |n: usize, seed: usize| -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 17) as f32 / 64.0 - 0.125).collect()
    };
    let (mut bytes, mut deltas) = (Vec::new(), Vec::new());
    for (i, (module, [rows, columns])) in modules.iter().enumerate() {
        let (a, b) = (values(2 * columns, i), values(rows * 2, i + 5));
        let cell = |r: usize, c: usize| b[2 * r] * a[c] + b[2 * r + 1] * a[columns + c];
        deltas.push((0..rows * columns).map(|at| cell(at / columns, at % columns)).collect());
        let raw = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        bytes.push((format!("base_model.model.{module}.lora_A.weight"), vec![2, *columns], raw(&a)));
        bytes.push((format!("base_model.model.{module}.lora_B.weight"), vec![*rows, 2], raw(&b)));
    }
    let views = bytes.iter().map(|(name, shape, data)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap())
    });
    fs::write(folder.join("adapter_model.safetensors"), safetensors::serialize(views, None).unwrap())
        .unwrap();
    fs::write(folder.join("adapter_config.json"), r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 2}"#)
        .unwrap();
    deltas
}

#[test]
fn adapters_name_the_parts_of_a_llava_model_as_either_version_of_transformers_does() {
    let plain = open("qvlm");
    let q = "model.layers.1.self_attn.q_proj.weight";
    let tower = "vision_tower.encoder.layers.0.self_attn.v_proj.weight";
    for [text, sees] in [
        [
            "model.language_model.layers.1.self_attn.q_proj",
            "model.vision_tower.encoder.layers.0.self_attn.v_proj",
        ],
        [
            "language_model.model.layers.1.self_attn.q_proj",
            "vision_tower.vision_model.encoder.layers.0.self_attn.v_proj",
        ],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let deltas = adapter(folder.path(), &[(text, [16, 16]), (sees, [8, 8])]);
        let name = format!("{}+{}", model("qvlm"), folder.path().display());
        let adapted = Checkpoint::open(&name).unwrap();
        let pairs = [
            (plain.tensor(q), adapted.tensor(q)),
            (plain.vision_tensor(tower), adapted.vision_tensor(tower)),
        ];
        for ((before, after), delta) in pairs.into_iter().zip(&deltas) {
            let (before, after) = (floats(before.unwrap()), floats(after.unwrap()));
            let apart = before.iter().zip(&after).zip(delta).map(|((b, a), d)| (b + d - a).abs());
            assert!(apart.fold(0.0, f32::max) < 1e-6);
            assert!(before != after);
        }
        assert_eq!(
            floats(adapted.tensor("model.norm.weight").unwrap()),
            floats(plain.tensor("model.norm.weight").unwrap())
        );
    }
    let folder = tempfile::tempdir().unwrap();
    adapter(folder.path(), &[("language_model.model.layers.9.self_attn.q_proj", [16, 16])]);
    let why = Checkpoint::open(&format!("{}+{}", model("qvlm"), folder.path().display())).err().unwrap();
    assert!(why.to_string().contains("layers.9"), "{why}");
}

#[test]
fn a_list_tells_what_stands_inside() {
    let summary = open("vlm").summary();
    let vision = summary.vision.clone().unwrap();
    assert_eq!((vision.layout.as_str(), vision.tower.as_str(), vision.layers), ("LLaVA-NeXT", "CLIP", 2));
    assert_eq!(summary.inside(), "CLIP tower of 2 layers + mistral");
    let bytes = fs::metadata(golden().join("models/vlm/model.safetensors")).unwrap().len();
    assert!(summary.bytes < bytes && summary.bytes * 10 > bytes * 6 && vision.parameters > 1000);
    assert!(open("ja").summary().vision.is_none());
}
