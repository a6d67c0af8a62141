//! A folded path is the path: on a small decoder written out in f64, and on the one that runs.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use yosegi::checkpoint::{Checkpoint, Dtype, ModelConfig, Weights, tensor_shapes};
use yosegi::lm::{Decoder, Device, PathModel, PathStep};
use yosegi::merge::{FoldStep, Folded, fold_scales};

const HIDDEN: usize = 12;
const HEADS: usize = 4;
const KV: usize = 2;
const DIM: usize = 6;
const INNER: usize = 20;
const VOCAB: usize = 23;

fn config(change: &Value) -> Value {
    let mut config = json!({
        "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": 3,
        "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": DIM, "vocab_size": VOCAB,
        "rms_norm_eps": 1e-6, "max_position_embeddings": 64, "tie_word_embeddings": false,
        "torch_dtype": "float32",
    });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// Random weights; embeddings about 1 in size, so that inputs are well above ε.
fn model(name: &str, config: &Value, mut seed: u32) -> Checkpoint {
    let mut value = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let read = ModelConfig::from_json(name, config.to_string().as_bytes()).unwrap();
    let mut fill = |(name, shape): (String, Vec<usize>)| {
        let n: usize = shape.iter().product();
        let spread = if name.contains("embed") { 1.7 } else { 1.5 / (*shape.last().unwrap() as f32).sqrt() };
        let values: Vec<f32> = (0..n)
            .map(|_| if name.contains("norm") { 1.0 + 0.4 * value() } else { spread * value() })
            .collect();
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        (name, shape, Dtype::F32, bytes)
    };
    let tensors: Vec<_> = tensor_shapes(&read).into_iter().map(&mut fill).collect();
    Checkpoint::from_memory(name, config, &tensors, BTreeMap::new()).unwrap()
}

/// A decoder in f64, written as in the papers, one row after another.
struct Plain<'a> {
    eps: f64,
    ends: &'a dyn Weights,
    /// Weights, layer and scale of each step.
    steps: Vec<(&'a dyn Weights, usize, f64)>,
    /// The least mean square that the norms of each step have seen; the final norm counts as the last step's.
    least: RefCell<Vec<f64>>,
}

fn values(weights: &dyn Weights, name: &str) -> Option<Vec<f64>> {
    let view = weights.tensor(name)?;
    let mut out = vec![0.0; view.len()];
    view.read_f32(0, &mut out);
    Some(out.into_iter().map(f64::from).collect())
}

impl<'a> Plain<'a> {
    fn new(eps: f64, ends: &'a dyn Weights, steps: Vec<(&'a dyn Weights, usize, f64)>) -> Self {
        let least = RefCell::new(vec![f64::INFINITY; steps.len()]);
        Self { eps, ends, steps, least }
    }

    fn norm(&self, step: usize, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        let least = &mut self.least.borrow_mut()[step];
        *least = least.min(mean);
        x.iter().zip(weight).map(|(v, w)| v / (mean + self.eps).sqrt() * w).collect()
    }

    fn logits(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let table = values(self.ends, "model.embed_tokens.weight").unwrap();
        let mut x: Vec<Vec<f64>> =
            tokens.iter().map(|t| table[*t as usize * HIDDEN..][..HIDDEN].to_vec()).collect();
        for (step, &(weights, layer, scale)) in self.steps.iter().enumerate() {
            let get = |part: &str| values(weights, &format!("model.layers.{layer}.{part}")).unwrap();
            let linear = |x: &[f64], part: &str| {
                let bias = values(weights, &format!("model.layers.{layer}.{part}.bias"));
                let w = get(&format!("{part}.weight"));
                let dot = |row: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
                let rows = w.chunks(x.len()).enumerate();
                rows.map(|(i, row)| dot(row) + bias.as_ref().map_or(0.0, |b| b[i])).collect::<Vec<f64>>()
            };
            x.iter_mut().flatten().for_each(|v| *v *= scale);
            let norm = get("input_layernorm.weight");
            let seen: Vec<Vec<f64>> = x.iter().map(|row| self.norm(step, row, &norm)).collect();
            let turned = |part: &str| -> Vec<Vec<f64>> {
                seen.iter().enumerate().map(|(p, row)| turn(linear(row, part), p)).collect()
            };
            let (q, k) = (turned("self_attn.q_proj"), turned("self_attn.k_proj"));
            let v: Vec<Vec<f64>> = seen.iter().map(|row| linear(row, "self_attn.v_proj")).collect();
            for p in 0..x.len() {
                let mixed: Vec<f64> = (0..HEADS).flat_map(|h| attend(&q[p], &k[..=p], &v, h)).collect();
                add(&mut x[p], &linear(&mixed, "self_attn.o_proj"));
            }
            let norm = get("post_attention_layernorm.weight");
            for row in &mut x {
                let seen = self.norm(step, row, &norm);
                let (gate, up) = (linear(&seen, "mlp.gate_proj"), linear(&seen, "mlp.up_proj"));
                let gated: Vec<f64> = gate.iter().zip(&up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
                add(row, &linear(&gated, "mlp.down_proj"));
            }
        }
        let (norm, head) = (values(self.ends, "model.norm.weight"), values(self.ends, "lm_head.weight"));
        let (norm, head) = (norm.unwrap(), head.unwrap());
        let last = x.iter().map(|row| self.norm(self.steps.len() - 1, row, &norm));
        last.map(|row| head.chunks(HIDDEN).map(|h| h.iter().zip(&row).map(|(a, b)| a * b).sum()).collect())
            .collect()
    }
}

fn add(x: &mut [f64], delta: &[f64]) {
    x.iter_mut().zip(delta).for_each(|(a, b)| *a += b);
}

fn turn(mut row: Vec<f64>, position: usize) -> Vec<f64> {
    for head in row.chunks_mut(DIM) {
        for i in 0..DIM / 2 {
            let angle = position as f64 / 10_000_f64.powf(2.0 * i as f64 / DIM as f64);
            let (a, b) = (head[i], head[i + DIM / 2]);
            head[i] = a * angle.cos() - b * angle.sin();
            head[i + DIM / 2] = b * angle.cos() + a * angle.sin();
        }
    }
    row
}

fn attend(q: &[f64], keys: &[Vec<f64>], values: &[Vec<f64>], head: usize) -> Vec<f64> {
    let from = head / (HEADS / KV) * DIM;
    let q = &q[head * DIM..][..DIM];
    let score =
        |k: &Vec<f64>| q.iter().zip(&k[from..]).map(|(a, b)| a * b).sum::<f64>() / (DIM as f64).sqrt();
    let scores: Vec<f64> = keys.iter().map(score).collect();
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
    let sum: f64 = weights.iter().sum();
    (from..from + DIM).map(|d| weights.iter().zip(values).map(|(w, v)| w * v[d]).sum::<f64>() / sum).collect()
}

/// Greatest difference, relative to the greatest value.
fn apart(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let size = a.iter().flatten().fold(0.0, |m: f64, v| m.max(v.abs()));
    a.iter().flatten().zip(b.iter().flatten()).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs())) / size
}

