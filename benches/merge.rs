//! A resident candidate's merge in bytes a second, beside a plain copy of as many bytes.
//!
//! Bytes are what must move at least: base and three sources read once, the result written once.
//! The copy reads and writes half of them each, over the same threads.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::sync::OnceLock;

use divan::Bencher;
use divan::counter::BytesCount;
use rayon::prelude::*;
use serde_json::{Value, json};
use yosegi::checkpoint::{Checkpoint, Dtype, ModelConfig, tensor_shapes};
use yosegi::merge::{Merged, Pool};
use yosegi::recipe::{LayerGroup, Method, PerGroup, Recipe};

const SOURCES: [&str; 3] = ["a", "b", "c"];

fn main() {
    divan::main();
}

/// 27 M parameters, 53 MB a model.
fn config() -> Value {
    json!({"model_type": "llama", "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 2,
           "num_attention_heads": 8, "vocab_size": 1000, "tie_word_embeddings": true})
}

/// Noise of size 0.1 that all share, plus `drift` of its own.
fn model(name: &str, seed: u32, drift: f32) -> Checkpoint {
    let config = config();
    let read = ModelConfig::from_json(name, config.to_string().as_bytes()).unwrap();
    let noise = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let (mut common, mut own) = (1, seed);
    let mut fill = |(tensor, shape): (String, Vec<usize>)| {
        let n: usize = shape.iter().product();
        let values = (0..n).map(|_| 0.1 * noise(&mut common) + drift * noise(&mut own));
        let bytes = values.flat_map(|v| half::bf16::from_f32(v).to_le_bytes()).collect();
        (tensor, shape, Dtype::BF16, bytes)
    };
    let tensors: Vec<_> = tensor_shapes(&read).into_iter().map(&mut fill).collect();
    Checkpoint::from_memory(name, &config, &tensors, BTreeMap::new()).unwrap()
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let sources = SOURCES.iter().zip(10..).map(|(name, seed)| model(name, seed, 0.02)).collect();
        Pool::new(model("base", 1, 0.0), sources).unwrap()
    })
}

fn recipe(method: Method) -> Recipe {
    let mut recipe = Recipe::uniform("base", &SOURCES.map(str::to_owned), method, 0.4);
    recipe.sources.iter_mut().for_each(|s| s.density = PerGroup::All(0.5));
    recipe
}

/// Merges again and again with weights that change by one part in a thousand, in `groups` only.
fn again(bencher: Bencher, method: Method, groups: &[LayerGroup]) {
    let pool = pool();
    let mut recipe = recipe(method);
    let mut merged = Merged::new(pool);
    pool.merge_into(&recipe, &mut merged).unwrap();
    let mut step = |merged: &mut Merged| {
        for source in &mut recipe.sources {
            for group in groups {
                let old = source.weight.get(*group).unwrap();
                source.weight.set(*group, pool.layers(), old * 1.001);
                source.density.set(*group, pool.layers(), 0.3 + 0.3 * (old * 100.0).fract());
            }
        }
        pool.merge_into(&recipe, merged).unwrap().bytes
    };
    let bytes = step(&mut merged);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| step(&mut merged));
}

const METHODS: [&str; 5] = ["linear", "task_arithmetic", "ties", "dare_linear", "dare_ties"];

fn method(name: &str) -> Method {
    Method::ALL.into_iter().find(|m| m.name() == name).unwrap()
}

#[divan::bench(args = METHODS)]
fn all_groups(bencher: Bencher, name: &str) {
    let groups: Vec<LayerGroup> = LayerGroup::all(pool().layers()).collect();
    again(bencher, method(name), &groups);
}

#[divan::bench(args = METHODS)]
fn one_group(bencher: Bencher, name: &str) {
    again(bencher, method(name), &[LayerGroup::Block(1)]);
}

#[divan::bench]
fn copy(bencher: Bencher) {
    let mut merged = Merged::new(pool());
    let bytes = pool().merge_into(&recipe(Method::Ties), &mut merged).unwrap().bytes as usize;
    let from = vec![1_u8; bytes / 2];
    let mut to = vec![0_u8; bytes / 2];
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let pieces = to.par_chunks_mut(1 << 20).zip(from.par_chunks(1 << 20));
        pieces.for_each(|(to, from)| to.copy_from_slice(from));
    });
}
