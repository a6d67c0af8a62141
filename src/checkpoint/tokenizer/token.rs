//! Special and added tokens as a checkpoint's files write them: a text, or an object with flags.

use serde_json::Value;

/// Special tokens that have a name of their own, in transformers' order.
pub(super) const SPECIAL_TOKEN_NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token that was added to a tokenizer's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub content: String,
    /// Matches whole words alone.
    pub single_word: bool,
    /// Takes in the whitespace before it.
    pub lstrip: bool,
    /// Takes in the whitespace behind it.
    pub rstrip: bool,
    /// Is looked for in the normalized text.
    pub normalized: bool,
    /// Is not part of a decoded text.
    pub special: bool,
}

impl Token {
    /// A token without flags of its own; a special one is looked for in the text as it is.
    #[must_use]
    pub fn plain(content: &str, special: bool) -> Self {
        let content = content.to_owned();
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: !special, special }
    }

    /// A text, or an object with flags; without a flag of its own it is `special` as asked. `None` for what is
    /// neither.
    pub(super) fn read(value: &Value, special: bool) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self::plain(text, special));
        }
        let flag = |key: &str| value.get(key).and_then(Value::as_bool);
        let special = flag("special").unwrap_or(special);
        Some(Self {
            content: value.get("content")?.as_str()?.to_owned(),
            single_word: flag("single_word").unwrap_or(false),
            lstrip: flag("lstrip").unwrap_or(false),
            rstrip: flag("rstrip").unwrap_or(false),
            normalized: flag("normalized").unwrap_or(!special),
            special,
        })
    }
}
