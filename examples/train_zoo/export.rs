//! Models on disk: Hugging Face layout, in bf16 for the zoo and in f32 between stages.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use half::bf16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::model::{
    DOWN, EMBED, EPS, GATE_UP, Model, NORM, NORM_1, NORM_2, OUT, PER_BLOCK, QKV, Shape, THETA, flat,
};
use crate::ops::tensor;
use crate::tokenizer::{END, END_ID, PAD, PAD_ID};

/// Positions that the configuration promises; training sees about 250.
const POSITIONS: usize = 512;

/// One tensor as Hugging Face names it.
pub struct Piece {
    pub name: String,
    pub dims: Vec<usize>,
    pub values: Vec<f32>,
}

/// The checkpoint's names for a parameter, each with its first dimension (0: a vector).
fn names(shape: &Shape, param: usize) -> Vec<(String, usize)> {
    if param == EMBED {
        return vec![("model.embed_tokens.weight".into(), shape.vocab)];
    }
    if param == NORM {
        return vec![("model.norm.weight".into(), shape.hidden)];
    }
    let (layer, which) = ((param - NORM_1) / PER_BLOCK, (param - NORM_1) % PER_BLOCK + NORM_1);
    let parts: Vec<(&str, usize)> = match which {
        NORM_1 => vec![("input_layernorm", shape.hidden)],
        QKV => vec![
            ("self_attn.q_proj", shape.q()),
            ("self_attn.k_proj", shape.kv()),
            ("self_attn.v_proj", shape.kv()),
        ],
        OUT => vec![("self_attn.o_proj", shape.hidden)],
        NORM_2 => vec![("post_attention_layernorm", shape.hidden)],
        GATE_UP => vec![("mlp.gate_proj", shape.mlp), ("mlp.up_proj", shape.mlp)],
        DOWN => vec![("mlp.down_proj", shape.hidden)],
        _ => Vec::new(),
    };
    parts.into_iter().map(|(part, rows)| (format!("model.layers.{layer}.{part}.weight"), rows)).collect()
}

/// The tensors of a model, its projector left out.
pub fn pieces(model: &Model) -> Result<Vec<Piece>> {
    let mut out = Vec::new();
    let own = model.params.iter().zip(model.shape.dims()).take(model.shape.projector());
    for (i, (param, dims)) in own.enumerate() {
        let values = flat(param)?;
        let width = if dims.len() == 1 { 1 } else { dims[1] };
        let mut at = 0;
        for (name, rows) in names(&model.shape, i) {
            let mut dims = dims.clone();
            dims[0] = rows;
            out.push(Piece { name, dims, values: values[at..at + rows * width].to_vec() });
            at += rows * width;
        }
    }
    Ok(out)
}

/// Writes the weights alone.
fn save_weights(model: &Model, path: &Path, brief: bool) -> Result<()> {
    write_pieces(&pieces(model)?, path, brief)
}

/// Writes tensors in bf16 (`brief`) or f32.
pub fn write_pieces(pieces: &[Piece], path: &Path, brief: bool) -> Result<()> {
    let bytes: Vec<Vec<u8>> = pieces
        .iter()
        .map(|piece| {
            let values = piece.values.iter();
            if brief {
                values.flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect()
            } else {
                values.flat_map(|v| v.to_le_bytes()).collect()
            }
        })
        .collect();
    let dtype = if brief { Dtype::BF16 } else { Dtype::F32 };
    let mut views = Vec::new();
    for (piece, bytes) in pieces.iter().zip(&bytes) {
        let view = TensorView::new(dtype, piece.dims.clone(), bytes)?;
        views.push((piece.name.as_str(), view));
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a stage's result in full precision.
pub fn save_stage(model: &Model, folder: &Path, stage: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    save_weights(model, &folder.join(format!("{stage}.safetensors")), false)
}

/// Reads weights in f32 or bf16.
pub fn load_weights(shape: Shape, path: &Path) -> Result<Model> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("{} is not a safetensors file", path.display()))?;
    let mut params = Vec::new();
    for (i, dims) in shape.dims().into_iter().enumerate() {
        let mut values: Vec<f32> = Vec::new();
        for (name, _) in names(&shape, i) {
            let view = file.tensor(&name).with_context(|| format!("{} has no {name}", path.display()))?;
            match view.dtype() {
                Dtype::BF16 => values
                    .extend(view.data().chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())),
                Dtype::F32 => values.extend(
                    view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
                ),
                other => bail!("{}: {name} is {other:?}", path.display()),
            }
        }
        params.push(tensor(values, dims)?);
    }
    Ok(Model { shape, params })
}