const TOKENS: [u32; 7] = [3, 14, 1, 5, 9, 2, 20];

fn both<'a>(
    models: &'a [&'a Checkpoint],
    steps: &[FoldStep],
    folded: &'a Folded<'a>,
    eps: f64,
) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let step = |s: &FoldStep| (models[s.model] as &dyn Weights, s.layer, f64::from(s.scale));
    let path = Plain::new(eps, models[0], steps.iter().map(step).collect());
    let stock = (0..steps.len()).map(|i| (folded as &dyn Weights, i, 1.0)).collect();
    (path.logits(&TOKENS), Plain::new(eps, folded, stock).logits(&TOKENS))
}

/// How far ε moves the logits of a folded path, to first order and times 4 for what layers make of it. A path's norm
/// divides by √(m + ε), with m the mean square of its row; the folded one sees the row divided by the product S of the
/// scales so far, which is to divide by √(m + ε·S²). Their ratio is 1 + ε·(1 - S²) / 2m. A step has two norms, and the
/// final norm sees the last step's product.
fn moved_by_epsilon(models: &[&Checkpoint], steps: &[FoldStep], eps: f64) -> f64 {
    let step = |s: &FoldStep| (models[s.model] as &dyn Weights, s.layer, f64::from(s.scale));
    let path = Plain::new(eps, models[0], steps.iter().map(step).collect());
    path.logits(&TOKENS);
    let (mut product, mut sum) = (1.0, 0.0);
    for (i, (step, m)) in steps.iter().zip(path.least.borrow().iter()).enumerate() {
        product *= f64::from(step.scale);
        let norms = if i + 1 == steps.len() { 3.0 } else { 2.0 };
        sum += norms * eps * (1.0 - product * product).abs() / (2.0 * m);
    }
    4.0 * sum
}

