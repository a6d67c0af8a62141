//! A resident candidate's merge in bytes a second, beside a plain copy on the same threads.
//!
//! Bytes are what must move at least: base and three sources read once, the result written once; a
//! copy reads and writes. Everything is measured in turns, so that a busy machine is busy for all;
//! medians, by the clock and by CPU seconds, which other programs change less. `cargo bench --bench
//! merge [-- ROUNDS]`.

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
    /// Of each round, for all groups, and for one block.
    all: Times,
    one: Times,
    /// Of a candidate that is the last one again: what is not merging.
    none: Times,
    bytes: u64,
}

/// Seconds by the clock, and of all CPUs.
#[derive(Clone, Default)]
struct Times {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    fn measure<T>(&mut self, f: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let result = f();
        self.wall.push(wall.elapsed().as_secs_f64());
        self.cpu.push(cpu_seconds() - cpu);
        result
    }

    fn medians(&mut self) -> [f64; 2] {
        [&mut self.wall, &mut self.cpu].map(|values| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        })
    }
}

fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

const METHODS: [Method; 5] =
    [Method::Linear, Method::TaskArithmetic, Method::Ties, Method::DareLinear, Method::DareTies];

impl Line {
    fn new(pool: &Pool, method: Method) -> Self {
        let mut recipe = Recipe::uniform("base", &SOURCES.map(str::to_owned), method, 0.4);
        recipe.sources.iter_mut().for_each(|s| *s.density_mut() = Values::All(0.5));
        let [all, one, none] = [const { Times { wall: Vec::new(), cpu: Vec::new() } }; 3];
        let mut line = Self { recipe, merged: Merged::new(pool), all, one, none, bytes: 0 };
        // What is made once: pages, histograms, sums.
        let groups: Vec<LayerGroup> = LayerGroup::all(pool.layers()).collect();
        for _ in 0..3 {
            line.next(pool, &groups);
            line.bytes = pool.merge_into(&line.recipe, &mut line.merged).unwrap().bytes;
        }
        line
    }

    /// The next candidate, which differs in `groups` only.
    fn next(&mut self, pool: &Pool, groups: &[LayerGroup]) {
        for source in &mut self.recipe.sources {
            for group in groups {
                let old = source.weight().get(*group).unwrap();
                source.weight_mut().set(*group, pool.layers(), old * 1.001);
                source.density_mut().set(*group, pool.layers(), 0.3 + 0.3 * (old * 100.0).fract());
            }
        }
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
    let mut copies = vec![Times::default(); pieces.len()];
    for _ in 0..rounds {
        for (piece, times) in pieces.iter().zip(&mut copies) {
            let parts = to.par_chunks_mut(*piece).zip(from.par_chunks(*piece));
            times.measure(|| parts.for_each(|(to, from)| to.copy_from_slice(from)));
        }
        for line in &mut lines {
            line.next(&pool, &groups);
            line.all.measure(|| pool.merge_into(&line.recipe, &mut line.merged).unwrap());
            line.next(&pool, &[LayerGroup::Block(5)]);
            line.one.measure(|| pool.merge_into(&line.recipe, &mut line.merged).unwrap());
            line.none.measure(|| pool.merge_into(&line.recipe, &mut line.merged).unwrap());
        }
    }
    let copied = 2.0 * from.len() as f64 / 1e9;
    let copies: Vec<[f64; 2]> = copies.iter_mut().map(Times::medians).collect();
    let copy = [0, 1].map(|of| copies.iter().map(|c| copied / c[of]).fold(0.0, f64::max));
    println!("{threads} threads, medians of {rounds} rounds; base and 3 sources of 39 M bfloat16 parameters");
    println!("{:15} | {:>24} | {:>24} | one block of 12    | none", "", "by the clock", "by CPU seconds");
    println!("{:15} | {:14.1} GB/s      | {:14.1} GB/s      |", "copy", copy[0], copy[1]);
    for line in &mut lines {
        let (all, one) = (line.all.medians(), line.one.medians());
        print!("{:15} |", line.recipe.method.name());
        for (seconds, copy) in all.iter().zip(copy) {
            let speed = line.bytes as f64 / 1e9 / seconds;
            print!(" {:5.1} ms {speed:5.1} GB/s {:3.0}% |", 1e3 * seconds, 100.0 * speed / copy);
        }
        let none = 1e3 * line.none.medians()[0];
        println!(" 1/{:4.1} and 1/{:4.1} | {none:.2} ms", all[0] / one[0], all[1] / one[1]);
    }
}
