//! Tests of weights that are packed as they are stored, and of bfloat16 on the CPU.

use std::collections::HashMap;
use std::path::Path;

use serde_json::json;

use super::backend::Backend;
use super::backend::cpu::Cpu;
use super::backend::cpu::rows::Vector;
use super::backend::cpu::simd::{Isa, Line};
use super::backend::cpu::{
    format::Format,
    matrix::{Matrix, packed_bytes},
};
use super::footprint::weight_bytes;
use super::model::{Block, HostWeights, Model};
use super::shape::{DecoderShape, Features};
use super::tests::{Random, bits, config, tokens};
use super::{Decoder, Device};
use crate::checkpoint::{Checkpoint, Dtype, ModelConfig, TensorView, Weights};
use crate::gpu::{Format as CardFormat, emulated::Emulated};

/// Tensors by name, each of its own type.
struct Stored(HashMap<String, (Vec<usize>, Dtype, Vec<u8>)>);

impl Weights for Stored {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let (shape, dtype, data) = self.0.get(name)?;
        Some(TensorView { dtype: *dtype, shape, data })
    }
}

fn narrow(value: f32, dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::BF16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::F16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::F32 => value.to_le_bytes().to_vec(),
    }
}

fn values(view: &TensorView) -> Vec<f32> {
    let mut values = vec![0.0; view.len()];
    view.read_f32(0, &mut values);
    values
}

impl Stored {
    /// These tensors in the type that `dtype` names for each.
    fn of(weights: &dyn Weights, names: impl Iterator<Item = String>, dtype: impl Fn(&str) -> Dtype) -> Self {
        let stored = names.map(|name| {
            let view = weights.tensor(&name).unwrap();
            let dtype = dtype(&name);
            let data = values(&view).into_iter().flat_map(|v| narrow(v, dtype)).collect();
            (name, (view.shape.to_vec(), dtype, data))
        });
        Self(stored.collect())
    }

    fn random(config: &ModelConfig, seed: u32, dtype: impl Fn(&str) -> Dtype) -> Self {
        let random = Random::new(config, seed);
        Self::of(&random, random.0.keys().cloned(), dtype)
    }

    /// The same values in float32.
    fn widened(&self) -> Self {
        Self::of(self, self.0.keys().cloned(), |_| Dtype::F32)
    }
}

fn shapes() -> [serde_json::Value; 3] {
    [
        json!({}),
        json!({"tie_word_embeddings": true, "num_attention_heads": 7, "num_key_value_heads": 1, "hidden_size": 70}),
        json!({"hidden_size": 342, "head_dim": 132, "intermediate_size": 333}),
    ]
}

/// Logits with a CPU backend.
fn logits(cpu: Cpu, config: &ModelConfig, weights: &dyn Weights) -> Vec<Vec<f32>> {
    let shape = DecoderShape::new(config).unwrap();
    Model::load(cpu, shape, &mut HostWeights::all(weights, "")).unwrap().logits(&tokens(40)).unwrap()
}

#[test]
fn weights_of_16_bits_give_the_bits_of_the_same_weights_in_float32() {
    let mixed = |name: &str| match name.len() % 3 {
        0 => Dtype::BF16,
        1 => Dtype::F16,
        _ => Dtype::F32,
    };
    let types: [&dyn Fn(&str) -> Dtype; 3] = [&|_| Dtype::BF16, &|_| Dtype::F16, &mixed];
    for change in shapes() {
        let config = config(&change);
        for (i, dtype) in types.into_iter().enumerate() {
            let stored = Stored::random(&config, 7, dtype);
            let wanted = bits(&logits(Cpu::new(), &config, &stored.widened()));
            for isa in Isa::all() {
                let found = bits(&logits(Cpu::with(isa, false), &config, &stored));
                assert!(found == wanted, "{change}, type {i}, {isa:?}");
            }
        }
    }
}

