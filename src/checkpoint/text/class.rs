//! Which of transformers' tokenizer classes a checkpoint is read with. Some take `tokenizer.json` as it is;
//! others take its vocabulary, merges and post-processor, and build the rest as they always do.

use serde_json::{Map, Value};

/// A class of tokenizers, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `tokenizer.json` as it is.
    File,
    /// `LlamaTokenizer`: ▁ for spaces, one before the text, or, where `always`, before each part between
    /// special tokens; none without `prefix`.
    Llama { prefix: bool, always: bool },
    /// `GemmaTokenizer`: ▁ for spaces, none before the text.
    Gemma,
    /// `Qwen2Tokenizer`: bytes, NFC, single digits.
    Qwen2,
    /// `GPT2Tokenizer`: bytes.
    Gpt2 { prefix: bool },
    /// `GPTNeoXTokenizer`: bytes, NFC, and nothing around a text.
    NeoX { prefix: bool },
    /// `CohereTokenizer`: bytes, NFC, single digits.
    Cohere { prefix: bool },
}

impl Class {
    /// As `AutoTokenizer` finds it, for the families that are supported here.
    pub(super) fn of(family: &str, config: &Map<String, Value>, tokenizer: &[u8]) -> Self {
        let declared = config.get("tokenizer_class").and_then(Value::as_str);
        let declared = declared.map(|name| name.strip_suffix("Fast").unwrap_or(name));
        let name = match (family, declared) {
            // Their own class is said to be wrong so often that it does not count.
            ("qwen2", _) | ("qwen3", None) => "Qwen2Tokenizer",
            ("mistral" | "phi3", _) => "",
            (_, Some("LlamaTokenizer")) if has_bytes(tokenizer) => "",
            ("gemma" | "gemma2" | "gemma3_text", None) => "GemmaTokenizer",
            (_, declared) => declared.unwrap_or(""),
        };
        let flag = |key: &str| config.get(key).and_then(Value::as_bool);
        let prefix = flag("add_prefix_space");
        match name {
            "LlamaTokenizer" => {
                Self::Llama { prefix: prefix.unwrap_or(true), always: flag("legacy").unwrap_or(false) }
            }
            "GemmaTokenizer" => Self::Gemma,
            "Qwen2Tokenizer" => Self::Qwen2,
            "GPT2Tokenizer" => Self::Gpt2 { prefix: prefix.unwrap_or(false) },
            "GPTNeoXTokenizer" => Self::NeoX { prefix: prefix.unwrap_or(false) },
            "CohereTokenizer" => Self::Cohere { prefix: prefix.unwrap_or(false) },
            _ => Self::File,
        }
    }

    /// A special token that the class has where the files name none.
    pub(super) fn default(self, name: &str) -> Option<&'static str> {
        let table: &[(&str, &str)] = match self {
            Self::File => &[],
            Self::Llama { .. } => &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")],
            Self::Gemma => &[
                ("unk_token", "<unk>"),
                ("bos_token", "<bos>"),
                ("eos_token", "<eos>"),
                ("pad_token", "<pad>"),
                ("mask_token", "<mask>"),
            ],
            Self::Qwen2 => &[
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
        };
        table.iter().find(|(n, _)| *n == name).map(|(_, token)| *token)
    }
}

/// Whether a `tokenizer.json` speaks of bytes.
fn has_bytes(tokenizer: &[u8]) -> bool {
    const WORD: &[u8] = b"\"ByteLevel\"";
    tokenizer.windows(WORD.len()).any(|w| w == WORD)
}
