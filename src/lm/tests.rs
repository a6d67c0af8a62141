//! Tests of internals: the same result on every instruction set, the fast kernels against the reference, refreshes, and
//! checkpoints with missing or wrong tensors.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::backend::cpu::Cpu;
use super::decoding::batch_size;
use super::engine::Engine;
use super::model::{HostWeights, Model};
use super::shape::DecoderShape;
use super::{Decoder, Device, LmError};
use crate::checkpoint::{Dtype, ModelConfig, TensorView, Weights};

/// Tensors by name, f32.
#[derive(Clone, Default)]
pub(super) struct Random(pub HashMap<String, (Vec<usize>, Vec<u8>)>);

impl Weights for Random {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let (shape, data) = self.0.get(name)?;
        Some(TensorView { dtype: Dtype::F32, shape, data })
    }
}

impl Random {
    pub fn new(config: &ModelConfig, mut seed: u32) -> Self {
        let mut value = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let mut all = HashMap::new();
        for (name, shape) in crate::checkpoint::tensor_shapes(config) {
            let scale = 2.0 / (*shape.last().unwrap() as f32).sqrt();
            let count: usize = shape.iter().product();
            let data = (0..count).flat_map(|_| (value() * scale).to_le_bytes()).collect();
            all.insert(name, (shape, data));
        }
        Self(all)
    }

    fn set(&mut self, name: &str, value: f32) {
        let (_, data) = self.0.get_mut(name).unwrap();
        data.as_chunks_mut::<4>().0.iter_mut().for_each(|b| *b = value.to_le_bytes());
    }
}

pub(super) fn config(change: &Value) -> ModelConfig {
    let mut config = json!({
        "model_type": "llama", "hidden_size": 36, "intermediate_size": 50, "num_hidden_layers": 2,
        "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "vocab_size": 71,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 96, "tie_word_embeddings": false,
        "attention_bias": true,
    });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    ModelConfig::from_json("test", config.to_string().as_bytes()).unwrap()
}

pub(super) fn tokens(n: usize) -> Vec<u32> {
    (0..n).map(|i| (i * i * 7 + 3 * i) as u32 % 71).collect()
}

