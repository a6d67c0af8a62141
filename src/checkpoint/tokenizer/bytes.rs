//! A byte-level BPE's `vocab.json` and `merges.txt` as the parts of a `tokenizer.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::class::Class;
use super::{MERGES, Parts, VOCAB};
use crate::checkpoint::untrusted::printable;

/// How Qwen 2 cuts a text into words.
const QWEN_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Reads both files for a class of this kind.
pub(super) fn parts(
    class: Class,
    own: &Map<String, Value>,
    vocab: &[u8],
    merges: &[u8],
) -> Result<Parts, String> {
    let vocab: BTreeMap<String, u32> = serde_json::from_slice(vocab)
        .map_err(|e| format!("its {VOCAB} is not the JSON of tokens and their numbers: {e}"))?;
    let merges = std::str::from_utf8(merges).map_err(|_| format!("its {MERGES} is not UTF-8"))?;
    let mut pairs = Vec::new();
    for (number, line) in merges.lines().enumerate().filter(|(_, l)| !l.starts_with("#version")) {
        let bad = |why: &str| format!("its {MERGES}, line {}: {} {why}", number + 1, printable(line));
        let (left, right) = line.split_once(' ').ok_or_else(|| bad("is not two tokens"))?;
        let whole = [left, right, &format!("{left}{right}")].iter().all(|t| vocab.contains_key(*t));
        if right.contains(' ') || !whole {
            return Err(bad(&format!("is not two tokens of {VOCAB} that make a third")));
        }
        pairs.push([left, right]);
    }
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": vocab, "merges": pairs,
    });
    let prefix = own.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(false);
    let level = |prefix: bool, regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex });
    let (normalizer, pre_tokenizer) = if class == Class::Qwen2 {
        let split = json!({
            "type": "Split", "pattern": { "Regex": QWEN_WORDS }, "behavior": "Isolated", "invert": false,
        });
        let words = json!({ "type": "Sequence", "pretokenizers": [split, level(prefix, false)] });
        (json!({ "type": "NFC" }), words)
    } else {
        (Value::Null, level(prefix, true))
    };
    Ok(Parts { model, normalizer, pre_tokenizer, decoder: level(true, true) })
}
