//! Tests of the kernels and their launches on an emulated card, against transformers' logits and tokens
//! (`tests/golden/transformers`) and against the CPU.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Deserialize;

use crate::checkpoint::{Checkpoint, Dtype, TensorView, Weights, tensor_shapes};
use crate::gpu::{DeviceWrite, Format, emulated::Emulated};
use crate::lm::{
    Continuation, Decoder, Device, Generated, Options, PathModel, PathStep, Tokenizer, generate, likelihoods,
};
use crate::recipe::LayerGroup;

#[derive(Deserialize)]
pub(super) struct Golden {
    pub prompts: Vec<Vec<u32>>,
    greedy: Vec<Vec<u32>>,
    /// Of the first prompts, at their last three positions.
    logits: Vec<Vec<Vec<f32>>>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transformers")
}

fn models() -> Vec<String> {
    let folders = std::fs::read_dir(root()).unwrap().map(|e| e.unwrap());
    let folders = folders.filter(|e| e.file_type().unwrap().is_dir());
    let mut names: Vec<String> = folders.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 14);
    names
}

pub(super) fn open(name: &str) -> (Checkpoint, Golden) {
    let folder = root().join(name);
    let golden = std::fs::read(folder.join("golden.json")).unwrap();
    (Checkpoint::open(folder.to_str().unwrap()).unwrap(), serde_json::from_slice(&golden).unwrap())
}

pub(super) fn load(checkpoint: &Checkpoint, device: &Device) -> Decoder {
    Decoder::load(checkpoint.config(), checkpoint, device).unwrap()
}

fn card(format: Format, backwards: bool) -> Device {
    Device::Emulated(Emulated::new(format, backwards))
}

/// The greatest difference divided by the greatest value.
fn apart(found: &[Vec<f32>], wanted: &[Vec<f32>]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let pairs = || found.iter().flatten().zip(wanted.iter().flatten());
    let most = pairs().fold(0.0_f32, |m, (_, b)| m.max(b.abs()));
    assert!(pairs().all(|(a, _)| a.is_finite()));
    pairs().fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / most
}

/// New tokens of an answer.
const NEW: usize = 16;

fn greedy(checkpoint: &Checkpoint, decoder: &Decoder, prompts: &[Vec<u32>], batch: usize) -> Vec<Generated> {
    let tokenizer = Tokenizer::from_json(&checkpoint.tokenizer_json().unwrap()).unwrap();
    let eos = checkpoint.config().eos_token_ids.clone();
    let options = Options { max_new_tokens: NEW, eos, batch, ..Options::default() };
    let quiet = AtomicBool::new(false);
    generate(decoder, &tokenizer, prompts, &options, &|_| false, &|_| {}, &quiet).unwrap().0
}

#[test]
fn logits_and_tokens_are_those_of_transformers() {
    for (place, name) in models().iter().enumerate() {
        let (checkpoint, golden) = open(name);
        let decoder = load(&checkpoint, &card(Format::F32, place % 2 == 1));
        let reference = load(&checkpoint, &Device::Cpu);
        for (prompt, wanted) in golden.prompts.iter().zip(&golden.logits).take(2) {
            let found = decoder.logits(prompt).unwrap();
            let last = apart(&found[found.len() - wanted.len()..], wanted);
            assert!(last <= 1e-4, "{name}: {last}");
            let all = apart(&found, &reference.logits(prompt).unwrap());
            assert!(all <= 1e-5, "{name}: {all} from the CPU");
        }
        // More sequences than slots, of different lengths.
        let prompts = &golden.prompts[..8];
        for (answer, wanted) in greedy(&checkpoint, &decoder, prompts, 3).iter().zip(&golden.greedy) {
            assert_eq!(answer.tokens, wanted[..answer.tokens.len()], "{name}");
            assert!(answer.tokens.len() == NEW.min(wanted.len()), "{name}");
        }
    }
}

#[test]
fn bfloat16_stays_near() {
    for name in models() {
        let (checkpoint, golden) = open(&name);
        let decoder = load(&checkpoint, &card(Format::BF16, false));
        let prompt = &golden.prompts[0];
        let reference = load(&checkpoint, &Device::Cpu).logits(prompt).unwrap().concat();
        let found = decoder.logits(prompt).unwrap().concat();
        let square = |sum: f32, x: f32| sum + x * x;
        let error = found.iter().zip(&reference).map(|(a, b)| a - b).fold(0.0, square);
        // The weights alone are rounded by up to 2⁻⁹ each, and rounding adds up over the layers: at most 3.3%
        // here (qwen2, whose biases are large). In f32 the same code is within 1e-5, see above.
        let share = (error / reference.iter().copied().fold(0.0, square)).sqrt();
        assert!(share <= 0.05, "{name}: {share}");
        // A step alone gives the same as the prompt.
        let one = &golden.prompts[..1];
        assert_eq!(greedy(&checkpoint, &decoder, one, 1), greedy(&checkpoint, &decoder, one, 1));
    }
}