pub(super) fn bits(logits: &[Vec<f32>]) -> Vec<u32> {
    logits.iter().flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn one_result_on_every_instruction_set() {
    // The second has 7 query heads on one: tiles of 4 and 3. The third is wide: stretches, tiles.
    for change in [
        json!({}),
        json!({"num_attention_heads": 7, "num_key_value_heads": 1, "hidden_size": 70}),
        json!({"hidden_size": 342, "head_dim": 132, "intermediate_size": 333}),
    ] {
        let config = config(&change);
        let weights = Random::new(&config, 5);
        let mut first = None;
        for isa in super::backend::cpu::simd::Isa::all() {
            let shape = DecoderShape::new(&config).unwrap();
            let model =
                Model::load(Cpu::with(isa, false), shape, &mut HostWeights::all(&weights, "")).unwrap();
            let found = bits(&model.logits(&tokens(40)).unwrap());
            assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{isa:?}");
        }
    }
}

#[test]
fn backends_agree_with_the_reference() {
    for change in [
        json!({}),
        json!({"model_type": "mistral", "sliding_window": 17, "attention_bias": false}),
        json!({"tie_word_embeddings": true, "num_key_value_heads": 6}),
        json!({"hidden_act": "gelu"}),
        json!({"hidden_act": "gelu_pytorch_tanh"}),
    ] {
        let config = config(&change);
        let weights = Random::new(&config, 11);
        let card = Device::Emulated(crate::gpu::emulated::Emulated::new(crate::gpu::Format::F32, false));
        let [b, a, c] = [Device::reference(), Device::Cpu, card]
            .map(|d| Decoder::load(&config, &weights, &d).unwrap().logits(&tokens(50)).unwrap());
        let size = b.iter().flatten().fold(0.0, |m: f32, x| m.max(x.abs()));
        for a in [a, c] {
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            let worst = pairs.fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
            assert!(worst <= 1e-5 * size, "{change}: {worst} of {size}");
        }
    }
}

#[test]
fn refresh_rewrites_the_groups_asked_for_and_no_other() {
    let card = crate::gpu::emulated::Emulated::new(crate::gpu::Format::F32, false);
    for device in [Device::Cpu, Device::reference(), Device::Emulated(card)] {
        for tied in [true, false] {
            let config = config(&json!({ "tie_word_embeddings": tied }));
            let (one, two) = (Random::new(&config, 1), Random::new(&config, 2));
            let mut decoder = Decoder::load(&config, &one, &device).unwrap();
            let before = bits(&decoder.logits(&tokens(9)).unwrap());
            for group in 0..4 {
                let asked: Vec<bool> = (0..4).map(|g| g == group).collect();
                decoder.refresh(&two, &asked).unwrap();
                assert_ne!(bits(&decoder.logits(&tokens(9)).unwrap()), before, "group {group}");
                decoder.refresh(&one, &asked).unwrap();
                assert_eq!(bits(&decoder.logits(&tokens(9)).unwrap()), before, "group {group}");
            }
            decoder.refresh(&two, &[true; 4]).unwrap();
            let fresh = Decoder::load(&config, &two, &device).unwrap();
            let (refreshed, fresh) = (decoder.logits(&tokens(9)).unwrap(), fresh.logits(&tokens(9)).unwrap());
            assert_eq!(bits(&refreshed), bits(&fresh));
            assert!(matches!(
                decoder.refresh(&two, &[true; 3]),
                Err(LmError::Groups { expected: 4, found: 3 })
            ));
        }
    }
}

/// Rows of images that equal the embeddings of some tokens, and a prompt that names them in place of these tokens.
fn as_images(weights: &Random, prompt: &[u32]) -> (super::ImageRows, Vec<u32>) {
    let (_, table) = &weights.0["model.embed_tokens.weight"];
    let values: Vec<f32> = table.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let rows = |tokens: &[u32]| {
        let row = |t: &u32| values[*t as usize * 36..][..36].to_vec();
        std::sync::Arc::new(super::ImageFeatures::new(36, tokens.iter().flat_map(row).collect()))
    };
    let mut images = super::ImageRows::new(71, 5);
    // The second image comes first in the prompt, and the two stand side by side.
    let second = images.push(rows(&prompt[6..9]));
    let first = images.push(rows(&prompt[2..6]));
    let mut ids = prompt.to_vec();
    ids.splice(2..9, first.chain(second));
    (images, ids)
}

#[test]
fn an_image_of_the_embeddings_of_tokens_is_read_as_these_tokens() {
    let config = config(&json!({}));
    let weights = Random::new(&config, 9);
    let card = |format| Device::Emulated(crate::gpu::emulated::Emulated::new(format, false));
    let formats = [crate::gpu::Format::F32, crate::gpu::Format::BF16];
    for device in [Device::Cpu, Device::reference(), card(formats[0]), card(formats[1])] {
        let mut decoder = Decoder::load(&config, &weights, &device).unwrap();
        let (images, ids) = as_images(&weights, &tokens(12));
        let said = decoder.logits(&ids).unwrap_err().to_string();
        assert!(said.contains("outside the model's vocabulary of 71"), "{said}");
        let expected = decoder.logits(&tokens(12)).unwrap();
        decoder.set_images(std::sync::Arc::new(images)).unwrap();
        assert_eq!(bits(&decoder.logits(&ids).unwrap()), bits(&expected), "{}", device.name());
        let said = decoder.logits(&[1, 78]).unwrap_err().to_string();
        assert!(said.contains("78"), "{said}");
    }
    let narrow = std::sync::Arc::new(super::ImageFeatures::new(35, vec![0.0; 70]));
    let mut images = super::ImageRows::new(71, 5);
    images.push(narrow);
    let mut decoder = Decoder::load(&config, &weights, &Device::Cpu).unwrap();
    let said = decoder.set_images(std::sync::Arc::new(images)).unwrap_err().to_string();
    assert!(said.contains("35") && said.contains("36"), "{said}");
}

#[test]
fn answers_about_images_do_not_depend_on_the_batch_or_the_way_of_decoding() {
    let config = config(&json!({}));
    let weights = Random::new(&config, 9);
    let json = include_bytes!("../../tests/golden/transformers/tied-gqa/tokenizer.json");
    let tokenizer = super::Tokenizer::from_json(json).unwrap();
    let mut decoder = Decoder::load(&config, &weights, &Device::Cpu).unwrap();
    let (images, ids) = as_images(&weights, &tokens(12));
    decoder.set_images(std::sync::Arc::new(images)).unwrap();
    // The prompts share the first image or nothing; prefixes are shared by ids.
    let prompts: Vec<Vec<u32>> = (0..9).map(|n| [&ids[..4 + n], &[n as u32 + 3]].concat()).collect();
    let plain: Vec<Vec<u32>> = (0..9).map(|n| [&tokens(12)[..4 + n], &[n as u32 + 3]].concat()).collect();
    let quiet = std::sync::atomic::AtomicBool::new(false);
    for (beams, temperature) in [(1, 0.0), (1, 0.8), (3, 0.0)] {
        // Without a penalty the image token of a prompt does not count.
        let decoding = super::Decoding { num_beams: beams, temperature, ..super::Decoding::default() };
        let mut found = Vec::new();
        for (prompts, batch) in [(&prompts, 1), (&prompts, 7), (&plain, 7)] {
            let options = super::Options { max_new_tokens: 20, batch, decoding, ..super::Options::default() };
            let answers =
                super::generate(&decoder, &tokenizer, prompts, &options, &|_| false, &|_| {}, &quiet)
                    .unwrap();
            found.push(answers.0.into_iter().map(|a| a.tokens).collect::<Vec<_>>());
        }
        assert_eq!(found[0], found[1], "{beams} beams");
        // A draw is a hash of the prompt's tokens, among which each row counts as the image token.
        assert_eq!(found[1] == found[2], temperature == 0.0, "{beams} beams");
    }
    let group = |prompts: &[Vec<u32>]| -> Vec<Vec<super::Continuation>> {
        let one = |p: &Vec<u32>| vec![super::Continuation { context: p.clone(), tokens: vec![3, 9] }];
        prompts.iter().map(one).collect()
    };
    let score =
        |prompts: &[Vec<u32>]| super::likelihoods(&decoder, &group(prompts), 2, &|_| {}, &quiet).unwrap();
    assert_eq!(score(&prompts), score(&plain));
}

#[test]
fn bad_checkpoints_are_refused_by_name() {
    let config_ = config(&json!({}));
    let weights = Random::new(&config_, 1);
    let refuse = |config: &ModelConfig, weights: &Random| {
        let error = Decoder::load(config, weights, &Device::Cpu).err().expect("an error");
        error.to_string()
    };
    let name = "model.layers.1.mlp.up_proj.weight";
    let mut broken = weights.clone();
    broken.0.remove(name);
    assert!(refuse(&config_, &broken).contains(name));

    let mut broken = weights.clone();
    broken.0.get_mut(name).unwrap().0 = vec![36, 50];
    let said = refuse(&config_, &broken);
    assert!(said.contains(name) && said.contains("[36, 50]") && said.contains("[50, 36]"), "{said}");

    let mut broken = weights.clone();
    broken.0.get_mut(name).unwrap().1.truncate(100);
    assert!(refuse(&config_, &broken).contains("100 bytes"));

    let said = refuse(&config(&json!({"hidden_act": "relu"})), &weights);
    assert!(said.contains("relu") && said.contains("silu"), "{said}");
    let scaling = json!({"rope_scaling": {"rope_type": "linear", "factor": "2"}});
    let said = refuse(&config(&scaling), &weights);
    assert!(said.contains("factor") && said.contains("number above 0"), "{said}");
    assert!(refuse(&config(&json!({"head_dim": 7})), &weights).contains("odd"));
}

#[test]
fn numbers_that_are_none_choose_token_0_and_do_not_panic() {
    let config = config(&json!({}));
    let mut weights = Random::new(&config, 1);
    weights.set("model.layers.0.mlp.up_proj.weight", f32::NAN);
    let device = Device::Cpu;
    let decoder = Decoder::load(&config, &weights, &device).unwrap();
    let Engine::Cpu(model) = &decoder.engine else { panic!("the CPU was asked for") };
    let mut workspace = model.workspace(1, 8).unwrap();
    let span = super::backend::Span { slot: 0, start: 0, len: 5 };
    model.forward(&tokens(5), &[span], &[3, 4], &mut workspace).unwrap();
    let mut chosen = Vec::new();
    super::backend::Backend::argmax(&model.backend, &workspace.logits, 71, &mut chosen).unwrap();
    assert_eq!(chosen, [0, 0]);
}

#[test]
fn more_than_there_is_memory_for_is_refused_in_words() {
    let config = config(&json!({"max_position_embeddings": 268_435_456_u64}));
    let decoder = Decoder::load(&config, &Random::new(&config, 1), &Device::Cpu).unwrap();
    let json = include_bytes!("../../tests/golden/transformers/tied-gqa/tokenizer.json");
    let tokenizer = super::Tokenizer::from_json(json).unwrap();
    let options = super::Options { max_new_tokens: 260_000_000, ..super::Options::default() };
    let quiet = std::sync::atomic::AtomicBool::new(false);
    let run = super::generate(&decoder, &tokenizer, &[tokens(4)], &options, &|_| false, &|_| {}, &quiet);
    let said = run.unwrap_err().to_string();
    assert!(said.contains("GiB") && said.contains("260000004 tokens"), "{said}");
}

#[test]
fn memory_that_is_not_there_is_said_in_words_and_remembered() {
    let config = config(&json!({}));
    let decoder = Decoder::load(&config, &Random::new(&config, 3), &Device::Cpu).unwrap();
    let Engine::Cpu(model) = &decoder.engine else { panic!("the CPU's engine") };
    let error = batch_size::slots(model, 2, 8, 1, 1 << 40).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, LmError::Room { sequences: 2, .. }) && said.contains("GiB are free"), "{said}");

    assert_eq!(batch_size::slots(model, 1, 8, 1, 96).unwrap(), 8);
    let workspace = model.workspace(8, 96).unwrap();
    assert_eq!(batch_size::halved(model, (Some(workspace), 8, 96), 1, ("activations", 1)).unwrap(), 4);
    assert_eq!(batch_size::slots(model, 1, 8, 1, 96).unwrap(), 4);
    assert_eq!(batch_size::slots(model, 1, 9, 3, 96).unwrap(), 3, "beams stay together");
    assert_eq!(batch_size::slots(model, 1, 8, 1, 48).unwrap(), 8, "half as long");
    assert_eq!(batch_size::halved(model, (None, 4, 96), 3, ("activations", 1)).unwrap(), 3);
    let error = batch_size::halved(model, (None, 1, 96), 1, ("activations", 1 << 50)).unwrap_err();
    assert!(matches!(error, LmError::Room { sequences: 1, tokens: 96, needed, .. } if needed >= 1 << 50));
    let news = decoder.news().unwrap();
    assert!(news.contains("8 sequences") && !news.contains('\n'), "{news}");
    assert_eq!(decoder.news(), None);
}
