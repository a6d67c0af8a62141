//! The GPU benchmark: parity with the CPU, a candidate's time from genome to first token, and decoding speed.
//!
//! In: a card. Out: a line for each figure. `benches/gpu.rs` runs it at Mistral 7B's size; the test below runs it at a
//! tiny size on an emulated card.

use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context;
use serde_json::json;

use super::random_models::RandomModels;
use crate::checkpoint::{Checkpoint, ModelConfig};
use crate::evaluate::{CandidateModel, Listener, Progress};
use crate::gpu::{DeviceWrite, Driver};
use crate::lm::{Decoder, Device, Options, Timing, Tokenizer, generate};
use crate::merge::Pool;
use crate::recipe::{LayerGroup, Method, Recipe, Values};
use crate::task::Task;

/// Bytes a second that one H100 copies, measured on such a card.
const BANDWIDTH: f64 = 3.0e12;
/// How much work is measured.
#[derive(Clone, Debug)]
pub struct Size {
    /// Questions of the zoo's task, and new tokens for each.
    pub questions: usize,
    pub tokens: usize,
    /// `config.json` of the model with random weights.
    config: serde_json::Value,
    /// Sources besides the base.
    sources: usize,
    batch: usize,
    prompt: usize,
    new: usize,
    /// Timed rounds; the median counts.
    rounds: usize,
}

impl Size {
    /// Mistral 7B with a base and two sources, 250 sequences of 150 + 250 tokens.
    #[must_use]
    pub fn mistral() -> Self {
        let config = json!({"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
            "vocab_size": 32000, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "max_position_embeddings": 32768, "sliding_window": 4096, "tie_word_embeddings": false});
        Self { questions: 250, tokens: 64, config, sources: 2, batch: 250, prompt: 150, new: 250, rounds: 5 }
    }

    /// The same in small.
    #[cfg(test)]
    fn tiny() -> Self {
        let config = json!({"model_type": "mistral", "hidden_size": 48, "intermediate_size": 72,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 128,
            "sliding_window": 64, "tie_word_embeddings": false});
        Self { questions: 2, tokens: 4, config, sources: 2, batch: 3, prompt: 7, new: 4, rounds: 3 }
    }
}

/// Runs the benchmark on a card and writes a line for each figure.
///
/// # Errors
/// A device that is no card, or whatever a step fails with.
#[cfg(feature = "cuda")]
pub fn run(device: &Device, out: &mut dyn Write) -> anyhow::Result<()> {
    let Device::Cuda(card) = device else { anyhow::bail!("{} is no card", device.name()) };
    writeln!(out, "{}, {}", device.name(), card.model())?;
    all(card, device, &Size::mistral(), out)
}

fn all<D: Driver + Clone>(card: &D, device: &Device, size: &Size, out: &mut dyn Write) -> anyhow::Result<()> {
    parity(device, size, out)?;
    zoo_candidate(device, size, out)?;
    random(card, device, size, out)
}

/// The zoo's prompts.
fn questions(size: &Size, tokenizer: &Tokenizer) -> anyhow::Result<Vec<Vec<u32>>> {
    let task = Task::load("zoo")?;
    let some = task.test.iter().take(size.questions);
    some.map(|question| Ok(tokenizer.encode(&task.prompt(question)?)?)).collect()
}

