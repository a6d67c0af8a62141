//! Every command takes every form of recipe, and gives the same answers: continued from the recipe or
//! from the checkpoint that it makes, scored alone, beside another, or over a session's models.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

mod runs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use yosegi::evaluate::{EvalRequest, EvalSetup, Evaluator, SplitQuestions, Target, TaskSpec};
use yosegi::recipe::RecipeFile;
use yosegi::task::Split;

const BASE: &str = "zoo:base";

/// A merge of two models in the forms that model cards have: name, notation, text.
const FORMS: [(&str, &str, &str); 18] = [
    (
        "models",
        "yaml",
        "merge_method: slerp\nbase_model: zoo:base\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {t: 0.5}\n",
    ),
    (
        "slices",
        "yaml",
        "slices:\n  - sources: [{model: zoo:base, layer_range: [0, 5]}, {model: zoo:ja, layer_range: [0, 5]}]\n\
         merge_method: slerp\nbase_model: zoo:base\nparameters:\n  t:\n    - {filter: self_attn, value: [0, 0.5, 1]}\n    - value: 0.5\n",
    ),
    (
        "stacked",
        "yaml",
        "slices:\n  - sources: [{model: zoo:base, layer_range: [0, 4]}]\n  - sources: [{model: zoo:ja, layer_range: [2, 5]}]\n\
         merge_method: passthrough\n",
    ),
    (
        "pruned",
        "yaml",
        "slices:\n  - sources: [{model: zoo:base, layer_range: [0, 2]}]\n  - sources: [{model: zoo:ja, layer_range: [3, 5]}]\n\
         merge_method: passthrough\n",
    ),
    (
        "module",
        "yaml",
        "merge_method: linear\nmodules: {default: {models: [{model: zoo:base}, {model: zoo:ja}]}}\nparameters: {weight: 0.5}\n",
    ),
    (
        "no base",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:math-add}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "tokenizer of the base",
        "yaml",
        "merge_method: linear\nbase_model: zoo:base\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n\
         tokenizer_source: base\n",
    ),
    (
        "union",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n\
         tokenizer: {source: union, tokens: {<new>: {source: {kind: model_token, model: zoo:ja, token_id: 5}}}, pad_to_multiple_of: 8}\n",
    ),
    (
        "tokenizer of another",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n\
         tokenizer_source: zoo:math-mul\n",
    ),
    (
        "chat template",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\nchat_template: chatml\n",
    ),
    (
        "several",
        "yaml",
        "name: first\nmerge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n---\n\
         merge_method: task_arithmetic\nbase_model: zoo:base\nmodels: [{model: first}, {model: zoo:math-add}]\nparameters: {weight: 0.6}\n",
    ),
    (
        "several in toml",
        "toml",
        "[[recipe]]\nname = \"first\"\nmethod = \"ties\"\nbase = \"zoo:base\"\ndensity = 0.5\n\
         source = [{ model = \"zoo:ja\", weight = 0.7 }, { model = \"zoo:math-add\", weight = 0.7 }]\n\
         [[recipe]]\nname = \"second\"\nmethod = \"linear\"\nsource = [{ model = \"first\", weight = 1.0 }, { model = \"zoo:ja\", weight = 0.2 }]\n\
         [[recipe]]\nmethod = \"linear\"\nsource = [{ model = \"second\", weight = 1.0 }, { model = \"first\", weight = 1.0 }]\n",
    ),
    (
        "adapter",
        "yaml",
        "merge_method: task_arithmetic\nbase_model: zoo:base\nmodels: [{model: zoo:base+./adapter}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "adapter on a result",
        "yaml",
        "name: first\nmerge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n---\n\
         merge_method: linear\nmodels: [{model: first+./adapter}, {model: zoo:math-add}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "aligned",
        "toml",
        "method = \"task_arithmetic\"\nbase = \"zoo:base\"\nalign = \"weights\"\nsource = [{ model = \"zoo:ja\", weight = 0.5 }]\n",
    ),
    (
        "folder",
        "yaml",
        "merge_method: linear\nmodels: [{model: ./ja}, {model: zoo:base}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "several layers deep",
        "toml",
        "method = \"passthrough\"\nbase = \"zoo:base\"\nsource = [{ model = \"zoo:ja\" }]\n",
    ),
    (
        "unknown keys",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base, note: x}, {model: zoo:ja}]\nparameters: {weight: 0.5}\nauthor: me\n",
    ),
];

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.run(&["zoo", "--out", "zoo"]);
        fs::rename(place.path("zoo/ja"), place.path("ja")).unwrap();
        adapter(&place.path("adapter"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, number: usize, notation: &str, text: &str) -> String {
        let name = format!("r{number}.{notation}");
        fs::write(self.path(&name), text).unwrap();
        name
    }

    fn try_run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.env("YOSEGI_HOME", self.path("home")).env("HF_HUB_OFFLINE", "1");
        command.current_dir(self.0.path()).stdin(Stdio::null()).args(args).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.try_run(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(args)).unwrap()
    }

    /// What a model or recipe continues the same prompt with.
    fn continued(&self, model: &str, more: &[&str]) -> Value {
        let prompt =
            ["--prompt", "Q: りんごが3個あります。", "--max-tokens", "12", "--json", "--device", "cpu"];
        self.json(&[&["generate", model][..], &prompt, more].concat())["tokens"].clone()
    }

    /// What it answers to the first questions.
    fn answers(&self, model: &str, more: &[&str]) -> Vec<String> {
        let asked = ["--task", "zoo", "--limit", "3", "--json", "--device", "cpu"];
        texts(&self.json(&[&["eval", model][..], &asked, more].concat())["answers"])
    }
}