/// Every family's fixture, and the bundled models as they are stored.
#[test]
fn every_fixture_has_the_same_bits_in_16_bits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transformers");
    let folders = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|path| path.is_dir());
    let names = folders.map(|path| path.to_str().unwrap().to_owned());
    let names: Vec<String> = names.chain(["zoo:base", "zoo:ja", "zoo:math-mul"].map(str::to_owned)).collect();
    assert!(names.len() >= 17);
    for name in names {
        let model = Checkpoint::open(&name).unwrap();
        let tensors = || model.names().into_iter().map(str::to_owned);
        for dtype in [Dtype::BF16, Dtype::F16] {
            let narrow = Stored::of(&model, tensors(), |_| dtype);
            let [found, wanted] =
                [&narrow, &narrow.widened()].map(|w| bits(&logits(Cpu::new(), model.config(), w)));
            assert!(found == wanted, "{name}, {dtype:?}");
        }
    }
}

#[test]
fn a_refresh_may_change_the_type_of_weights() {
    let config = config(&json!({ "tie_word_embeddings": true }));
    let types = [Dtype::BF16, Dtype::F32, Dtype::F16, Dtype::BF16];
    let mut decoder =
        Decoder::load(&config, &Stored::random(&config, 1, |_| Dtype::F16), &Device::Cpu).unwrap();
    for (seed, dtype) in (2..).zip(types) {
        let next = Stored::random(&config, seed, |_| dtype);
        decoder.refresh(&next, &[true; 4]).unwrap();
        let fresh = Decoder::load(&config, &next, &Device::Cpu).unwrap();
        let [found, wanted] = [&decoder, &fresh].map(|d| bits(&d.logits(&tokens(30)).unwrap()));
        assert!(found == wanted, "{dtype:?}");
    }
}

#[test]
fn only_changed_tensors_are_read() {
    let config = config(&json!({}));
    let (one, mut two) = (Random::new(&config, 1), Random::new(&config, 2));
    let changed = "model.layers.1.mlp.down_proj.weight";
    let mut expected = one.clone();
    expected.0.insert(changed.to_owned(), two.0[changed].clone());
    two.0.retain(|name, _| name == changed);
    let mut decoder = Decoder::load(&config, &one, &Device::Cpu).unwrap();
    decoder.rewrite(&two, &[true; 4], &|name| name == changed).unwrap();
    let fresh = Decoder::load(&config, &expected, &Device::Cpu).unwrap();
    assert_eq!(bits(&decoder.logits(&tokens(9)).unwrap()), bits(&fresh.logits(&tokens(9)).unwrap()));
}

#[test]
fn a_packed_weight_has_the_size_that_is_planned() {
    let (heads, inner) = (Features { blocks: 3, width: 14 }, Features::one(50));
    for (outs, ins) in [(vec![heads, heads], inner), (vec![inner], heads), (vec![Features::one(71)], inner)] {
        for (dtype, format) in
            [(Dtype::F32, Format::F32), (Dtype::BF16, Format::Bf16), (Dtype::F16, Format::F16)]
        {
            let mut matrix = Matrix::new(&outs, ins, false).unwrap();
            for (part, out) in outs.iter().enumerate() {
                let shape = [out.total(), ins.total()];
                let data = vec![0; shape[0] * shape[1] * dtype.size()];
                matrix.write(part, &TensorView { dtype, shape: &shape, data: &data }, false).unwrap();
            }
            assert_eq!(size_of_val(matrix.panels.as_slice()), packed_bytes(&outs, ins, format));
        }
    }
}

#[test]
fn bfloat16_gives_one_result_on_every_instruction_set() {
    for change in shapes() {
        let config = config(&change);
        for dtype in [Dtype::BF16, Dtype::F32] {
            let weights = Stored::random(&config, 5, |_| dtype);
            let mut first = None;
            for isa in Isa::all() {
                let found = bits(&logits(Cpu::with(isa, true), &config, &weights));
                assert!(first.get_or_insert_with(|| found.clone()) == &found, "{change}, {isa:?}");
            }
        }
    }
}

#[test]
fn a_product_by_several_threads_has_the_same_bits() {
    let config = config(&json!({"hidden_size": 512, "intermediate_size": 1040, "num_attention_heads": 8}));
    let weights = Stored::random(&config, 9, |_| Dtype::BF16);
    for rounds in [false, true] {
        let found = [1, 2, 3].map(|team| {
            let cpu = Cpu::with(Isa::detect(), rounds);
            cpu.team(team);
            bits(&logits(cpu, &config, &weights))
        });
        assert!(found[0] == found[1] && found[0] == found[2], "{rounds}");
    }
}

