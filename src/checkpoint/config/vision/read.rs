//! Reads what a LLaVA model's `config.json` says besides its decoder. In: the whole config. Out: a checked
//! [`VisionConfig`], and the language model's config as that of a plain decoder. `config` calls it for the model types
//! `llava` and `llava_next`. Defaults are those of transformers 5.24.

use serde_json::{Map, Value};

use super::{TowerKind, VisionConfig, VisionLayout};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::config::fields::{ConfigReader, Given};
use crate::checkpoint::untrusted::printable;
use crate::limits::{LAYERS, MODEL_SIZE};

/// Families of language models that are read inside a LLaVA model.
const INSIDE: [&str; 3] = ["llama", "mistral", "qwen2"];

/// The `model_type` of each layout.
pub(in crate::checkpoint::config) const MODEL_TYPES: [&str; 2] = ["llava", "llava_next"];

/// The layout that a `model_type` names.
pub(in crate::checkpoint::config) fn layout(model_type: &str) -> Option<VisionLayout> {
    let layouts = [VisionLayout::Llava, VisionLayout::LlavaNext];
    MODEL_TYPES.into_iter().zip(layouts).find(|(name, _)| *name == model_type).map(|(_, layout)| layout)
}

/// The config of the language model inside, as that of a plain decoder. `file` names the file in errors.
pub(in crate::checkpoint::config) fn text_config(file: &str, raw: &Value) -> Result<Value, CheckpointError> {
    let read = ConfigReader { file, raw };
    let mut text = part(&read, "text_config")?;
    let family = text.entry("model_type").or_insert_with(|| "llama".into());
    if !family.as_str().is_some_and(|family| INSIDE.contains(&family)) {
        let problem = format!(
            "has the model_type {}; of language models inside a LLaVA model, {} are read",
            printable(&family.to_string()),
            INSIDE.join(", ")
        );
        return Err(read.problem("text_config", problem));
    }
    // Either of the two configs may say that the LM head is tied. transformers 5 reads the outer one of LLaVA-NeXT only,
    // earlier versions the inner one; a head that is stored with values of its own stays in any case (`lm_head`).
    if read.flag("tie_word_embeddings", false)? {
        text.insert("tie_word_embeddings".to_owned(), true.into());
    }
    Ok(Value::Object(text))
}

/// Reads the vision part. `vocab` is the size of the language model's vocabulary.
pub(in crate::checkpoint::config) fn read(
    file: &str,
    raw: &Value,
    layout: VisionLayout,
    vocab: usize,
) -> Result<VisionConfig, CheckpointError> {
    let outer = ConfigReader { file, raw };
    let tower_file = format!("{file}, vision_config");
    let tower_raw = Value::Object(tower_config(&outer)?);
    let tower = ConfigReader { file: &tower_file, raw: &tower_raw };
    let (kind, sizes) = match tower.text("model_type", "clip_vision_model")? {
        "clip_vision_model" => (TowerKind::Clip, CLIP),
        "siglip_vision_model" => (TowerKind::Siglip, SIGLIP),
        other => {
            let problem = format!(
                "is {}; the towers that are read are clip_vision_model and siglip_vision_model",
                printable(other)
            );
            return Err(tower.problem("model_type", problem));
        }
    };
    let hidden_size = tower.size("hidden_size", 768)?;
    let heads = tower.size("num_attention_heads", 12)?;
    if !hidden_size.is_multiple_of(heads) {
        let problem = format!("is {hidden_size}, which {heads} attention heads do not divide");
        return Err(tower.problem("hidden_size", problem));
    }
    let layers = tower.size("num_hidden_layers", 12)?;
    if layers > LAYERS {
        return Err(tower.problem("num_hidden_layers", format!("is {layers}; at most {LAYERS} are read")));
    }
    let channels = tower.size("num_channels", 3)?;
    if channels != 3 {
        let problem = format!("is {channels}; a picture has the 3 of red, green and blue");
        return Err(tower.problem("num_channels", problem));
    }
    let image_size = side(&tower, "image_size", 224)?;
    let patch_size = side(&tower, "patch_size", sizes.patch)?;
    if patch_size > image_size {
        let problem = format!("is {patch_size}, more than the image_size of {image_size}");
        return Err(tower.problem("patch_size", problem));
    }
    Ok(VisionConfig {
        layout,
        tower: kind,
        hidden_size,
        intermediate_size: tower.size("intermediate_size", 3072)?,
        layers,
        heads,
        channels,
        image_size,
        patch_size,
        hidden_act: tower.text("hidden_act", sizes.act)?.to_owned(),
        layer_norm_eps: tower.share("layer_norm_eps", sizes.eps)?,
        projector_act: outer.text("projector_hidden_act", "gelu")?.to_owned(),
        projector_bias: outer.flag("multimodal_projector_bias", true)?,
        feature_layers: feature_layers(&outer, layers)?,
        keep_class_token: keep_class_token(&outer)?,
        image_token: image_token(&outer, vocab)?,
        grid_pinpoints: grid_pinpoints(&outer, layout)?,
        raw: raw.clone(),
    })
}

/// What differs between the defaults of the towers.
struct Defaults {
    patch: usize,
    act: &'static str,
    eps: f64,
}

