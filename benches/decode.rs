//! Decoding speed: tokens a second of a batch, and the matrix product alone.
//!
//! `cargo bench --features bench --bench decode`. `YOSEGI_BENCH_MODEL` names a checkpoint (a folder, `zoo:base`);
//! without it a random model of the bundled zoo's shape is used. `fma` is the machine's own peak of
//! multiply-adds, to compare `product` with. `benches/against_transformers.py` compares whole generations
//! with transformers and llama.cpp.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use serde_json::json;
use yosegi::checkpoint::{Checkpoint, Dtype, tensor_shapes};
use yosegi::lm::{Decoder, Device, Options, Tokenizer, generate};

const PROMPT: usize = 60;
const NEW: usize = 100;

fn main() {
    divan::main();
}

/// A random model of the given sizes, in bf16.
fn random(hidden: usize, heads: usize, inner: usize) -> Checkpoint {
    let config = json!({
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner,
        "num_hidden_layers": 5, "num_attention_heads": heads, "num_key_value_heads": 1,
        "head_dim": 32, "vocab_size": 704, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "max_position_embeddings": 512, "tie_word_embeddings": true, "hidden_act": "silu",
    });
    let shapes = {
        let bytes = config.to_string();
        let parsed = yosegi::checkpoint::ModelConfig::from_json("random", bytes.as_bytes());
        tensor_shapes(&parsed.expect("the config above is valid"))
    };
    let mut state = 1_u32;
    let mut value = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 24)) as f32 - 0.5
    };
    let tensors: Vec<_> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let norm = name.contains("norm");
            let scale = 4.0 / (*shape.last().unwrap_or(&1) as f32).sqrt();
            let count: usize = shape.iter().product();
            let bytes = (0..count)
                .flat_map(|_| half::bf16::from_f32(if norm { 1.0 } else { value() * scale }).to_le_bytes())
                .collect();
            (name, shape, Dtype::BF16, bytes)
        })
        .collect();
    Checkpoint::from_memory("random", &config, &tensors, BTreeMap::new()).expect("all tensors are there")
}

fn model() -> Checkpoint {
    match std::env::var("YOSEGI_BENCH_MODEL") {
        Ok(reference) => Checkpoint::open(&reference).expect("YOSEGI_BENCH_MODEL names a checkpoint"),
        Err(_) => random(96, 3, 256),
    }
}

/// Prompts without a common beginning.
fn prompts(n: usize, vocab: usize) -> Vec<Vec<u32>> {
    (0..n).map(|i| (0..PROMPT).map(|j| ((i * 131 + j * 17 + 5) % vocab) as u32).collect()).collect()
}

/// Prompts of 20 to 99 tokens.
fn mixed_prompts(n: usize, vocab: usize) -> Vec<Vec<u32>> {
    let token = |i: usize, j: usize| ((i * 131 + j * 17 + 5) % vocab) as u32;
    (0..n).map(|i| (0..20 + i * 37 % 80).map(|j| token(i, j)).collect()).collect()
}

/// The fixtures' tokenizer: texts do not matter here.
fn tokenizer() -> Tokenizer {
    let json = include_bytes!("../tests/golden/transformers/tied-gqa/tokenizer.json");
    Tokenizer::from_json(json).expect("a tokenizer.json")
}

#[divan::bench(args = [1, 16, 128], sample_count = 10)]
fn two_threads(bencher: Bencher, batch: usize) {
    decode(bencher, batch, 2);
}

#[divan::bench(args = [128], sample_count = 10)]
fn one_thread(bencher: Bencher, batch: usize) {
    decode(bencher, batch, 1);
}

/// Prompts of mixed length, 128 new tokens each.
#[divan::bench(args = [64, 128], sample_count = 3, sample_size = 1)]
fn mixed(bencher: Bencher, batch: usize) {
    run(bencher, batch, 2, 128, mixed_prompts);
}

fn decode(bencher: Bencher, batch: usize, threads: usize) {
    run(bencher, batch, threads, NEW, prompts);
}

fn run(bencher: Bencher, batch: usize, threads: usize, new: usize, ask: fn(usize, usize) -> Vec<Vec<u32>>) {
    let checkpoint = model();
    let decoder = Decoder::load(checkpoint.config(), &checkpoint, &Device::Cpu).expect("a decoder");
    let (tokenizer, prompts) = (tokenizer(), ask(batch, decoder.vocab()));
    let options = Options { max_new_tokens: new, threads, batch, ..Options::default() };
    let quiet = AtomicBool::new(false);
    bencher.counter(ItemsCount::new(batch * new)).bench_local(|| {
        let (_, timing) =
            generate(&decoder, &tokenizer, &prompts, &options, &|_| false, &|_| {}, &quiet).expect("answers");
        timing
    });
}

