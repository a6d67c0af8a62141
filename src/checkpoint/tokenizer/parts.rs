//! The parts that each tokenizer class builds itself, in the terms of `tokenizer.json`: everything except the
//! vocabulary, the merges and the added tokens. Used both to rebuild a `tokenizer.json` for its class and to make one
//! from a checkpoint's other files.

use serde_json::{Value, json};

use super::class::Class;

/// Qwen 2's pattern that splits a text into words.
const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Sentencepiece's character for a space.
pub(super) const SPACE: &str = "▁";

/// The parts of a tokenizer. `model` has no `vocab` and no `merges`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    pub model: Value,
    pub normalizer: Value,
    pub pre_tokenizer: Value,
    pub decoder: Value,
}

impl Parts {
    /// The same parts with a vocabulary and merges in the model.
    #[must_use]
    pub fn with(mut self, vocab: Value, merges: Value) -> Self {
        self.model["vocab"] = vocab;
        self.model["merges"] = merges;
        self
    }
}

impl Class {
    /// The parts that the class builds; `unk` is the unknown token. [`Self::Backend`] builds nothing.
    #[must_use]
    pub fn parts(self, unk: Option<&str>) -> Option<Parts> {
        Some(match self {
            Self::Backend => return None,
            Self::Llama { prefix, legacy } => Parts {
                model: piece_model(None),
                normalizer: Value::Null,
                pre_tokenizer: metaspace(match (prefix, legacy) {
                    (false, _) => "never",
                    (true, true) => "always",
                    (true, false) => "first",
                }),
                decoder: piece_decoder(true, true, prefix),
            },
            Self::Gemma => Parts {
                model: piece_model(unk),
                normalizer: replace(&json!({"String": " "}), SPACE),
                pre_tokenizer: json!({"type": "Split", "pattern": {"String": " "},
                                      "behavior": "MergedWithPrevious", "invert": false}),
                decoder: piece_decoder(true, true, false),
            },
            Self::Qwen2 { prefix } => {
                let words = json!({"type": "Split", "pattern": {"Regex": QWEN2_WORDS}, "behavior": "Isolated",
                                   "invert": false});
                byte_level(nfc(), json!({"type": "Sequence", "pretokenizers": [words, bytes(prefix, false)]}))
            }
            Self::Gpt2 { prefix } => byte_level(Value::Null, bytes(prefix, true)),
            Self::NeoX { prefix } => byte_level(nfc(), bytes(prefix, true)),
            Self::Cohere { prefix } => {
                let digits = json!({"type": "Digits", "individual_digits": true});
                byte_level(nfc(), json!({"type": "Sequence", "pretokenizers": [digits, bytes(prefix, true)]}))
            }
        })
    }
}

fn byte_level(normalizer: Value, pre_tokenizer: Value) -> Parts {
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
    });
    Parts { model, normalizer, pre_tokenizer, decoder: bytes(true, true) }
}

fn bytes(prefix: bool, regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex})
}

fn nfc() -> Value {
    json!({"type": "NFC"})
}

/// A BPE over sentencepiece's pieces; text without a piece is split into bytes.
pub(super) fn piece_model(unk: Option<&str>) -> Value {
    json!({
        "type": "BPE", "dropout": null, "unk_token": unk, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
    })
}

/// Turns pieces back into text; `strip` removes the space at the start.
pub(super) fn piece_decoder(byte_fallback: bool, fuse: bool, strip: bool) -> Value {
    let mut all = vec![replace(&json!({"String": SPACE}), " ")];
    if byte_fallback {
        all.push(json!({"type": "ByteFallback"}));
    }
    if fuse {
        all.push(json!({"type": "Fuse"}));
    }
    if strip {
        all.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": all})
}

pub(super) fn metaspace(scheme: &str) -> Value {
    json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": false})
}

pub(super) fn replace(pattern: &Value, with: &str) -> Value {
    json!({"type": "Replace", "pattern": pattern, "content": with})
}
