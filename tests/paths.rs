//! Paths through layers of several models, to the token of what transformers says of them.
//!
//! Fixtures: `tests/golden/paths/make.py` and what it wrote.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use serde_json::Value;
use yosegi::checkpoint::{Checkpoint, Weights};
use yosegi::evaluate::{PathModels, path_export};
use yosegi::lm::{Decoder, Device, Options, PathModel, PathStep, Tokenizer, generate};
use yosegi::recipe::Recipe;

#[derive(Deserialize)]
struct Golden {
    max_new_tokens: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    models: Vec<String>,
    steps: Vec<(usize, usize, f32)>,
    prompts: Vec<Vec<u32>>,
    greedy: Vec<Vec<u32>>,
    /// Of the first prompt, at its last position.
    logits: Vec<f32>,
}

impl Case {
    fn steps(&self) -> Vec<PathStep> {
        self.steps.iter().map(|&(model, layer, scale)| PathStep { model, layer, scale }).collect()
    }

    fn open(&self) -> Vec<Checkpoint> {
        self.models.iter().map(|name| open(name)).collect()
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/paths/greedy.json")).unwrap()
}

/// A folder of this repository; after `@` a number of its config that is another.
fn open(name: &str) -> Checkpoint {
    let (folder, change) = name.split_once('@').unwrap_or((name, ""));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let model = Checkpoint::open(folder.to_str().unwrap()).unwrap();
    let Some((key, value)) = change.split_once('=') else { return model };
    let mut config = model.config().raw.clone();
    assert!(config.get(key).is_some_and(Value::is_number));
    config[key] = serde_json::from_str(value).unwrap();
    let tensor = |name: &str| {
        let view = model.tensor(name).unwrap();
        (name.to_owned(), view.shape.to_vec(), view.dtype, view.data.to_vec())
    };
    let tensors: Vec<_> = model.names().into_iter().map(tensor).collect();
    Checkpoint::from_memory(name, &config, &tensors, BTreeMap::new()).unwrap()
}

fn parts(models: &[Checkpoint]) -> Vec<PathModel<'_>> {
    models.iter().map(|m| PathModel { name: m.reference(), config: m.config(), weights: m }).collect()
}

fn say(decoder: &Decoder, first: &Checkpoint, prompts: &[Vec<u32>], most: usize) -> Vec<Vec<u32>> {
    let tokenizer = Tokenizer::from_json(&first.tokenizer_json().unwrap()).unwrap();
    let eos = first.config().eos_token_ids.clone();
    let options = Options { max_new_tokens: most, eos, ..Options::default() };
    let quiet = AtomicBool::new(false);
    let answers = generate(decoder, &tokenizer, prompts, &options, &|_| false, &|_| {}, &quiet).unwrap().0;
    answers.into_iter().map(|answer| answer.tokens).collect()
}

fn close(name: &str, found: &[f32], expected: &[f32], within: f32) {
    let size = expected.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
    let worst = found.iter().zip(expected).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
    assert!(found.len() == expected.len() && worst <= within * size, "{name}: {worst} of {size}");
}

#[test]
fn every_path_says_what_transformers_says() {
    let golden = golden();
    assert!(golden.cases.len() >= 10);
    for device in [Device::Cpu, Device::reference()] {
        for case in &golden.cases {
            let models = case.open();
            let decoder = Decoder::load_path(&parts(&models), &case.steps(), &device).unwrap();
            let logits = decoder.logits(&case.prompts[0]).unwrap();
            close(&case.name, logits.last().unwrap(), &case.logits, 1e-4);
            let said = say(&decoder, &models[0], &case.prompts, golden.max_new_tokens);
            assert_eq!(said, case.greedy, "{} on {}", case.name, device.name());
        }
    }
}

#[derive(Deserialize)]
struct Exported {
    max_new_tokens: usize,
    cases: Vec<ExportedCase>,
}

#[derive(Deserialize)]
struct ExportedCase {
    recipe: String,
    prompts: Vec<Vec<u32>>,
    greedy: Vec<Vec<u32>>,
}

