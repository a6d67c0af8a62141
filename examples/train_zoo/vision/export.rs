//! The VLM on disk, in the layout and under the names of transformers' `LlavaForConditionalGeneration`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::canvas::SIDE;
use super::check::MAX_NEW_TOKENS;
use super::layers;
use super::tower::{self, HEADS, LAYERS, MLP, PATCH, PATCHES, Tower, WIDTH};
use crate::export::{Piece, language_config, pieces, write_json, write_pieces, write_settings};
use crate::model::{Model, flat};
use crate::ops::tensor;
use crate::tokenizer::{Codec, IMAGE, IMAGE_ID};

/// The tower's tensors.
fn tower_pieces(tower: &Tower) -> Result<Vec<Piece>> {
    let mut out = Vec::new();
    for (i, (param, dims)) in tower.params.iter().zip(tower::dims()).enumerate() {
        let values = flat(param)?;
        let names = tower::names(i);
        let mut dims = dims;
        dims[0] /= names.len();
        if i == tower::PATCHING {
            dims = vec![WIDTH, 3, PATCH, PATCH];
        }
        let size = values.len() / names.len();
        for (name, values) in names.into_iter().zip(values.chunks_exact(size)) {
            out.push(Piece {
                name: format!("vision_tower.{name}"),
                dims: dims.clone(),
                values: values.to_vec(),
            });
        }
    }
    // The class token's norm, which a reader of patches leaves aside.
    for (end, value) in [("weight", 1.0), ("bias", 0.0)] {
        let name = format!("vision_tower.post_layernorm.{end}");
        out.push(Piece { name, dims: vec![WIDTH], values: vec![value; WIDTH] });
    }
    Ok(out)
}

fn projector_pieces(model: &Model) -> Result<Vec<Piece>> {
    let parts = ["linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"];
    let own = &model.params[model.shape.projector()..];
    let piece = |(part, param): (&str, &candle_core::Tensor)| {
        let name = format!("multi_modal_projector.{part}");
        Ok(Piece { name, dims: param.dims().to_vec(), values: flat(param)? })
    };
    parts.into_iter().zip(own).map(piece).collect()
}

/// The tower with its values rounded to bf16, as it is shipped.
pub fn rounded(tower: &Tower) -> Result<Tower> {
    let round = |param: &candle_core::Tensor| {
        let values = flat(param)?.into_iter().map(|v| half::bf16::from_f32(v).to_f32()).collect();
        tensor(values, param.dims().to_vec())
    };
    Ok(Tower { params: tower.params.iter().map(round).collect::<Result<_>>()? })
}

/// Writes a whole checkpoint, all but its card.
pub fn save(model: &Model, tower: &Tower, codec: &Codec, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut all = pieces(model)?;
    for piece in &mut all {
        piece.name.insert_str(0, "language_model.");
    }
    all.extend(projector_pieces(model)?);
    all.extend(tower_pieces(tower)?);
    write_pieces(&all, &folder.join("model.safetensors"), true)?;
    write_json(
        &folder.join("config.json"),
        &json!({
            "architectures": ["LlavaForConditionalGeneration"],
            "image_seq_length": PATCHES,
            "image_token_index": IMAGE_ID,
            "model_type": "llava",
            "multimodal_projector_bias": true,
            "projector_hidden_act": "gelu",
            "text_config": language_config(&model.shape),
            "tie_word_embeddings": true,
            "torch_dtype": "bfloat16",
            "vision_config": {
                "attention_dropout": 0.0,
                "hidden_act": "quick_gelu",
                "hidden_size": WIDTH,
                "image_size": SIDE,
                "intermediate_size": MLP,
                "layer_norm_eps": f64::from((layers::EPS * 1e6).round()) / 1e6,
                "model_type": "clip_vision_model",
                "num_attention_heads": HEADS,
                "num_channels": 3,
                "num_hidden_layers": LAYERS,
                "patch_size": PATCH,
                "projection_dim": WIDTH
            },
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "default"
        }),
    )?;
    write_json(
        &folder.join("preprocessor_config.json"),
        &json!({
            "crop_size": { "height": SIDE, "width": SIDE },
            "do_center_crop": true,
            "do_convert_rgb": true,
            "do_normalize": true,
            "do_rescale": true,
            "do_resize": true,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "CLIPImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "resample": 3,
            "rescale_factor": 1.0 / 255.0,
            "size": { "shortest_edge": SIDE }
        }),
    )?;
    write_json(
        &folder.join("processor_config.json"),
        &json!({
            "image_token": IMAGE,
            "num_additional_image_tokens": 1,
            "patch_size": PATCH,
            "processor_class": "LlavaProcessor",
            "vision_feature_select_strategy": "default"
        }),
    )?;
    write_settings(
        folder,
        MAX_NEW_TOKENS,
        &[("image_token", json!(IMAGE)), ("processor_class", json!("LlavaProcessor"))],
    )?;
    codec.save(&folder.join("tokenizer.json"))
}
