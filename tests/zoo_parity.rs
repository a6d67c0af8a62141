//! The bundled models, and a merge of them, say the same tokens here as in Hugging Face transformers.
//!
//! `tests/golden/zoo/make.py` made the reference, one prompt at a time in float32.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use yosegi::checkpoint::Checkpoint;
use yosegi::lm::{self, Decoder, Options, Tokenizer};
use yosegi::merge::{Merged, Pool};
use yosegi::recipe::Recipe;

#[derive(Deserialize)]
struct Golden {
    new_tokens: usize,
    prompts: Vec<String>,
    /// Greedy tokens by model, one row a prompt, without the token that ends an answer.
    tokens: BTreeMap<String, Vec<Vec<u32>>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/zoo/greedy.json")).unwrap()
}

fn said(decoder: &Decoder, model: &Checkpoint, golden: &Golden) -> Vec<Vec<u32>> {
    let tokenizer = Tokenizer::from_json(&model.tokenizer_json().unwrap()).unwrap();
    let prompts: Vec<Vec<u32>> = golden.prompts.iter().map(|p| tokenizer.encode(p).unwrap()).collect();
    let eos = model.config().eos_token_ids.clone();
    let options = Options { max_new_tokens: golden.new_tokens, eos: eos.clone(), ..Options::default() };
    let never = AtomicBool::new(false);
    let (answers, _) =
        lm::generate(decoder, &tokenizer, &prompts, &options, &|_| false, &|_| {}, &never).unwrap();
    answers
        .into_iter()
        .map(|answer| answer.tokens.into_iter().filter(|token| !eos.contains(token)).collect())
        .collect()
}

fn compare(name: &str, said: &[Vec<u32>], golden: &Golden) {
    let expected = &golden.tokens[name];
    assert_eq!(said.len(), expected.len());
    let different: Vec<usize> = (0..said.len()).filter(|&i| said[i] != expected[i]).collect();
    assert!(different.is_empty(), "{name}: other tokens for prompts {different:?}");
}

#[test]
fn each_bundled_model_says_what_transformers_says() {
    let golden = golden();
    assert!(golden.prompts.len() >= 100);
    let device = lm::Device::Cpu;
    for name in ["base", "ja", "math-add", "math-mul"] {
        let model = Checkpoint::open(&format!("zoo:{name}")).unwrap();
        let decoder = Decoder::load(model.config(), &model, &device).unwrap();
        compare(name, &said(&decoder, &model, &golden), &golden);
    }
}

#[test]
fn a_merge_says_what_transformers_says_of_its_checkpoint() {
    let golden = golden();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/recipes/uniform.toml");
    let recipe = Recipe::open(&path).unwrap();
    let sources: Vec<String> = recipe.sources.iter().map(|s| s.model.clone()).collect();
    let pool = Pool::open(recipe.donor(), &sources).unwrap();
    let mut merged = Merged::new(&pool);
    pool.merge_into(&recipe, &mut merged).unwrap();
    let decoder = Decoder::load(pool.config(), &merged, &lm::Device::Cpu).unwrap();
    compare("uniform", &said(&decoder, pool.base(), &golden), &golden);
}