/// A model with its values rounded to bf16, as the zoo ships it.
pub fn rounded(model: &Model) -> Result<Model> {
    let mut params = Vec::new();
    for param in &model.params {
        let values = flat(param)?.into_iter().map(|v| bf16::from_f32(v).to_f32()).collect();
        params.push(tensor(values, param.dims().to_vec())?);
    }
    Ok(Model { shape: model.shape, params })
}

/// The shape that a `config.json` tells.
pub fn read_shape(folder: &Path) -> Result<Shape> {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config: serde_json::Value = serde_json::from_str(&text)?;
    let get = |key: &str| -> Result<usize> {
        config[key]
            .as_u64()
            .map(|n| n as usize)
            .with_context(|| format!("{}: no number {key}", path.display()))
    };
    Ok(Shape {
        vocab: get("vocab_size")?,
        hidden: get("hidden_size")?,
        layers: get("num_hidden_layers")?,
        heads: get("num_attention_heads")?,
        kv_heads: get("num_key_value_heads")?,
        head_dim: get("head_dim")?,
        mlp: get("intermediate_size")?,
        features: 0,
    })
}

/// Writes pretty JSON with a newline at its end.
pub fn write_json(path: &Path, value: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The keys of a language model's `config.json`.
pub fn language_config(s: &Shape) -> serde_json::Value {
    debug_assert!((f64::from(EPS) - 1e-5).abs() < 1e-9);
    json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": END_ID,
        "eos_token_id": END_ID,
        "pad_token_id": PAD_ID,
        "head_dim": s.head_dim,
        "hidden_act": "silu",
        "hidden_size": s.hidden,
        "initializer_range": 0.02,
        "intermediate_size": s.mlp,
        "max_position_embeddings": POSITIONS,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": s.heads,
        "num_hidden_layers": s.layers,
        "num_key_value_heads": s.kv_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-5,
        "rope_scaling": null,
        "rope_theta": f64::from(THETA),
        "tie_word_embeddings": true,
        "torch_dtype": "bfloat16",
        "use_cache": true,
        "vocab_size": s.vocab
    })
}

/// Writes a whole checkpoint, all but its tokenizer and card.
pub fn save_checkpoint(model: &Model, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    save_weights(model, &folder.join("model.safetensors"), true)?;
    write_json(&folder.join("config.json"), &language_config(&model.shape))?;
    write_settings(folder, crate::check::MAX_NEW_TOKENS, &[])
}

/// Writes how a model generates and what its tokenizer's special tokens are.
pub fn write_settings(
    folder: &Path,
    max_new_tokens: usize,
    extra: &[(&str, serde_json::Value)],
) -> Result<()> {
    write_json(
        &folder.join("generation_config.json"),
        &json!({
            "bos_token_id": END_ID,
            "do_sample": false,
            "eos_token_id": END_ID,
            "max_new_tokens": max_new_tokens,
            "pad_token_id": PAD_ID
        }),
    )?;
    let mut tokenizer = json!({
        "add_bos_token": false,
        "add_eos_token": false,
        "bos_token": END,
        "clean_up_tokenization_spaces": false,
        "eos_token": END,
        "model_max_length": POSITIONS,
        "pad_token": PAD,
        "tokenizer_class": "PreTrainedTokenizerFast"
    });
    for (key, value) in extra {
        tokenizer[*key] = value.clone();
    }
    write_json(&folder.join("tokenizer_config.json"), &tokenizer)
}