/// Compares greedy tokens of every model of the zoo with the CPU's: how many answers are the same, and at how many
/// positions of the CPU's answers another token is the likeliest.
fn parity(device: &Device, size: &Size, out: &mut dyn Write) -> anyhow::Result<()> {
    for name in ["zoo:base", "zoo:ja", "zoo:math-add", "zoo:math-mul"] {
        let checkpoint = Checkpoint::open(name)?;
        let tokenizer = Tokenizer::of(&checkpoint)?;
        let prompts = questions(size, &tokenizer)?;
        let eos = checkpoint.config().eos_token_ids.clone();
        let options = Options { max_new_tokens: size.tokens, eos, batch: size.batch, ..Options::default() };
        let load = |device: &Device| Decoder::load(checkpoint.config(), &checkpoint, device);
        let (there, here) = (load(device)?, load(&Device::Cpu)?);
        let (found, _) = answers(&there, &tokenizer, &prompts, &options)?;
        let (wanted, _) = answers(&here, &tokenizer, &prompts, &options)?;
        let same = found.iter().zip(&wanted).filter(|(a, b)| a == b).count();
        let (mut places, mut flips, mut margin) = (0, 0, 0.0_f32);
        for (prompt, answer) in prompts.iter().zip(&wanted) {
            let Some((_, before)) = answer.split_last() else { continue };
            let tokens = [&prompt[..], before].concat();
            let first = prompt.len() - 1;
            let (a, b) = (there.logits(&tokens)?, here.logits(&tokens)?);
            for (a, b) in a[first..].iter().zip(&b[first..]) {
                let (mine, theirs) = (likeliest(a), likeliest(b));
                places += 1;
                if mine != theirs {
                    flips += 1;
                    // How close the two logits were on the CPU.
                    margin = margin.max(b[theirs] - b[mine]);
                }
            }
        }
        writeln!(
            out,
            "parity, {name}: {same} of {} answers are the CPU's to the token; bf16 flips {flips} of {places} \
             places, whose two logits are at most {margin:.4} apart on the CPU",
            prompts.len()
        )?;
    }
    Ok(())
}