const CLIP: Defaults = Defaults { patch: 32, act: "quick_gelu", eps: 1e-5 };
const SIGLIP: Defaults = Defaults { patch: 16, act: "gelu_pytorch_tanh", eps: 1e-6 };

/// A config inside the config; empty if it is absent or null.
fn part(read: &ConfigReader<'_>, key: &str) -> Result<Map<String, Value>, CheckpointError> {
    match read.raw.get(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(other) => Err(read.unfit(key, other, "a table")),
    }
}

/// `vision_config`. Without it the tower is the one of LLaVA 1.5.
fn tower_config(outer: &ConfigReader<'_>) -> Result<Map<String, Value>, CheckpointError> {
    let mut map = part(outer, "vision_config")?;
    if outer.raw.get("vision_config").is_none_or(Value::is_null) {
        let sizes = [
            ("intermediate_size", 4096),
            ("hidden_size", 1024),
            ("patch_size", 14),
            ("image_size", 336),
            ("num_hidden_layers", 24),
            ("num_attention_heads", 16),
        ];
        map.extend(sizes.map(|(key, size)| (key.to_owned(), size.into())));
    }
    Ok(map)
}

/// The side of a square: a number, or a list of two equal ones.
fn side(read: &ConfigReader<'_>, key: &str, default: usize) -> Result<usize, CheckpointError> {
    let Some(Value::Array(sides)) = read.raw.get(key) else { return read.size(key, default) };
    match &sides[..] {
        [height, width] if height == width => {
            let one = Value::Object(Map::from_iter([(key.to_owned(), height.clone())]));
            ConfigReader { file: read.file, raw: &one }.size(key, default)
        }
        _ => Err(read.problem(key, "is no square; only square pictures and patches are read".to_owned())),
    }
}

fn feature_layers(outer: &ConfigReader<'_>, layers: usize) -> Result<Vec<i64>, CheckpointError> {
    let key = "vision_feature_layer";
    let must = "a whole number or a list of them";
    let found = match outer.raw.get(key) {
        Some(Value::Array(list)) if !list.is_empty() => {
            let number = |v: &Value| v.as_i64().ok_or_else(|| outer.unfit(key, v, must));
            list.iter().map(number).collect::<Result<Vec<_>, _>>()?
        }
        Some(Value::Array(_)) => {
            return Err(outer.problem(key, format!("is an empty list; it must be {must}")));
        }
        _ => match outer.whole(key)? {
            Given::Value(layer) => vec![layer],
            Given::Absent => vec![-2],
            Given::Null => return Err(outer.unfit(key, &Value::Null, must)),
        },
    };
    if found.len() > LAYERS {
        return Err(outer.problem(key, format!("lists {} layers; at most {LAYERS} are read", found.len())));
    }
    // One hidden state before each layer, and one after the last.
    let states = layers as i64 + 1;
    match found.iter().find(|layer| !(-states..states).contains(layer)) {
        None => Ok(found),
        Some(odd) => {
            let problem = format!("is {odd}; a tower of {layers} layers has {} to {layers}", -states);
            Err(outer.problem(key, problem))
        }
    }
}

fn keep_class_token(outer: &ConfigReader<'_>) -> Result<bool, CheckpointError> {
    let key = "vision_feature_select_strategy";
    match outer.text(key, "default")? {
        "default" => Ok(false),
        "full" => Ok(true),
        other => Err(outer.problem(key, format!("is {}; it must be default or full", printable(other)))),
    }
}

fn image_token(outer: &ConfigReader<'_>, vocab: usize) -> Result<u32, CheckpointError> {
    let keys = ["image_token_index", "image_token_id"];
    let key = keys.into_iter().find(|key| outer.raw.get(key).is_some()).unwrap_or(keys[0]);
    match outer.token(key, Some(32_000))? {
        Some(token) if (token as usize) < vocab => Ok(token),
        Some(token) => {
            let problem = format!("is {token}, which the vocabulary of {vocab} does not have");
            Err(outer.problem(key, problem))
        }
        None => Err(outer.problem(key, "names no token; write the id of the token <image>".to_owned())),
    }
}

fn grid_pinpoints(
    outer: &ConfigReader<'_>,
    layout: VisionLayout,
) -> Result<Vec<(u32, u32)>, CheckpointError> {
    let key = "image_grid_pinpoints";
    if layout == VisionLayout::Llava {
        return Ok(Vec::new());
    }
    let list = match outer.raw.get(key) {
        None | Some(Value::Null) => {
            return Ok(vec![(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)]);
        }
        Some(Value::Array(list)) if !list.is_empty() && list.len() <= LAYERS => list,
        Some(other) => return Err(outer.unfit(key, other, "a list of heights and widths")),
    };
    let side = |v: &Value| v.as_u64().filter(|n| (1..=MODEL_SIZE).contains(n)).map(|n| n as u32);
    let pair = |v: &Value| match v.as_array().map(Vec::as_slice) {
        Some([height, width]) => side(height).zip(side(width)),
        _ => None,
    };
    let must = format!("a list of heights and widths, each from 1 to {MODEL_SIZE}");
    list.iter().map(|v| pair(v).ok_or_else(|| outer.unfit(key, v, &must))).collect()
}
