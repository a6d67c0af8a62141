//! Converts a sentencepiece model into the parts of a `tokenizer.json`. In: the model from `sentencepiece_file`. Out:
//! the parts that its tokenizer class builds, or else those that the model itself describes.

use std::collections::HashMap;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::merges;
use super::sentencepiece_file::{PieceKind, SentencePieceModel};
use super::special::Special;
use crate::checkpoint::tokenizer::parts::{Parts, SPACE, metaspace, piece_decoder, piece_model, replace};

/// Ids of the pieces; of two equal pieces, the last id.
fn ids(model: &SentencePieceModel) -> HashMap<&str, u32> {
    model.pieces.iter().enumerate().map(|(id, piece)| (piece.text.as_str(), id as u32)).collect()
}

fn text(pattern: &str) -> Value {
    json!({ "String": pattern })
}

fn regex(pattern: &str) -> Value {
    json!({ "Regex": pattern })
}

fn flag(own: &Map<String, Value>, key: &str, default: bool) -> bool {
    match own.get(key) {
        None => default,
        Some(value) => value.as_bool().unwrap_or(false),
    }
}

/// The parts that the class builds, whatever the model itself describes.
pub(super) fn of_class(model: &SentencePieceModel, parts: Parts) -> Parts {
    let vocab = ids(model);
    let merges = merges::by_id(&vocab);
    parts.with(json!(vocab), json!(merges))
}

/// The parts that the model itself describes.
pub(super) fn by_itself(
    model: &SentencePieceModel,
    own: &Map<String, Value>,
    special: &mut Special,
) -> Parts {
    let user: Vec<&str> =
        model.pieces.iter().filter(|p| p.kind == PieceKind::UserDefined).map(|p| p.text.as_str()).collect();
    let body = if model.unigram {
        let vocab: Vec<Value> = model.pieces.iter().map(|p| json!([p.text, f64::from(p.score)])).collect();
        json!({
            "type": "Unigram", "unk_id": u32::try_from(model.unk_id).ok(), "byte_fallback": model.byte_fallback,
            "vocab": vocab,
        })
    } else {
        let normal = model.pieces.iter().enumerate().filter(|(_, p)| p.kind == PieceKind::Normal);
        let normal = normal.map(|(id, p)| (p.text.as_str(), (p.score, id as u32))).collect();
        let mut bpe = piece_model(Some(&model.unk));
        bpe["byte_fallback"] = model.byte_fallback.into();
        bpe["ignore_merges"] = (!user.is_empty()).into();
        bpe["vocab"] = json!(ids(model));
        bpe["merges"] = json!(merges::by_score(&normal));
        bpe
    };
    let legacy = flag(own, "legacy", true);
    let mut normalizers = Vec::new();
    if !model.charsmap.is_empty() {
        let table = base64::engine::general_purpose::STANDARD.encode(&model.charsmap);
        normalizers.push(json!({ "type": "Precompiled", "precompiled_charsmap": table }));
    }
    if model.remove_extra_whitespaces {
        normalizers.push(replace(&regex(r"\A +| +\z"), ""));
        normalizers.push(replace(&regex(" {2,}"), " "));
    }
    if model.escape_whitespaces {
        normalizers.push(replace(&text(" "), SPACE));
    }
    let mut pre = Vec::new();
    if model.add_dummy_prefix {
        // Metaspace omits the prefix if the text already begins with one; sentencepiece does not.
        if legacy {
            normalizers.push(replace(&regex(r"\A▁"), "▁▁"));
        }
        pre.push(metaspace(if legacy { "always" } else { "first" }));
        special.match_raw_text();
    }
    if !user.is_empty() {
        let mut by_length = user;
        by_length.sort_by_key(|piece| std::cmp::Reverse(piece.chars().count()));
        let pattern: Vec<String> = by_length.into_iter().map(regex::escape).collect();
        let pattern = regex(&pattern.join("|"));
        pre.push(json!({ "type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false }));
    }
    let prefix = model.add_dummy_prefix;
    Parts {
        model: body,
        normalizer: json!({ "type": "Sequence", "normalizers": normalizers }),
        pre_tokenizer: if pre.is_empty() {
            Value::Null
        } else {
            json!({ "type": "Sequence", "pretokenizers": pre })
        },
        decoder: piece_decoder(model.byte_fallback, prefix || model.byte_fallback, prefix),
    }
}
