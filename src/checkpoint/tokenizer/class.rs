//! The transformers tokenizer class of a checkpoint, chosen like `AutoTokenizer` of transformers 5.24. In: the model's
//! family, `tokenizer_class` of its files, and `tokenizer.json`. Out: a [`Class`], and its default special tokens.
//! `parts` has what each class builds.

use serde_json::{Map, Value};

/// A tokenizer class, with the keys of `tokenizer_config.json` that change what the class builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `TokenizersBackend`: uses `tokenizer.json`, or a sentencepiece model with its own settings.
    Backend,
    /// `LlamaTokenizer`: ▁ for spaces, and one ▁ before the text. With `legacy`, one ▁ before each part between special
    /// tokens; without `prefix`, none.
    Llama { prefix: bool, legacy: bool },
    /// `GemmaTokenizer`: ▁ for spaces, no ▁ before the text.
    Gemma,
    /// `Qwen2Tokenizer`: byte level, NFC, single digits.
    Qwen2 { prefix: bool },
    /// `GPT2Tokenizer`: byte level.
    Gpt2 { prefix: bool },
    /// `GPTNeoXTokenizer`: byte level, NFC, no special tokens around a text.
    NeoX { prefix: bool },
    /// `CohereTokenizer`: byte level, NFC, single digits.
    Cohere { prefix: bool },
}

const BACKEND: &str = "TokenizersBackend";

/// The class that transformers registers for a model type; `None` if any class is allowed.
fn registered(model_type: &str) -> Option<&'static str> {
    match model_type {
        "qwen2" | "qwen3" => Some("Qwen2Tokenizer"),
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" => Some("GemmaTokenizer"),
        "mistral" | "phi3" => Some(BACKEND),
        _ => None,
    }
}

/// The name of a checkpoint's class without `Fast`. `config` is its `config.json`, `own` its `tokenizer_config.json`,
/// `tokenizer` its `tokenizer.json` if it has one.
pub(super) fn name(config: &Value, own: &Map<String, Value>, tokenizer: Option<&[u8]>) -> String {
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let registered = registered(config.get("model_type").and_then(Value::as_str).unwrap_or_default());
    let declared = text(own.get("tokenizer_class")).or_else(|| text(config.get("tokenizer_class")));
    let Some(declared) = declared else { return registered.unwrap_or(BACKEND).to_owned() };
    let declared = declared.strip_suffix("Fast").unwrap_or(&declared);
    let name = match registered {
        Some(BACKEND) => BACKEND,
        // For these models, the class in the repositories is known to be wrong.
        Some(own) if config["model_type"] == "qwen2" => own,
        // Llama 3's files declare the class of Llama 2, whose vocabulary is not byte level.
        _ if declared == "LlamaTokenizer" && tokenizer.is_some_and(has_bytes) => BACKEND,
        _ => declared,
    };
    name.to_owned()
}

/// Whether a `tokenizer.json` splits text at byte level.
fn has_bytes(tokenizer: &[u8]) -> bool {
    const WORD: &[u8] = b"\"ByteLevel\"";
    tokenizer.windows(WORD.len()).any(|w| w == WORD)
}

impl Class {
    /// The class with this name; an unknown name means [`Self::Backend`], as in transformers.
    pub(super) fn named(name: &str, own: &Map<String, Value>) -> Self {
        let flag = |key: &str, default: bool| own.get(key).and_then(Value::as_bool).unwrap_or(default);
        let prefix = |default: bool| flag("add_prefix_space", default);
        match name {
            "LlamaTokenizer" => Self::Llama { prefix: prefix(true), legacy: flag("legacy", false) },
            "GemmaTokenizer" => Self::Gemma,
            "Qwen2Tokenizer" => Self::Qwen2 { prefix: prefix(false) },
            "GPT2Tokenizer" => Self::Gpt2 { prefix: prefix(false) },
            "GPTNeoXTokenizer" => Self::NeoX { prefix: prefix(false) },
            "CohereTokenizer" => Self::Cohere { prefix: prefix(false) },
            _ => Self::Backend,
        }
    }