#[test]
fn bfloat16_on_the_cpu_is_near_a_card() {
    let mut worst: f64 = 0.0;
    for change in [
        json!({}),
        json!({"attention_bias": false, "tie_word_embeddings": true}),
        json!({"model_type": "qwen3", "attention_bias": false}),
        json!({"model_type": "mistral", "sliding_window": 17, "attention_bias": false}),
        json!({"hidden_size": 342, "head_dim": 132, "intermediate_size": 333}),
    ] {
        let config = config(&change);
        let weights = Stored::random(&config, 3, |_| Dtype::BF16);
        let card = Device::Emulated(Emulated::new(CardFormat::BF16, false));
        let [there, here, wide] = [card, Device::CpuBf16, Device::Cpu].map(|device| {
            let decoder = Decoder::load(&config, &weights, &device).unwrap();
            decoder.logits(&tokens(50)).unwrap().concat()
        });
        let apart = |a: &[f32], b: &[f32]| {
            let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
            (squares / b.iter().map(|b| f64::from(*b).powi(2)).sum::<f64>()).sqrt()
        };
        // The two differ where sums in another order fall on two sides of a tie; rounding itself costs far more.
        let (to_card, to_f32) = (apart(&here, &there), apart(&here, &wide));
        assert!(to_card * 2.0 < to_f32, "{change}: {to_card} from the card, {to_f32} from float32");
        worst = worst.max(to_card);
    }
    assert!(worst < 5e-3, "{worst}");
}

/// Bytes that a model's weights hold.
fn held(model: &Model<Cpu>) -> usize {
    let line = size_of::<Line>();
    let vector = |v: &Vector| v.data.len() * line;
    let matrix = |m: &Matrix| (m.panels.len() + m.bias.as_ref().map_or(0, Vec::len)) * line;
    let pair = |pair: &Option<(Vector, Vector)>| pair.as_ref().map_or(0, |(a, b)| vector(a) + vector(b));
    let block = |b: &Block<Cpu>| {
        let matrices = [&b.qkv, &b.attention_out, &b.gate_up, &b.down];
        let norms = vector(&b.input_norm) + vector(&b.mlp_norm) + pair(&b.qk_norm) + pair(&b.post_norms);
        matrices.into_iter().map(matrix).sum::<usize>() + norms
    };
    let ends = model.table.as_ref().map_or(0, |table| table.held() * line);
    ends + vector(&model.norm) + matrix(&model.head) + model.blocks.iter().map(block).sum::<usize>()
}

#[test]
fn the_footprint_is_what_is_held() {
    let families = [
        json!({"model_type": "qwen3", "attention_bias": false}),
        json!({"model_type": "gemma2", "hidden_act": "gelu_pytorch_tanh", "attention_bias": false}),
        json!({"model_type": "phi3", "attention_bias": false, "pad_token_id": null, "eos_token_id": 1}),
    ];
    let mixed = |name: &str| if name.contains("q_proj") { Dtype::F32 } else { Dtype::BF16 };
    let types: [&dyn Fn(&str) -> Dtype; 3] = [&|_| Dtype::BF16, &|_| Dtype::F32, &mixed];
    for change in shapes().into_iter().chain(families) {
        let config = config(&change);
        for (i, dtype) in types.into_iter().enumerate() {
            let stored = Stored::random(&config, 3, dtype);
            for (device, cpu) in [(Device::Cpu, Cpu::new()), (Device::CpuBf16, Cpu::rounding())] {
                let shape = DecoderShape::new(&config).unwrap();
                let model = Model::load(cpu, shape, &mut HostWeights::all(&stored, "")).unwrap();
                let of = |name: &str| stored.tensor(name).map(|view| view.dtype);
                let found = weight_bytes(&config, &device, &of).unwrap();
                assert_eq!(found.total(), held(&model) as u64, "{change}, types {i}, {device:?}");
                assert_eq!(found.blocks.len(), config.num_hidden_layers);
            }
        }
    }
}
