//! What the commands say of LLaVA models, and the chains that they merge.

use std::fs;
use std::path::Path;
use std::process::Command;

use yosegi::checkpoint::Checkpoint;

use super::{golden, model};

/// What a command that succeeds prints, and its notes. Models are named as in the recipes of the fixtures.
fn said(home: &Path, arguments: &[&str]) -> (String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(arguments)
        .current_dir(golden().join("models"))
        .env("YOSEGI_HOME", home.join("home"))
        .env("HF_HOME", home.join("hf"))
        .env("YOSEGI_LANG", "en")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{arguments:?}: {}", text(&out.stderr));
    (text(&out.stdout), text(&out.stderr))
}

fn holds(text: &str, needles: &[&str]) {
    for needle in needles {
        assert!(text.contains(needle), "{needle:?} in: {text}");
    }
}

#[test]
fn commands_say_what_stands_inside_and_what_is_merged() {
    let home = tempfile::tempdir().unwrap();
    let (text, _) = said(home.path(), &["inspect", "base", "vlm"]);
    holds(&text, &["LLaVA-NeXT, CLIP tower of 2 layers, hidden 8", "the language model", "44 against 40"]);
    holds(&text, &["merged together: the language models", "come from vlm"]);
    assert!(!text.contains("not merged"), "{text}");
    let (text, _) = said(home.path(), &["inspect", "qvlm", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let model = &json["models"][0];
    assert_eq!(
        (&model["summary"]["vision"]["tower"], &model["config"]["model_type"]),
        (&"SigLIP".into(), &"llava".into())
    );
    let named = |list: &str, part: &str| {
        model[list].as_array().unwrap().iter().any(|t| t["name"].as_str().unwrap().starts_with(part))
    };
    assert!(named("tensors", "model.layers.1.") && named("vision_tensors", "vision_tower.encoder."));
    let (text, _) = said(home.path(), &["recipe", "check", "../recipes/ties.yml"]);
    holds(
        &text,
        &["ties of ja, vlm on base: in order", "tower, projector, vocabulary and processor come from vlm"],
    );
    let (text, notes) = said(home.path(), &["merge", "../recipes/ties.yml", "--dry-run"]);
    holds(&text, &["of base, 2 layers", "tokenizer   of vlm", "pictures", "projector and processor of vlm"]);
    holds(&notes, &["the rotary base of base (10000)", "1000000 in vlm", "[config] rope"]);
}

/// A result that others use by name is a LLaVA model too, in memory as on disk.
#[test]
fn what_a_chain_merges_sees_as_its_models_do() {
    let home = tempfile::tempdir().unwrap();
    let chain = format!(
        "[[recipe]]\nname = \"first\"\nmethod = \"task_arithmetic\"\nbase = {:?}\n\
         source = [{{ model = {:?}, weight = 0.5 }}, {{ model = {:?}, weight = 0.5 }}]\n\
         [[recipe]]\nmethod = \"linear\"\n\
         source = [{{ model = {:?}, weight = 0.25 }}, {{ model = \"first\", weight = 0.75 }}]\n",
        model("base"),
        model("ja"),
        model("vlm"),
        model("ja")
    );
    let file = home.path().join("chain.toml");
    fs::write(&file, chain).unwrap();
    let (file, out) = (file.to_str().unwrap(), home.path().join("out"));
    said(home.path(), &["merge", file, "--out", out.to_str().unwrap()]);
    let steps = home.path().join("steps");
    let kept = home.path().join("kept");
    let arguments =
        ["merge", file, "--out", steps.to_str().unwrap(), "--intermediates", kept.to_str().unwrap()];
    said(home.path(), &arguments);
    let open = |folder: &Path| Checkpoint::open(folder.to_str().unwrap()).unwrap();
    let (whole, by_steps, first) = (open(&out), open(&steps), open(&kept.join("first")));
    assert_eq!((whole.config().vocab_size, first.config().vocab_size), (44, 44));
    let bytes = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert!(bytes(&out) == bytes(&steps));
    assert_eq!(whole.whole_config(), by_steps.whole_config());
    for name in whole.vision_names() {
        let theirs = super::open("vlm");
        assert_eq!(whole.vision_tensor(name).unwrap().data, theirs.vision_tensor(name).unwrap().data);
    }
}