fn steps(scale: impl Strategy<Value = f32>) -> impl Strategy<Value = Vec<FoldStep>> {
    let step =
        (0..2_usize, 0..3_usize, scale).prop_map(|(model, layer, scale)| FoldStep { model, layer, scale });
    proptest::collection::vec(step, 1..7)
}

fn signed(size: impl Strategy<Value = f32>) -> impl Strategy<Value = f32> {
    (size, any::<bool>()).prop_map(|(size, minus)| if minus { -size } else { size })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Powers of two divide without rounding: what is left is that of f64.
    #[test]
    fn without_rounding_and_epsilon_folding_is_exact(
        steps in steps(signed((-6_i32..6).prop_map(|e| 2_f32.powi(e)))),
        bias in any::<bool>(),
    ) {
        let config = config(&json!({"attention_bias": bias, "mlp_bias": bias}));
        let (a, b) = (model("a", &config, 1), model("b", &config, 2));
        let models = [&a, &b];
        let folded = fold_scales(&models, &steps, Dtype::F32).unwrap();
        let (path, stock) = both(&models, &steps, &folded, 0.0);
        prop_assert!(apart(&path, &stock) < 1e-11, "{}", apart(&path, &stock));
    }

    /// Scales near 1, with the ε of a real model: f32's rounding, what ε does, and no more.
    #[test]
    fn scales_near_one_cost_only_rounding(steps in steps(signed(0.6_f32..1.7))) {
        let config = config(&json!({}));
        let (a, b) = (model("a", &config, 3), model("b", &config, 4));
        let models = [&a, &b];
        let folded = fold_scales(&models, &steps, Dtype::F32).unwrap();
        let (path, stock) = both(&models, &steps, &folded, 1e-6);
        let most = 3e-6 + moved_by_epsilon(&models, &steps, 1e-6);
        prop_assert!(apart(&path, &stock) < most, "{} of {most}", apart(&path, &stock));
    }

    /// What the running decoder says of the path, it says of the folded checkpoint.
    #[test]
    fn the_decoder_agrees(steps in steps(signed(0.6_f32..1.7))) {
        let config = config(&json!({"attention_bias": true}));
        let (a, b) = (model("a", &config, 5), model("b", &config, 6));
        let models = [&a, &b];
        let folded = fold_scales(&models, &steps, Dtype::F32).unwrap();
        let parts = models.map(|m| PathModel { name: m.reference(), config: m.config(), weights: m });
        let path: Vec<PathStep> =
            steps.iter().map(|s| PathStep { model: s.model, layer: s.layer, scale: s.scale }).collect();
        let path = Decoder::load_path(&parts, &path, &Device::Cpu).unwrap();
        let config = ModelConfig::from_json("folded", folded.config().to_string().as_bytes()).unwrap();
        prop_assert_eq!(config.num_hidden_layers, steps.len());
        let stock = Decoder::load(&config, &folded, &Device::Cpu).unwrap();
        let wide = |d: &Decoder| -> Vec<Vec<f64>> {
            let rows = d.logits(&TOKENS).unwrap();
            rows.into_iter().map(|row| row.into_iter().map(f64::from).collect()).collect()
        };
        let (path, stock) = (wide(&path), wide(&stock));
        prop_assert!(apart(&path, &stock) < 1e-4, "{}", apart(&path, &stock));
    }
}

/// The one approximation: folded norms see a smaller or larger input with the ε meant for another.
#[test]
fn a_small_scale_meets_epsilon() {
    let config = config(&json!({}));
    let (a, b) = (model("a", &config, 7), model("b", &config, 8));
    let models = [&a, &b];
    let error = |scale: f32| {
        let step = |model, layer, scale| FoldStep { model, layer, scale };
        let steps = [step(0, 0, 1.0), step(1, 1, scale), step(0, 2, 1.0)];
        let folded = fold_scales(&models, &steps, Dtype::F32).unwrap();
        let (path, stock) = both(&models, &steps, &folded, 1e-6);
        apart(&path, &stock)
    };
    let (near, small, tiny) = (error(0.9), error(0.05), error(1e-3));
    assert!(near < 5e-6 && small < 2e-3 && small > near, "{near} {small}");
    assert!(tiny > 10.0 * small, "{tiny} against {small}: the path's own input is of ε's size");
}