fn likeliest(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// Tokens of greedy answers.
fn answers(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    prompts: &[Vec<u32>],
    options: &Options,
) -> anyhow::Result<(Vec<Vec<u32>>, Timing)> {
    let never = AtomicBool::new(false);
    let (answers, timing) = generate(decoder, tokenizer, prompts, options, &|_| false, &|_| {}, &never)?;
    Ok((answers.into_iter().map(|a| a.tokens).collect(), timing))
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Time from genome to first token at the zoo's size, by the same code as in a session.
fn zoo_candidate(device: &Device, size: &Size, out: &mut dyn Write) -> anyhow::Result<()> {
    let sources = ["zoo:ja", "zoo:math-add", "zoo:math-mul"].map(str::to_owned);
    let pool = Pool::open("zoo:base", &sources)?;
    let tokenizer = Tokenizer::of(pool.base())?;
    let mut prompts = questions(size, &tokenizer)?;
    prompts.truncate(1);
    let options = Options { max_new_tokens: 1, ..Options::default() };
    let mut candidates = CandidateModel::new(pool);
    let mut seconds = Vec::new();
    // The first two rounds send the sources and work out their histograms.
    for round in 0..size.rounds + 2 {
        let mut recipe = Recipe::uniform("zoo:base", &sources, Method::DareTies, 0.4 + 0.01 * round as f64);
        recipe.sources.iter_mut().for_each(|s| *s.density_mut() = Values::All(0.5 + 0.01 * round as f64));
        let began = Instant::now();
        let tell = |progress: Progress| {
            if let Progress::Note(text) = progress {
                eprintln!("{text}");
            }
        };
        let listener = Listener { tell: &tell, cancel: &AtomicBool::new(false) };
        let runner = candidates.prepare(&recipe, device, &listener)?;
        answers(&runner.decoder, &tokenizer, &prompts, &options)?;
        if round >= 2 {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    let ms = 1e3 * median(seconds);
    writeln!(out, "zoo, DARE-TIES of base + 3: {ms:.1} ms from genome to first token, by a session's way")?;
    Ok(())
}

/// Random weights of a real size: time of a candidate, of its first token, and of a batch of answers.
fn random<D: Driver + Clone>(
    card: &D,
    device: &Device,
    size: &Size,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let config = ModelConfig::from_json("random", size.config.to_string().as_bytes())?;
    let models = RandomModels::new(card.clone(), &config, size.sources)?;
    models.wait()?;
    // Any tokenizer does: the answers of random weights are not read.
    let tokenizer = Tokenizer::of(&Checkpoint::open("zoo:base")?)?;
    let make = |candidate: usize| {
        let models = &models;
        move |name: &str, to: u64| {
            models.make(candidate, name, to).map_err(|error| error.to_string())?;
            Ok(DeviceWrite::Queued)
        }
    };
    let mut decoder = Decoder::load_made(&config, device, &mut make(0))?;
    models.wait()?;
    let groups = vec![true; LayerGroup::count(config.num_hidden_layers)];
    let token = |i: usize, j: usize| ((i * 131 + j * 17 + 5) % config.vocab_size) as u32;
    let prompts: Vec<Vec<u32>> =
        (0..size.batch).map(|i| (0..size.prompt).map(|j| token(i, j)).collect()).collect();
    let options = |new| Options { max_new_tokens: new, batch: size.batch, ..Options::default() };

    let (mut merges, mut firsts) = (Vec::new(), Vec::new());
    for candidate in 1..=size.rounds + 1 {
        let began = Instant::now();
        decoder.remake(&groups, &mut make(candidate))?;
        models.wait()?;
        let merged = began.elapsed().as_secs_f64();
        answers(&decoder, &tokenizer, &prompts[..1], &options(1))?;
        // The first answer allocates buffers.
        if candidate > 1 {
            merges.push(merged);
            firsts.push(began.elapsed().as_secs_f64());
        }
    }
    let bytes = models.bytes() as f64;
    let (merge, floor) = (median(merges), bytes * (2 + size.sources) as f64 / BANDWIDTH);
    writeln!(
        out,
        "DARE-TIES of base + {}, {:.2} GB each: {:.1} ms a candidate, {:.2} times bytes / 3.0 TB/s ({:.1} ms)",
        size.sources,
        bytes / 1e9,
        1e3 * merge,
        merge / floor,
        1e3 * floor
    )?;
    writeln!(out, "from genome to first token of {} tokens: {:.1} ms", size.prompt, 1e3 * median(firsts))?;

    let mut rates = Vec::new();
    let (mut whole, mut said) = (Vec::new(), 0);
    for _ in 0..size.rounds.div_ceil(2) {
        let began = Instant::now();
        let (_, timing) = answers(&decoder, &tokenizer, &prompts, &options(size.new))?;
        said = timing.tokens;
        // The first token of each answer comes out of its prompt.
        let decoded = timing.tokens.saturating_sub(prompts.len());
        rates.push(timing.decode_s / decoded.max(1) as f64);
        whole.push(began.elapsed().as_secs_f64());
    }
    let floor = step_floor(&config, size, bytes);
    let rate = 1.0 / median(rates);
    anyhow::ensure!(said == size.batch * size.new, "{said} tokens were said");
    writeln!(
        out,
        "batch {}, prompt {}, {} new: {rate:.0} tokens/s while decoding, {:.0}% of the floor of {:.0} \
         (weights and keys read once a step at 3.0 TB/s); {:.0} tokens/s prompts included",
        size.batch,
        size.prompt,
        size.new,
        100.0 * rate * floor / size.batch as f64,
        size.batch as f64 / floor,
        said as f64 / median(whole)
    )?;
    if let Some(news) = decoder.news() {
        writeln!(out, "{news}").context("writing")?;
    }
    Ok(())
}

/// Least seconds of a decode step: weights, and keys and values of half-grown answers, read once.
fn step_floor(config: &ModelConfig, size: &Size, weights: f64) -> f64 {
    let token = 2 * 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim;
    let context = size.prompt + size.new / 2;
    (weights + (token * context * size.batch) as f64) / BANDWIDTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Format, emulated::Emulated};

    #[test]
    fn the_benchmark_runs_as_written() {
        let card = Emulated::new(Format::BF16, false);
        let mut out = Vec::new();
        all(&card, &Device::Emulated(card.clone()), &Size::tiny(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8, "{text}");
        for (line, begins) in lines.iter().zip(["parity, zoo:base: ", "parity, zoo:ja: "]) {
            assert!(line.starts_with(begins) && line.contains("of 2 answers"), "{line}");
        }
        for (line, holds) in lines[4..].iter().zip([
            "genome to first",
            "DARE-TIES of base + 2",
            "7 tokens: ",
            "batch 3, prompt 7",
        ]) {
            assert!(line.contains(holds) && !line.contains("NaN") && !line.contains("inf"), "{line}");
        }
        // Every candidate was merged by the kernel: the zoo's, and the random ones.
        assert!(card.counts().launches["merge"] > 6 * 40);
    }

    #[test]
    fn the_floor_is_that_of_the_figures_known() {
        let size = Size::mistral();
        let config = ModelConfig::from_json("m", size.config.to_string().as_bytes()).unwrap();
        // 14.5 GB of weights and 131 KB a token: about 8 ms a step, 31,000 tokens a second.
        let rate = 250.0 / step_floor(&config, &size, 14.48e9);
        assert!((30_000.0..33_000.0).contains(&rate), "{rate}");
    }
}
