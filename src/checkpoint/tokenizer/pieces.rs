//! A sentencepiece model as the parts of a `tokenizer.json`.

use std::collections::HashMap;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::proto::{Kind, Model};
use super::special::Special;
use super::{Parts, merges};

const SPACE: &str = "▁";

fn bpe(vocab: &HashMap<&str, u32>, merges: &[[String; 2]], unk: Option<&str>, own: Value) -> Value {
    let mut model = json!({
        "type": "BPE", "dropout": null, "unk_token": unk, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
        "vocab": vocab, "merges": merges,
    });
    if let (Some(model), Value::Object(own)) = (model.as_object_mut(), own) {
        model.extend(own);
    }
    model
}

/// Ids of the pieces; of two alike the last one's.
fn ids(model: &Model) -> HashMap<&str, u32> {
    model.pieces.iter().enumerate().map(|(id, piece)| (piece.text.as_str(), id as u32)).collect()
}

fn replace(from: &Value, to: &str) -> Value {
    json!({ "type": "Replace", "pattern": from, "content": to })
}

fn text(pattern: &str) -> Value {
    json!({ "String": pattern })
}

fn regex(pattern: &str) -> Value {
    json!({ "Regex": pattern })
}

fn decoder(byte_fallback: bool, fuse: bool, strip: bool) -> Value {
    let mut all = vec![replace(&text(SPACE), " ")];
    if byte_fallback {
        all.push(json!({ "type": "ByteFallback" }));
    }
    if fuse {
        all.push(json!({ "type": "Fuse" }));
    }
    if strip {
        all.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    json!({ "type": "Sequence", "decoders": all })
}

fn metaspace(scheme: &str) -> Value {
    json!({ "type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": false })
}

fn flag(own: &Map<String, Value>, key: &str, default: bool) -> bool {
    match own.get(key) {
        None => default,
        Some(value) => value.as_bool().unwrap_or(false),
    }
}

/// As `LlamaTokenizer`.
pub(super) fn llama(model: &Model, own: &Map<String, Value>) -> Parts {
    let vocab = ids(model);
    let prefix = own.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(true);
    let scheme = match (prefix, flag(own, "legacy", false)) {
        (false, _) => "never",
        (true, true) => "always",
        (true, false) => "first",
    };
    Parts {
        model: bpe(&vocab, &merges::by_id(&vocab), None, json!({})),
        normalizer: Value::Null,
        pre_tokenizer: metaspace(scheme),
        decoder: decoder(true, true, prefix),
    }
}

/// As `GemmaTokenizer`.
pub(super) fn gemma(model: &Model, own: &Map<String, Value>) -> Parts {
    let vocab = ids(model);
    let unk = super::special::content(own.get("unk_token")).unwrap_or_else(|| "<unk>".to_owned());
    Parts {
        model: bpe(&vocab, &merges::by_id(&vocab), Some(&unk), json!({})),
        normalizer: replace(&text(" "), SPACE),
        pre_tokenizer: json!({
            "type": "Split", "pattern": { "String": " " }, "behavior": "MergedWithPrevious", "invert": false,
        }),
        decoder: decoder(true, true, false),
    }
}

/// As the model says of itself.
pub(super) fn plain(model: &Model, own: &Map<String, Value>, special: &mut Special) -> Parts {
    let user: Vec<&str> =
        model.pieces.iter().filter(|p| p.kind == Kind::UserDefined).map(|p| p.text.as_str()).collect();
    let body = if model.unigram {
        let vocab: Vec<Value> = model.pieces.iter().map(|p| json!([p.text, f64::from(p.score)])).collect();
        json!({
            "type": "Unigram", "unk_id": u32::try_from(model.unk_id).ok(), "byte_fallback": model.byte_fallback,
            "vocab": vocab,
        })
    } else {
        let normal = model.pieces.iter().enumerate().filter(|(_, p)| p.kind == Kind::Normal);
        let normal = normal.map(|(id, p)| (p.text.as_str(), (p.score, id as u32))).collect();
        let own = json!({ "byte_fallback": model.byte_fallback, "ignore_merges": !user.is_empty() });
        bpe(&ids(model), &merges::by_score(&normal), Some(&model.unk), own)
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
        // Metaspace leaves the prefix out where the text begins with one, sentencepiece does not.
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
        decoder: decoder(model.byte_fallback, prefix || model.byte_fallback, prefix),
    }
}
