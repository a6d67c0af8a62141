//! Layers stacked, pruned and put in another order, of families that list what each layer is: a merge
//! in memory, the same merge on disk and a path through the same layers are one model.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use yosegi::checkpoint::{Checkpoint, Dtype, ModelConfig, Weights, tensor_shapes};
use yosegi::lm::{Decoder, Device, PathModel, PathStep};
use yosegi::merge::{Merged, Pool, write_checkpoint};
use yosegi::recipe::Recipe;

const LAYERS: usize = 4;

/// Configs that say in different ways which layers have a window, by a name; a pair for each family.
fn pairs() -> Vec<[Value; 2]> {
    let sized = |change: Value| {
        let mut config = json!({
            "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 6, "vocab_size": 40, "max_position_embeddings": 64,
            "tie_word_embeddings": false, "sliding_window": 3,
        });
        config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        config
    };
    let (full, sliding) = ("full_attention", "sliding_attention");
    let upper = |kind: &str, first: usize| {
        sized(json!({"model_type": kind, "use_sliding_window": true, "max_window_layers": first}))
    };
    let listed = |kind: &str, kinds: [&str; LAYERS]| {
        sized(json!({"model_type": kind, "use_sliding_window": true, "layer_types": kinds}))
    };
    vec![
        [upper("qwen2", 2), upper("qwen2", 3)],
        [upper("qwen2", 1), sized(json!({"model_type": "qwen2"}))],
        [sized(json!({"model_type": "qwen3"})), listed("qwen3", [sliding, full, full, sliding])],
        [sized(json!({"model_type": "gemma2"})), listed("gemma2", [full, full, sliding, full])],
        [
            sized(json!({"model_type": "gemma3_text", "sliding_window_pattern": 2})),
            listed("gemma3_text", [sliding, sliding, full, full]),
        ],
        [sized(json!({"model_type": "mistral"})), sized(json!({"model_type": "mistral"}))],
        [listed("llama", [full; LAYERS]), sized(json!({"model_type": "llama"}))],
    ]
}

/// Weights of their own in the blocks; all models share what is outside them, as a path does.
fn model(name: &str, config: &Value, seed: u32) -> Checkpoint {
    let read = ModelConfig::from_json(name, config.to_string().as_bytes()).unwrap();
    let fill = |(tensor, shape): (String, Vec<usize>)| {
        let own = if tensor.contains("layers") { seed } else { 0 };
        let mut state = tensor.bytes().fold(own, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let spread = if tensor.contains("norm") { 0.4 } else { 2.0 / (*shape.last().unwrap() as f32).sqrt() };
        let value = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            spread * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
        };
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(value).collect();
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        (tensor, shape, Dtype::F32, bytes)
    };
    let tensors: Vec<_> = tensor_shapes(&read).into_iter().map(fill).collect();
    Checkpoint::from_memory(name, config, &tensors, BTreeMap::new()).unwrap()
}

fn logits(decoder: &Decoder) -> Vec<Vec<u32>> {
    let tokens = [3, 14, 1, 5, 9, 2, 6, 35, 8, 9, 7, 32];
    decoder.logits(&tokens).unwrap().iter().map(|row| row.iter().map(|v| v.to_bits()).collect()).collect()
}

fn load(config: &ModelConfig, weights: &dyn Weights) -> Decoder {
    Decoder::load(config, weights, &Device::Cpu).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn one_model_in_memory_on_disk_and_as_a_path(
        pair in 0..7_usize,
        slices in proptest::collection::vec((0..2_usize, 0..LAYERS, 1..=LAYERS), 1..5),
    ) {
        let [a, b] = &pairs()[pair];
        let models = [model("a", a, 1), model("b", b, 2)];
        let slices: Vec<(usize, usize, usize)> =
            slices.into_iter().map(|(of, first, n)| (of, first, (first + n).min(LAYERS))).collect();
        let slice = |(of, first, end): &(usize, usize, usize)| {
            let name = ["a", "b"][*of];
            format!("[[slice]]\n[[slice.source]]\nmodel = \"{name}\"\nlayers = [{first}, {end}]\n")
        };
        let text: String = slices.iter().map(slice).collect();
        let recipe = Recipe::from_toml(&format!("method = \"passthrough\"\n{text}"), "r.toml").unwrap();
        let parts = models.each_ref().map(|m| PathModel { name: m.reference(), config: m.config(), weights: m });
        let steps: Vec<PathStep> = slices
            .iter()
            .flat_map(|(of, first, end)| (*first..*end).map(|layer| PathStep { model: *of, layer, scale: 1.0 }))
            .collect();
        let path = logits(&Decoder::load_path(&parts, &steps, &Device::Cpu).unwrap());

        let pool = Pool::of(None, models.into()).unwrap();
        let mut merged = Merged::new(&pool);
        pool.merge_into(&recipe, &mut merged).unwrap();
        let here = logits(&load(merged.config(), &merged));
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("out");
        write_checkpoint(&recipe, &pool, &out).unwrap();
        let written = Checkpoint::open(out.to_str().unwrap()).unwrap();
        prop_assert_eq!(&written.config().windowed, &merged.config().windowed);
        prop_assert_eq!(&logits(&load(written.config(), &written)), &here);
        // A family with a window everywhere or nowhere has the first model's.
        prop_assert_eq!(&here, &path);
    }
}

/// What the real program says to a recipe that has more layers than its base.
#[test]
fn more_layers_than_the_base_are_run_and_written() {
    let temp = tempfile::tempdir().unwrap();
    let recipe = temp.path().join("r.yaml");
    let slice =
        |model: &str, range: &str| format!("  - sources:\n    - {{model: {model}, layer_range: {range}}}\n");
    let slices = [slice("zoo:ja", "[0, 4]"), slice("zoo:ja", "[1, 5]")].concat();
    std::fs::write(&recipe, format!("merge_method: passthrough\nslices:\n{slices}dtype: bfloat16\n"))
        .unwrap();
    let yosegi = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.env("YOSEGI_HOME", temp.path().join("home")).current_dir(temp.path()).args(args);
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let ask = ["--prompt", "りんごが3個", "--max-tokens", "8", "--json", "--device", "cpu"];
    let here = yosegi(&[&["generate", "r.yaml"][..], &ask].concat());
    yosegi(&["merge", "r.yaml", "--out", "out"]);
    assert_eq!(yosegi(&[&["generate", "out"][..], &ask].concat()), here);
    let scores = yosegi(&["eval", "r.yaml", "--task", "zoo", "--limit", "2", "--json", "--device", "cpu"]);
    let of_file = yosegi(&["eval", "out", "--task", "zoo", "--limit", "2", "--json", "--device", "cpu"]);
    let answers = |text: &str| {
        let value: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let answers: Vec<Value> =
            value["answers"].as_array().unwrap().iter().map(|a| a["text"].clone()).collect();
        assert!(answers.len() == 2 && answers.iter().all(Value::is_string), "{value}");
        answers
    };
    assert_eq!(answers(&scores), answers(&of_file));
}