/// transformers loaded what Yosegi folded, as a stock model; the path run here says the same
/// tokens, and so does the checkpoint exported anew.
#[test]
fn an_exported_path_says_in_transformers_what_the_path_says_here() {
    let golden: Exported = serde_json::from_str(include_str!("golden/paths/folded.json")).unwrap();
    assert_eq!(golden.cases.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    for case in &golden.cases {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/paths").join(&case.recipe);
        let recipe = Recipe::open(&file).unwrap();
        let path =
            PathModels::open(&PathModels::names(&recipe, &[]), |name| Ok(Checkpoint::open(name)?)).unwrap();
        let decoder = path
            .decoder(&path.steps(&recipe).unwrap(), &Device::Cpu, &yosegi::progress::Observer::none())
            .unwrap();
        let said = say(&decoder, &path.checkpoints[0], &case.prompts, golden.max_new_tokens);
        assert_eq!(said, case.greedy, "{}", case.recipe);

        let out = folder.path().join(&case.recipe);
        let options = yosegi::merge::Options::default();
        let apart = path_export::export(
            &recipe,
            &path,
            &out,
            path_export::BOUND,
            &Device::Cpu,
            &options,
            &yosegi::progress::Observer::none(),
        )
        .unwrap()
        .1
        .unwrap();
        assert!(apart.logits < 0.01 && apart.same == apart.of, "{apart:?}");
        let stock = open(out.to_str().unwrap());
        assert_eq!(stock.config().num_hidden_layers, recipe.path.len());
        let decoder = Decoder::load(stock.config(), &stock, &Device::Cpu).unwrap();
        let said = say(&decoder, &stock, &case.prompts, golden.max_new_tokens);
        assert_eq!(said, case.greedy, "{} exported", case.recipe);
    }

    // Over the bound nothing is written.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/paths/scaled-bf16.toml");
    let recipe = Recipe::open(&file).unwrap();
    let path =
        PathModels::open(&PathModels::names(&recipe, &[]), |name| Ok(Checkpoint::open(name)?)).unwrap();
    let out = folder.path().join("refused");
    let error = path_export::export(
        &recipe,
        &path,
        &out,
        1e-7,
        &Device::Cpu,
        &yosegi::merge::Options::default(),
        &yosegi::progress::Observer::none(),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("over the bound") && error.contains("--fold-bound") && !out.exists(), "{error}");
}

#[test]
fn a_model_is_its_own_path() {
    let model = open("zoo/ja");
    let tokens: Vec<u32> = (2..40).collect();
    for device in [Device::Cpu, Device::reference()] {
        let whole = Decoder::load(model.config(), &model, &device).unwrap();
        let steps = PathStep::all_of(0, 5);
        assert_eq!(whole.path(), steps);
        let models = [open("zoo/ja")];
        let path = Decoder::load_path(&parts(&models), &steps, &device).unwrap();
        assert_eq!(whole.logits(&tokens).unwrap(), path.logits(&tokens).unwrap());
    }
}

/// One decoder walks through many paths, longer and shorter, and each is as if freshly loaded:
/// buffers of one path serve the next.
#[test]
fn a_path_can_be_changed_in_place() {
    let golden = golden();
    let cases: Vec<&Case> =
        golden.cases.iter().filter(|c| c.models == ["zoo/base", "zoo/ja", "zoo/math-add"]).collect();
    assert!(cases.len() >= 2);
    let models = cases[0].open();
    let parts = parts(&models);
    let mut decoder = Decoder::load_path(&parts, &PathStep::all_of(0, 5), &Device::Cpu).unwrap();
    let short = [PathStep { model: 2, layer: 3, scale: -1.0 }];
    for case in cases.iter().chain(&cases) {
        decoder.set_path(&parts, &case.steps()).unwrap();
        assert_eq!(decoder.path(), case.steps());
        let said = say(&decoder, &models[0], &case.prompts, golden.max_new_tokens);
        assert_eq!(said, case.greedy, "{}", case.name);
        decoder.set_path(&parts, &short).unwrap();
        say(&decoder, &models[0], &case.prompts[..2], 3);
    }
    // What cannot be taken leaves the path as it was.
    let error =
        decoder.set_path(&parts, &[PathStep { model: 0, layer: 5, scale: 1.0 }]).unwrap_err().to_string();
    assert!(error.contains("step 0") && error.contains("layer 5") && error.contains("5 layers"), "{error}");
    assert_eq!(decoder.path(), short);
}

#[test]
fn paths_that_cannot_be_run_are_refused_in_words() {
    let models = [open("zoo/base"), open("tests/golden/transformers/tied-gqa")];
    let step = |model, layer, scale| PathStep { model, layer, scale };
    let refuse = |models: &[Checkpoint], steps: &[PathStep]| {
        let error = Decoder::load_path(&parts(models), steps, &Device::Cpu).err().expect("an error");
        let error = error.to_string();
        assert!(error.starts_with("path: ") && !error.contains('\n'), "{error}");
        error
    };
    let one = &models[..1];
    assert!(refuse(one, &[]).contains("no steps"));
    assert!(refuse(&[], &[step(0, 0, 1.0)]).contains("no model"));
    assert!(refuse(one, &[step(0, 0, 1.0), step(0, 7, 1.0)]).contains("step 1 names layer 7 of"));
    assert!(refuse(one, &[step(1, 0, 1.0)]).contains("names model 1"));
    for scale in [0.0, -0.0, f32::NAN, f32::INFINITY] {
        assert!(refuse(one, &[step(0, 0, scale)]).contains("has scale"));
    }
    assert!(refuse(one, &vec![step(0, 0, 1.0); 5000]).contains("5000 steps"));
    let said = refuse(&models, &[step(0, 0, 1.0)]);
    assert!(said.contains("hidden_size") && said.contains("tied-gqa") && said.contains("96"), "{said}");
    let partial = {
        let mut config = models[0].config().clone();
        (config.rope.kind, config.rope.partial) = ("linear", 0.25);
        config
    };
    let parts = [PathModel { name: "stretched", config: &partial, weights: &models[0] }];
    let error = Decoder::load_path(&parts, &[step(0, 0, 1.0)], &Device::Cpu).err().expect("an error");
    assert!(error.to_string().contains("stretched") && error.to_string().contains("0.25"), "{error}");
}