#[divan::bench(sample_count = 50)]
fn refresh(bencher: Bencher) {
    let checkpoint = model();
    let mut decoder = Decoder::load(checkpoint.config(), &checkpoint, &Device::Cpu).expect("a decoder");
    let groups = vec![true; checkpoint.config().num_hidden_layers + 2];
    bencher.bench_local(|| decoder.refresh(&checkpoint, &groups).expect("a refresh"));
}

/// Rows, input and output features of the products that are measured.
const PRODUCTS: [(usize, usize, usize); 5] =
    [(64, 96, 160), (64, 96, 512), (64, 256, 96), (64, 576, 1536), (1, 4096, 14336)];

/// Multiply-adds a second of the matrix product in float32 with weights of each type, by (rows, in, out).
#[divan::bench(args = PRODUCTS, consts = [0, 1, 2])]
fn product<const TYPE: usize>(bencher: Bencher, shape: (usize, usize, usize)) {
    let run = yosegi::lm::bench::product(shape, [Dtype::F32, Dtype::BF16, Dtype::F16][TYPE], false);
    bencher.counter(ItemsCount::new(shape.0 * shape.1 * shape.2)).bench_local(run.expect("memory"));
}

/// The same in bfloat16.
#[divan::bench(args = PRODUCTS)]
fn product_bf16(bencher: Bencher, shape: (usize, usize, usize)) {
    let run = yosegi::lm::bench::product(shape, Dtype::BF16, true);
    bencher.counter(ItemsCount::new(shape.0 * shape.1 * shape.2)).bench_local(run.expect("memory"));
}

/// Bytes of keys and values a second of one decode step's attention, by (sequences, context).
#[divan::bench(args = [(1, 112), (4, 112), (64, 112), (64, 32)])]
fn attention(bencher: Bencher, (sequences, context): (usize, usize)) {
    let run = yosegi::lm::bench::attention(sequences, context, 5).expect("memory");
    bencher.counter(BytesCount::new(5 * sequences * context * 2 * 32 * 4)).bench_local(run);
}

/// Tokens a second of one thread's decode step alone, by (sequences, context).
#[divan::bench(args = [(1, 112), (16, 112), (64, 112), (64, 16)])]
fn step(bencher: Bencher, (sequences, context): (usize, usize)) {
    let checkpoint = model();
    let decoder = Decoder::load(checkpoint.config(), &checkpoint, &Device::Cpu).expect("a decoder");
    let mut run = yosegi::lm::bench::step(&decoder, sequences, context).expect("buffers");
    bencher.counter(ItemsCount::new(sequences)).bench_local(|| run().expect("a step"));
}

/// Multiply-adds a second that one thread can do at all, in registers alone.
#[cfg(target_arch = "x86_64")]
#[divan::bench(sample_count = 20)]
fn fma(bencher: Bencher) {
    const ROUNDS: usize = 100_000;
    let wide = std::arch::is_x86_feature_detected!("avx512f");
    if !wide && !std::arch::is_x86_feature_detected!("fma") {
        return;
    }
    let lanes = if wide { 16 } else { 8 };
    bencher.counter(ItemsCount::new(ROUNDS * CHAINS * lanes)).bench_local(|| {
        let x = divan::black_box(0.999);
        // SAFETY: the instructions were found above.
        unsafe { if wide { chains_512(ROUNDS, x) } else { chains_256(ROUNDS, x) } }
    });
}

/// Independent sums, enough to hide an addition's latency.
#[cfg(target_arch = "x86_64")]
const CHAINS: usize = 12;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chains_512(rounds: usize, x: f32) -> f32 {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
    let x = _mm512_set1_ps(x);
    let mut sums = [x; CHAINS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, x, x);
        }
    }
    sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn chains_256(rounds: usize, x: f32) -> f32 {
    use std::arch::x86_64::{_mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
    let x = _mm256_set1_ps(x);
    let mut sums = [x; CHAINS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, x, x);
        }
    }
    sums.into_iter().map(|sum| _mm256_cvtss_f32(sum)).sum()
}
