//! A resident candidate's merge in bytes a second, beside a plain copy on the same threads.
//!
//! Bytes are what must move at least: base and three sources read once, the result written once; a
//! copy reads and writes. Everything is measured in turns, so that a busy machine is busy for all;
//! medians. `cargo bench --bench merge [-- ROUNDS]`.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::{Value, json};
use yosegi::checkpoint::{Checkpoint, Dtype, ModelConfig, tensor_shapes};
use yosegi::merge::{Merged, Pool};
use yosegi::recipe::{LayerGroup, Method, Recipe, Values};

const SOURCES: [&str; 3] = ["a", "b", "c"];

/// 39 M parameters in twelve blocks, 78 MB a model: more than the caches hold.
fn config() -> Value {
    json!({"model_type": "llama", "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 12,
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

/// One method's candidates: each differs from the last in weights and densities.
struct Line {
    recipe: Recipe,
    merged: Merged,
    /// Seconds of each round for all groups, and for one block.
    all: Vec<f64>,
    one: Vec<f64>,
    bytes: u64,
}

const METHODS: [Method; 5] =
    [Method::Linear, Method::TaskArithmetic, Method::Ties, Method::DareLinear, Method::DareTies];

impl Line {
    fn new(pool: &Pool, method: Method) -> Self {
        let mut recipe = Recipe::uniform("base", &SOURCES.map(str::to_owned), method, 0.4);
        recipe.sources.iter_mut().for_each(|s| *s.density_mut() = Values::All(0.5));
        let mut line = Self { recipe, merged: Merged::new(pool), all: Vec::new(), one: Vec::new(), bytes: 0 };
        // What is made once: pages, histograms, sums.
        let groups: Vec<LayerGroup> = LayerGroup::all(pool.layers()).collect();
        (0..3).for_each(|_| _ = line.step(pool, &groups));
        line
    }

    /// Seconds and bytes of the next candidate, which differs in `groups` only.
    fn step(&mut self, pool: &Pool, groups: &[LayerGroup]) -> (f64, u64) {
        for source in &mut self.recipe.sources {
            for group in groups {
                let old = source.weight().get(*group).unwrap();
                source.weight_mut().set(*group, pool.layers(), old * 1.001);
                source.density_mut().set(*group, pool.layers(), 0.3 + 0.3 * (old * 100.0).fract());
            }
        }
        let start = Instant::now();
        let stats = pool.merge_into(&self.recipe, &mut self.merged).unwrap();
        (start.elapsed().as_secs_f64(), stats.bytes)
    }
}

fn main() {
    let rounds: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(21);
    let sources = SOURCES.iter().zip(10..).map(|(name, seed)| model(name, seed, 0.02)).collect();
    let pool = Pool::new(model("base", 1, 0.0), sources).unwrap();
    let groups: Vec<LayerGroup> = LayerGroup::all(pool.layers()).collect();
    let mut lines: Vec<Line> = METHODS.into_iter().map(|m| Line::new(&pool, m)).collect();
    let from = vec![1_u8; 160 << 20];
    let mut to = vec![2_u8; from.len()];
    let threads = rayon::current_num_threads();
    // By small pieces and by one piece a thread, which may take another way: the better counts.
    let pieces = [1 << 20, from.len() / threads];
    let mut copies = vec![Vec::new(); pieces.len()];
    for _ in 0..rounds {
        for (piece, seconds) in pieces.iter().zip(&mut copies) {
            let start = Instant::now();
            let parts = to.par_chunks_mut(*piece).zip(from.par_chunks(*piece));
            parts.for_each(|(to, from)| to.copy_from_slice(from));
            seconds.push(start.elapsed().as_secs_f64());
        }
        for line in &mut lines {
            let (seconds, bytes) = line.step(&pool, &groups);
            line.all.push(seconds);
            line.bytes = bytes;
            let (seconds, _) = line.step(&pool, &[LayerGroup::Block(5)]);
            line.one.push(seconds);
        }
    }
    let copied = 2.0 * from.len() as f64 / 1e9;
    let copy = copies.iter_mut().map(|c| copied / median(c)).fold(0.0, f64::max);
    println!("{threads} threads, medians of {rounds} rounds; base and 3 sources of 39 M bfloat16 parameters");
    println!("copy {copy:.1} GB/s");
    println!("{:16} {:>8} {:>8} {:>9} {:>18}", "method", "ms", "GB/s", "of copy", "one block of 12");
    for line in &mut lines {
        let (all, one) = (median(&mut line.all), median(&mut line.one));
        let speed = line.bytes as f64 / 1e9 / all;
        println!(
            "{:16} {:8.2} {speed:8.1} {:8.0}% {:>11.2} ms 1/{:.1}",
            line.recipe.method.name(),
            1e3 * all,
            100.0 * speed / copy,
            1e3 * one,
            all / one
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
