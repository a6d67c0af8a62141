//! Special and added tokens as a checkpoint's files write them: a text, or an object with flags. `files` and `class`
//! use them.

use serde_json::Value;

/// Special tokens with their own names, in transformers' order.
pub(super) const SPECIAL_TOKEN_NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token added to a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub content: String,
    /// Matches only whole words.
    pub single_word: bool,
    /// Includes the whitespace before it.
    pub lstrip: bool,
    /// Includes the whitespace after it.
    pub rstrip: bool,
    /// Is searched in the normalized text.
    pub normalized: bool,
    /// Is left out of decoded text.
    pub special: bool,
}

impl Token {
    /// A token without flags; a special token is searched in the raw text.
    #[must_use]
    pub fn plain(content: &str, special: bool) -> Self {
        let content = content.to_owned();
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: !special, special }
    }

    /// Reads a text or an object with flags; without its own flag, `special` is used. `None` for anything else.
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
