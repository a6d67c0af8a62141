//! A real model against transformers: SmolLM2-135M-Instruct.
//!
//! `tests/golden/smollm2/make.py` makes the checkpoint and golden.json. The checkpoint is no part of the
//! repository: `YOSEGI_SMOLLM2` names its folder, and without it these tests say so and pass.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use yosegi::checkpoint::Checkpoint;
use yosegi::lm::{Continuation, Decoder, Device, Options, Tokenizer, generate, likelihoods};

#[derive(Deserialize)]
struct Golden {
    max_new_tokens: usize,
    prompts: Vec<Prompt>,
    logits: Vec<Row>,
    pairs: Vec<Likely>,
}

#[derive(Deserialize)]
struct Prompt {
    text: String,
    ids: Vec<u32>,
    greedy: Vec<u32>,
}

/// Some logits of a prompt's last position.
#[derive(Deserialize)]
struct Row {
    largest: f32,
    at: Vec<usize>,
    logits: Vec<f32>,
}

#[derive(Deserialize)]
struct Likely {
    context: Vec<u32>,
    continuation: Vec<u32>,
    sum: f64,
}

struct Real {
    decoder: Decoder,
    tokenizer: Tokenizer,
    eos: Vec<u32>,
    golden: Golden,
}

fn real() -> Option<Real> {
    let Ok(folder) = std::env::var("YOSEGI_SMOLLM2") else {
        eprintln!("YOSEGI_SMOLLM2 names no folder: not compared with SmolLM2");
        return None;
    };
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/smollm2/golden.json");
    Some(Real {
        decoder: Decoder::load(checkpoint.config(), &checkpoint, &Device::Cpu).unwrap(),
        tokenizer: Tokenizer::from_json(&checkpoint.tokenizer_json().unwrap()).unwrap(),
        eos: checkpoint.config().eos_token_ids.clone(),
        golden: serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap(),
    })
}

#[test]
fn texts_logits_and_likelihoods() {
    let Some(real) = real() else { return };
    for prompt in &real.golden.prompts {
        assert_eq!(real.tokenizer.encode(&prompt.text).unwrap(), prompt.ids, "{:?}", prompt.text);
    }
    for (prompt, expected) in real.golden.prompts.iter().zip(&real.golden.logits) {
        let row = real.decoder.logits(&prompt.ids).unwrap().pop().unwrap();
        for (at, logit) in expected.at.iter().zip(&expected.logits) {
            let off = (row[*at] - logit).abs();
            assert!(off <= 1e-4 * expected.largest, "{:?}, token {at}: {off}", prompt.text);
        }
    }
    let groups: Vec<Vec<Continuation>> = real
        .golden
        .pairs
        .iter()
        .map(|p| vec![Continuation { context: p.context.clone(), tokens: p.continuation.clone() }])
        .collect();
    let found = likelihoods(&real.decoder, &groups, 2, &|_| {}, &AtomicBool::new(false)).unwrap();
    for (found, expected) in found.iter().zip(&real.golden.pairs) {
        let off = (found[0].sum - expected.sum).abs();
        assert!(off <= 1e-4 * expected.sum.abs().max(1.0), "{} for {}", found[0].sum, expected.sum);
    }
}

#[test]
fn greedy_tokens() {
    let Some(real) = real() else { return };
    let prompts: Vec<Vec<u32>> = real.golden.prompts.iter().map(|p| p.ids.clone()).collect();
    let quiet = AtomicBool::new(false);
    for batch in [64, 7, 1] {
        let max_new_tokens = real.golden.max_new_tokens;
        let options =
            Options { max_new_tokens, eos: real.eos.clone(), batch, threads: 2, ..Options::default() };
        let run = generate(&real.decoder, &real.tokenizer, &prompts, &options, &|_| false, &|_| {}, &quiet);
        for (answer, expected) in run.unwrap().0.iter().zip(&real.golden.prompts) {
            assert_eq!(answer.tokens, expected.greedy, "{:?} at batch {batch}", expected.text);
        }
    }
}