    /// The class's default special tokens, by name.
    pub(super) const fn special_tokens(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Backend => &[],
            Self::Llama { .. } => &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")],
            Self::Gemma => &[
                ("unk_token", "<unk>"),
                ("bos_token", "<bos>"),
                ("eos_token", "<eos>"),
                ("pad_token", "<pad>"),
                ("mask_token", "<mask>"),
            ],
            Self::Qwen2 { .. } => &[
                ("unk_token", "<|endoftext|>"),
                ("eos_token", "<|endoftext|>"),
                ("pad_token", "<|endoftext|>"),
            ],
            Self::Gpt2 { .. } => &[
                ("unk_token", "<|endoftext|>"),
                ("bos_token", "<|endoftext|>"),
                ("eos_token", "<|endoftext|>"),
            ],
            Self::NeoX { .. } => &[
                ("unk_token", "<|endoftext|>"),
                ("bos_token", "<|endoftext|>"),
                ("eos_token", "<|endoftext|>"),
                ("pad_token", "<|padding|>"),
            ],
            Self::Cohere { .. } => &[
                ("unk_token", "<UNK>"),
                ("bos_token", "<BOS_TOKEN>"),
                ("eos_token", "<|END_OF_TURN_TOKEN|>"),
                ("pad_token", "<PAD>"),
                ("cls_token", "<CLS>"),
                ("sep_token", "<SEP>"),
                ("mask_token", "<MASK_TOKEN>"),
            ],
        }
    }

    /// The class's default for the special token `name`.
    pub(super) fn special_token(self, name: &str) -> Option<&'static str> {
        self.special_tokens().iter().find(|(n, _)| *n == name).map(|(_, token)| *token)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_is_found_as_transformers_finds_it() {
        const BYTES: &[u8] = br#"{"decoder": {"type": "ByteLevel"}}"#;
        let of = |model: &str, class: Value, tokenizer| {
            let own = json!({ "tokenizer_class": class });
            name(&json!({ "model_type": model }), own.as_object().unwrap(), tokenizer)
        };
        for (model, class, found) in [
            ("llama", json!("LlamaTokenizer"), "LlamaTokenizer"),
            ("llama", json!("LlamaTokenizerFast"), "LlamaTokenizer"),
            ("llama", json!("GPT2Tokenizer"), "GPT2Tokenizer"),
            ("llama", json!("PreTrainedTokenizerFast"), "PreTrainedTokenizer"),
            ("llama", json!(null), BACKEND),
            ("mistral", json!("LlamaTokenizer"), BACKEND),
            ("phi3", json!("LlamaTokenizer"), BACKEND),
            ("qwen2", json!("LlamaTokenizer"), "Qwen2Tokenizer"),
            ("qwen3", json!("LlamaTokenizer"), "LlamaTokenizer"),
            ("gemma2", json!(null), "GemmaTokenizer"),
        ] {
            assert_eq!(of(model, class.clone(), None), found, "{model} {class}");
        }
        assert_eq!(of("llama", json!("LlamaTokenizer"), Some(BYTES)), BACKEND);
        assert_eq!(of("qwen2", json!("LlamaTokenizer"), Some(BYTES)), "Qwen2Tokenizer");
        let own = Map::new();
        assert_eq!(Class::named("PreTrainedTokenizer", &own), Class::Backend);
        assert_eq!(Class::named("LlamaTokenizer", &own), Class::Llama { prefix: true, legacy: false });
    }

    #[test]
    fn config_json_declares_a_class_where_the_tokenizers_file_is_silent() {
        let config = json!({ "model_type": "llama", "tokenizer_class": "LlamaTokenizer" });
        assert_eq!(name(&config, &Map::new(), None), "LlamaTokenizer");
        let own = json!({ "tokenizer_class": "GPT2Tokenizer" });
        assert_eq!(name(&config, own.as_object().unwrap(), None), "GPT2Tokenizer");
    }
}