fn texts(answers: &Value) -> Vec<String> {
    answers.as_array().unwrap().iter().map(|a| a["text"].as_str().unwrap().to_owned()).collect()
}

/// A `LoRA` adapter for the zoo: noise of rank 2 on the first block's queries.
fn adapter(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let config = r#"{"peft_type":"LORA","r":2,"lora_alpha":4,"target_modules":["q_proj"]}"#;
    fs::write(folder.join("adapter_config.json"), config).unwrap();
    let shape = |name: &str| {
        let model = yosegi::checkpoint::Checkpoint::open(BASE).unwrap();
        model.extent(name).unwrap().1.to_vec()
    };
    let [rows, columns] = shape("model.layers.0.self_attn.q_proj.weight")[..] else { panic!("no matrix") };
    let key = |part: &str| format!("base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.weight");
    let (a, b) = (2 * columns * 4, rows * 2 * 4);
    let header = serde_json::json!({
        key("A"): {"dtype": "F32", "shape": [2, columns], "data_offsets": [0, a]},
        key("B"): {"dtype": "F32", "shape": [rows, 2], "data_offsets": [a, a + b]},
    })
    .to_string();
    let mut state = 9_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.2
    };
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..(a + b) / 4).flat_map(|_| noise().to_le_bytes()));
    fs::write(folder.join("adapter_model.safetensors"), bytes).unwrap();
}

#[test]
fn every_command_takes_every_form_and_agrees() {
    let place = Place::new();
    for (number, (form, notation, text)) in FORMS.iter().enumerate() {
        let file = place.put(number, notation, text);
        let more: &[&str] = if *form == "unknown keys" { &["--lenient"] } else { &[] };
        let out = format!("out{number}");
        place.run(&[&["recipe", "check", &file][..], more].concat());
        place.run(&[&["merge", &file, "--dry-run"][..], more].concat());
        place.run(&[&["merge", &file, "--out", &out][..], more].concat());
        assert_eq!(place.continued(&file, more), place.continued(&out, &[]), "{form}");
        let wanted = place.answers(&out, &[]);
        assert_eq!(place.answers(&file, more), wanted, "{form}");
        let compare = ["--task", "zoo", "--limit", "3", "--json", "--device", "cpu"];
        let told = place.json(&[&["compare", &out, &file][..], &compare, more].concat());
        assert_eq!((&told["right_a"], &told["gained"]), (&told["right_b"], &serde_json::json!([])), "{form}");
        if !more.is_empty() {
            let refused = |args: &[&str]| {
                let out = place.try_run(args);
                let said = String::from_utf8_lossy(&out.stderr).into_owned();
                assert!(out.status.code() == Some(2) && said.contains("unknown key"), "{args:?}: {said}");
            };
            refused(&["generate", &file, "--prompt", "x"]);
            refused(&["eval", &file, "--task", "zoo"]);
            refused(&["compare", &out, &file, "--task", "zoo"]);
        }
    }
}
