//! The bundled models in bfloat16 on the CPU beside Hugging Face transformers in bfloat16.
//!
//! `tests/golden/zoo/make_bf16.py` made the reference. Two programs that round to bfloat16 after each operation differ
//! where sums in another order fall on two sides of a tie, so a greedy token may flip where two tokens are nearly equal.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use yosegi::checkpoint::Checkpoint;
use yosegi::lm::{self, Decoder, Device, Options, Tokenizer};

#[derive(Deserialize)]
struct Golden {
    new_tokens: usize,
    prompts: Vec<String>,
    models: BTreeMap<String, Said>,
}

#[derive(Deserialize)]
struct Said {
    /// Greedy tokens of each prompt.
    tokens: Vec<Vec<u32>>,
    /// Logits after every fifth prompt.
    logits: Vec<Vec<f32>>,
}

const LOGITS_OF_EVERY: usize = 5;

/// The root of the squared differences over that of the squares.
fn apart(found: &[f32], wanted: &[f32]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let squares = |f: &dyn Fn(usize) -> f32| (0..wanted.len()).map(|i| f64::from(f(i)).powi(2)).sum::<f64>();
    (squares(&|i| found[i] - wanted[i]) / squares(&|i| wanted[i])).sqrt()
}

#[test]
fn answers_in_bfloat16_do_not_depend_on_company() {
    let golden: Golden = serde_json::from_str(include_str!("golden/zoo/bf16.json")).unwrap();
    let model = Checkpoint::open("zoo:ja").unwrap();
    let decoder = Decoder::load(model.config(), &model, &Device::CpuBf16).unwrap();
    let tokenizer = Tokenizer::from_json(&model.tokenizer_json().unwrap()).unwrap();
    let prompts: Vec<Vec<u32>> = golden.prompts.iter().map(|p| tokenizer.encode(p).unwrap()).collect();
    let never = AtomicBool::new(false);
    let run = |threads, batch, prompts: &[Vec<u32>]| -> Vec<Vec<u32>> {
        let eos = model.config().eos_token_ids.clone();
        let options = Options { max_new_tokens: 48, eos, threads, batch, ..Options::default() };
        let (answers, _) =
            lm::generate(&decoder, &tokenizer, prompts, &options, &|_| false, &|_| {}, &never).unwrap();
        answers.into_iter().map(|answer| answer.tokens).collect()
    };
    let alone = run(1, 1, &prompts);
    for (threads, batch) in [(1, 7), (2, 64), (3, 5)] {
        assert!(run(threads, batch, &prompts) == alone, "{threads} threads, batch {batch}");
    }
    let backwards: Vec<Vec<u32>> = prompts.iter().rev().cloned().collect();
    assert!(run(2, 16, &backwards).into_iter().rev().eq(alone), "in another order");
}

#[test]
fn bfloat16_says_what_transformers_says_in_bfloat16() {
    let golden: Golden = serde_json::from_str(include_str!("golden/zoo/bf16.json")).unwrap();
    assert!(golden.prompts.len() >= 50);
    let never = AtomicBool::new(false);
    let (mut worst, mut same, mut all) = (0.0_f64, 0, 0);
    for (name, wanted) in &golden.models {
        let model = Checkpoint::open(&format!("zoo:{name}")).unwrap();
        let decoder = Decoder::load(model.config(), &model, &Device::CpuBf16).unwrap();
        let tokenizer = Tokenizer::from_json(&model.tokenizer_json().unwrap()).unwrap();
        let prompts: Vec<Vec<u32>> = golden.prompts.iter().map(|p| tokenizer.encode(p).unwrap()).collect();
        for (prompt, wanted) in prompts.iter().step_by(LOGITS_OF_EVERY).zip(&wanted.logits) {
            worst = worst.max(apart(decoder.logits(prompt).unwrap().last().unwrap(), wanted));
        }
        let eos = model.config().eos_token_ids.clone();
        let options = Options { max_new_tokens: golden.new_tokens, eos, ..Options::default() };
        let (answers, _) =
            lm::generate(&decoder, &tokenizer, &prompts, &options, &|_| false, &|_| {}, &never).unwrap();
        for (index, (answer, wanted)) in answers.iter().zip(&wanted.tokens).enumerate() {
            all += 1;
            if answer.tokens == *wanted {
                same += 1;
                continue;
            }
            let at = answer.tokens.iter().zip(wanted).take_while(|(a, b)| a == b).count();
            println!("zoo:{name}, prompt {index}: another token at {at}");
        }
    }
    println!("logits at most {worst:.2e} apart; {same} of {all} answers have transformers' tokens");
    assert!(worst < 2e-2, "{worst}");
    assert!(same * 100 >= all * 95, "{same} of {all}");
}