#[test]
fn no_result_depends_on_the_order_of_threads() {
    for name in ["gemma3", "odd-head", "sliding"] {
        let (checkpoint, golden) = open(name);
        let bits = |backwards| {
            let decoder = load(&checkpoint, &card(Format::BF16, backwards));
            let logits = decoder.logits(&golden.prompts[1]).unwrap();
            let bits: Vec<u32> = logits.iter().flatten().map(|x| x.to_bits()).collect();
            (bits, greedy(&checkpoint, &decoder, &golden.prompts[..3], 2))
        };
        assert!(bits(false) == bits(true), "{name}");
    }
}

#[test]
fn shared_beginnings_likelihoods_and_paths() {
    let (checkpoint, golden) = open("tied-gqa");
    let device = card(Format::F32, true);
    let (decoder, reference) = (load(&checkpoint, &device), load(&checkpoint, &Device::Cpu));
    let begin = &golden.prompts[0];
    let prompts: Vec<Vec<u32>> = (0..4).map(|i| [&begin[..], &golden.prompts[1 + i]].concat()).collect();
    assert_eq!(greedy(&checkpoint, &decoder, &prompts, 4), greedy(&checkpoint, &reference, &prompts, 4));

    let pair = |i: usize| Continuation { context: begin.clone(), tokens: golden.prompts[i].clone() };
    let groups = vec![vec![pair(1), pair(2)], vec![pair(3)]];
    let quiet = AtomicBool::new(false);
    let of = |d: &Decoder| likelihoods(d, &groups, 0, &|_| {}, &quiet).unwrap().concat();
    for (a, b) in of(&decoder).iter().zip(of(&reference)) {
        assert!((a.sum - b.sum).abs() < 1e-4 * b.sum.abs() && a.greedy == b.greedy, "{a:?} {b:?}");
    }

    let part = [PathModel { name: "a", config: checkpoint.config(), weights: &checkpoint }];
    let steps =
        [(0, 1.0), (1, 0.7), (0, -1.2), (1, 1.0)].map(|(layer, scale)| PathStep { model: 0, layer, scale });
    let of = |device: &Device| {
        let mut decoder = Decoder::load_path(&part, &steps[..2], device).unwrap();
        decoder.logits(begin).unwrap();
        decoder.set_path(&part, &steps).unwrap();
        decoder.logits(begin).unwrap()
    };
    assert!(apart(&of(&device), &of(&Device::Cpu)) <= 1e-5);
}

/// A checkpoint's tensors as bfloat16.
struct Narrow<'a>(&'a Checkpoint, std::collections::HashMap<String, (Vec<usize>, Vec<u8>)>);

impl<'a> Narrow<'a> {
    fn new(checkpoint: &'a Checkpoint) -> Self {
        let narrow = |(name, shape): (String, Vec<usize>)| {
            let view = checkpoint.tensor(&name).unwrap();
            let mut values = vec![0.0; shape.iter().product()];
            view.read_f32(0, &mut values);
            let bytes = values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
            (name, (shape, bytes))
        };
        Self(checkpoint, tensor_shapes(checkpoint.config()).into_iter().map(narrow).collect())
    }
}

impl Weights for Narrow<'_> {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let (shape, data) = self.1.get(name)?;
        Some(TensorView { dtype: Dtype::BF16, shape, data })
    }
}

#[test]
fn weights_made_on_the_card_are_those_that_were_sent() {
    for name in models() {
        let (checkpoint, golden) = open(&name);
        let weights = Narrow::new(&checkpoint);
        let device = card(Format::BF16, false);
        let sent = Decoder::load(weights.0.config(), &weights, &device).unwrap();
        // A merge that writes every other tensor on the card and returns the others.
        let written = |name: &str, to: u64| {
            let (_, data) = &weights.1[name];
            // SAFETY: an emulated card's address belongs to this process, with room for the tensor.
            unsafe { std::slice::from_raw_parts_mut(to as *mut u8, data.len()) }.copy_from_slice(data);
            DeviceWrite::Queued
        };
        for odd in [0, 1] {
            let mut asked = Vec::new();
            let mut make = |name: &str, to: u64| {
                asked.push(name.to_owned());
                Ok(if asked.len() % 2 == odd {
                    DeviceWrite::OnHost((Dtype::BF16, weights.1[name].1.clone()))
                } else {
                    written(name, to)
                })
            };
            let mut made = Decoder::load_made(checkpoint.config(), &device, &mut make).unwrap();
            let prompt = &golden.prompts[0];
            assert!(made.logits(prompt).unwrap() == sent.logits(prompt).unwrap(), "{name}");
            // Each tensor is asked for once.
            let mut all: Vec<String> = weights.1.keys().cloned().collect();
            all.sort();
            asked.sort();
            assert_eq!(asked, all, "{name}");
            // Unchanged tensors are not written.
            let groups = vec![true; LayerGroup::count(checkpoint.config().num_hidden_layers)];
            made.remake(&groups, &mut |_, _| Ok(DeviceWrite::Unchanged)).unwrap();
            assert!(made.logits(prompt).unwrap() == sent.logits(prompt).unwrap(), "{name}");
            let error = made.remake(&groups, &mut |name, _| Err(format!("no {name}"))).unwrap_err();
            assert_eq!(error.to_string(), "no model.embed_tokens.weight");
        }
    }
}
