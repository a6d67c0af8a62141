//! The parts of generation that `benches/decode.rs` measures: the CPU's matrix product and attention, and one decode
//! step. Compiled only with the `bench` feature.

use super::{
    Decoder, LmError,
    backend::cpu::{
        attention::attend,
        cache::Cache,
        matmul::{How, matmul, matmul_bf16},
        matrix,
        rows::Rows,
        simd,
    },
    backend::{AttentionStep, Backend, Span},
    engine::with_model,
    model::Model,
    shape::{DecoderShape, Features},
};
use crate::checkpoint::{Dtype, ModelConfig, TensorView};

/// A product of `rows` × `ins` activations with a weight `[outs, ins]` of this type, to run repeatedly; with `rounds` in
/// bfloat16, else in float32.
///
/// # Errors
/// No memory.
pub fn product(
    (rows, ins, outs): (usize, usize, usize),
    dtype: Dtype,
    rounds: bool,
) -> Result<impl FnMut(), LmError> {
    // Eighths: exact in every format.
    let value = |i: usize| (i % 13) as f32 * 0.125 - 0.75;
    let bytes = |i: usize| match dtype {
        Dtype::F32 => value(i).to_le_bytes().to_vec(),
        Dtype::BF16 => half::bf16::from_f32(value(i)).to_le_bytes().to_vec(),
        Dtype::F16 => half::f16::from_f32(value(i)).to_le_bytes().to_vec(),
    };
    let data: Vec<u8> = (0..outs * ins).flat_map(bytes).collect();
    let mut weight = matrix::Matrix::new(&[Features::one(outs)], Features::one(ins), false)?;
    weight.write(0, &TensorView { dtype, shape: &[outs, ins], data: &data }, rounds)?;
    let (mut x, mut out) = (Rows::default(), Rows::default());
    x.resize(rows, simd::lines(ins));
    for row in 0..rows {
        let values = &mut simd::floats_mut(x.row_mut(row))[..ins];
        values.iter_mut().enumerate().for_each(|(i, v)| *v = value(row * 7 + i));
    }
    let how = How { isa: simd::Isa::detect(), team: 1, tiles: true };
    let run = if rounds { matmul_bf16 } else { matmul };
    Ok(move || run(&how, &x, &weight, &mut out))
}

/// Attention of one new token in each of `sequences` sequences over `context` positions, through `steps` layers, in
/// the bundled zoo's shape (3 query heads on 1 key head, of 32 features).
///
/// # Errors
/// No memory.
pub fn attention(sequences: usize, context: usize, steps: usize) -> Result<impl FnMut(), LmError> {
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 1,
        "num_attention_heads": 3, "num_key_value_heads": 1, "vocab_size": 8,
    });
    let shape = DecoderShape::new(&ModelConfig::from_json("bench", config.to_string().as_bytes())?)?;
    let mut cache = Cache::new(&shape, &shape.ropes, steps, sequences, context)?;
    let (mut qkv, mut out) = (Rows::default(), Rows::default());
    qkv.resize(sequences, 10);
    qkv.data.iter_mut().enumerate().for_each(|(i, line)| line.0.fill(i as f32 % 7.0 - 3.0));
    cache.keys.iter_mut().chain(&mut cache.values).for_each(|line| line.0.fill(0.1));
    let spans: Vec<Span> = (0..sequences).map(|slot| Span { slot, start: context - 1, len: 1 }).collect();
    let isa = simd::Isa::detect();
    Ok(move || {
        for step in 0..steps {
            let now = AttentionStep { shape: &shape, layer: shape.attention[0], qk_norm: None, step };
            attend(isa, &now, &mut qkv, &mut cache, &spans, false, &mut out);
        }
    })
}

/// See [`step`].
pub type Step<'a> = Box<dyn FnMut() -> Result<(), LmError> + 'a>;

/// One decode step of `sequences` sequences with `context` tokens each, to run repeatedly.
///
/// # Errors
/// No memory.
pub fn step(decoder: &Decoder, sequences: usize, context: usize) -> Result<Step<'_>, LmError> {
    with_model!(&decoder.engine, model => forward(model, sequences, context))
}

fn forward<B: Backend>(model: &Model<B>, sequences: usize, context: usize) -> Result<Step<'_>, LmError> {
    let mut workspace = model.workspace(sequences, context)?;
    let ids: Vec<u32> = (0..sequences).map(|i| (i % model.shape.vocab) as u32).collect();
    let rows: Vec<usize> = (0..sequences).collect();
    for start in 0..context {
        let spans: Vec<Span> = (0..sequences).map(|slot| Span { slot, start, len: 1 }).collect();
        model.forward(&ids, &spans, &[], &mut workspace)?;
    }
    let spans: Vec<Span> = (0..sequences).map(|slot| Span { slot, start: context - 1, len: 1 }).collect();
    let mut chosen = Vec::new();
    Ok(Box::new(move || {
        model.forward(&ids, &spans, &rows, &mut workspace)?;
        model.backend.argmax(&workspace.logits, model.shape.vocab, &mut chosen)
    }))
}