#[test]
fn the_config_is_that_of_a_stock_model() {
    let listed = json!({"layer_types": ["full_attention", "sliding_attention", "full_attention"],
                        "model_type": "qwen2", "use_sliding_window": true, "sliding_window": 8,
                        "eos_token_id": [1, 2, 3], "_name_or_path": "x"});
    let (a, b) = (model("a", &config(&listed), 1), model("b", &config(&listed), 2));
    let steps = [(1, 1), (0, 0), (1, 1), (0, 2)].map(|(model, layer)| FoldStep { model, layer, scale: -0.5 });
    let folded = fold_scales(&[&a, &b], &steps, Dtype::BF16).unwrap();
    let config = folded.config();
    assert_eq!(config["num_hidden_layers"], 4);
    let types = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"];
    assert_eq!(config["layer_types"], json!(types));
    assert_eq!(config["eos_token_id"], json!([1, 2, 3]));
    assert_eq!(config["torch_dtype"], "bfloat16");
    assert!(config.get("_name_or_path").is_none());
    assert!(folded.names().iter().all(|n| folded.tensor(n).unwrap().dtype == Dtype::BF16));
}

/// A bias that only some layers have is zero in the others.
#[test]
fn absent_biases_are_zeros() {
    let (a, b) =
        (model("a", &config(&json!({})), 1), model("b", &config(&json!({"attention_bias": true})), 2));
    let steps = [(0, 0), (1, 1)].map(|(model, layer)| FoldStep { model, layer, scale: 2.0 });
    let folded = fold_scales(&[&a, &b], &steps, Dtype::F32).unwrap();
    let bias =
        |layer: usize| values(&folded, &format!("model.layers.{layer}.self_attn.o_proj.bias")).unwrap();
    assert_eq!(bias(0), vec![0.0; HIDDEN]);
    let own = values(&b, "model.layers.1.self_attn.o_proj.bias").unwrap();
    assert_eq!(bias(1), own.iter().map(|v| v / 4.0).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_folded_is_refused_in_words() {
    let one = |model, layer, scale| vec![FoldStep { model, layer, scale }];
    let a = model("first", &config(&json!({})), 1);
    let refuse = |models: &[&Checkpoint], steps: &[FoldStep]| {
        let error = fold_scales(models, steps, Dtype::F32).err().expect("an error").to_string();
        assert!(error.starts_with("path: ") && !error.contains('\n'), "{error}");
        error
    };
    assert!(refuse(&[&a], &[]).contains("no steps"));
    assert!(refuse(&[&a], &one(1, 0, 1.0)).contains("names model 1"));
    assert!(refuse(&[&a], &one(0, 3, 1.0)).contains("layer 3 of first, which has 3 layers"));
    for scale in [0.0, f32::NAN, f32::INFINITY, 1e-40] {
        assert!(refuse(&[&a], &one(0, 0, scale)).contains("nothing can be divided"));
    }
    let many = vec![FoldStep { model: 0, layer: 0, scale: 1e-6 }; 7];
    assert!(refuse(&[&a], &many).contains("up to step 6"), "{}", refuse(&[&a], &many));
    for (change, word) in [
        (json!({"rms_norm_eps": 1e-5}), "rms_norm_eps"),
        (json!({"rope_theta": 500.0}), "rope_theta"),
        (json!({"intermediate_size": 24}), "intermediate_size"),
        (json!({"model_type": "mistral", "sliding_window": 8}), "sliding window"),
        (json!({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}), "rotary"),
    ] {
        let other = model("second", &config(&change), 2);
        let said = refuse(&[&a, &other], &one(1, 0, 1.0));
        assert!(said.contains(word) && said.contains("second") && said.contains("first"), "{said}");
        // A model that no step names need not agree.
        assert!(fold_scales(&[&a, &other], &one(0, 0, 1.0), Dtype::F32).is_ok());
    }
    let half = fold_scales(&[&a], &one(0, 0, 1e-7), Dtype::F16).err().expect("an error").to_string();
    assert!(half.contains("F16") && half.contains("o_proj") | half.contains("down_proj"), "{half}");
}
