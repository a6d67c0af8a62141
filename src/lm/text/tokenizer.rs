//! A checkpoint's tokenizer: text to token ids and back.
//!
//! In: the tokenizer's files, checked by `token_limits`. `reader` and the commands call it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tokenizers::AddedToken;

use super::{token_limits, tokenizer_class};
use crate::checkpoint::{Checkpoint, TokenizerFiles};
use crate::limits::guarded;
use crate::lm::LmError;

/// A checkpoint's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The bytes of each token of a byte-level vocabulary (empty for special tokens, which are not text); `None`
    /// for a vocabulary in which a token's text depends on its neighbours.
    bytes: Option<HashMap<u32, Vec<u8>>>,
}

impl Tokenizer {
    /// A checkpoint's, from all of its files.
    ///
    /// # Errors
    /// A file that is missing, broken or inconsistent.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, LmError> {
        let files = TokenizerFiles::read(checkpoint).map_err(|e| LmError::Files(e.to_string()))?;
        Self::from_files(&files, checkpoint.reference())
    }

    /// From files of the checkpoint `reference` that have been read already.
    ///
    /// # Errors
    /// A `tokenizer.json` that is broken or contradicts the other files.
    pub fn from_files(files: &TokenizerFiles, reference: &str) -> Result<Self, LmError> {
        Self::with_files(files).map_err(|e| LmError::Files(format!("the tokenizer of {reference}: {e}")))
    }

    /// From the bytes of a `tokenizer.json` alone.
    ///
    /// # Errors
    /// A file that is broken or beyond the bounds of `limits`.
    pub fn from_json(json: &[u8]) -> Result<Self, LmError> {
        let value = value(json)?;
        Self::new(read(json, &value)?, &value)
    }

    fn with_files(files: &TokenizerFiles) -> Result<Self, LmError> {
        let mut value = value(&files.json)?;
        let mut inner = if let Some(parts) = files.parts() {
            value = tokenizer_class::as_class(value, files.class, parts)?;
            read(value.to_string().as_bytes(), &value)?
        } else {
            read(&files.json, &value)?
        };
        if !files.converted {
            tokenizer_class::add(&mut inner, files)?;
        }
        inner.set_encode_special_tokens(files.split_special);
        Self::new(inner, &value)
    }

    fn new(mut inner: tokenizers::Tokenizer, value: &Value) -> Result<Self, LmError> {
        // A prompt is neither truncated nor padded, whatever the file asks for.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| LmError::Tokenizer(e.to_string()))?;
        let bytes = (value["decoder"]["type"] == "ByteLevel").then(|| byte_table(&inner));
        Ok(Self { inner, bytes })
    }

    /// Ids of a text, with the special tokens (such as a beginning-of-sequence token) that the tokenizer's own
    /// template puts around it.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.ids(text, true)
    }

    /// Ids of a text, with or without the special tokens around it.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn ids(&self, text: &str, special: bool) -> Result<Vec<u32>, LmError> {
        let encoding = guarded(|| self.inner.encode_fast(text, special).map_err(|e| e.to_string()))
            .unwrap_or_else(|| Err("parts of tokenizer.json contradict each other".to_owned()))
            .map_err(|e| LmError::Tokenizer(format!("the text cannot be encoded: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of some ids, without special tokens. Ids outside the vocabulary have no text; bytes that are not UTF-8
    /// become U+FFFD.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        match &self.bytes {
            Some(table) => {
                let bytes: Vec<u8> = ids.iter().filter_map(|id| table.get(id)).flatten().copied().collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            None => guarded(|| self.inner.decode(ids, true)).and_then(Result::ok).unwrap_or_default(),
        }
    }

    /// Number of ids, added tokens included.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token by its spelling, such as `</s>`.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token's spelling.
    #[must_use]
    pub fn spelling(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Adds a special token behind the vocabulary.
    pub(super) fn add_special(&mut self, spelling: &str) -> Result<(), LmError> {
        let token = AddedToken::from(spelling.to_owned(), true);
        let added = self.inner.add_special_tokens([token]);
        added
            .map(|_| ())
            .map_err(|e| LmError::Tokenizer(format!("the token {spelling} cannot be added: {e}")))
    }

    /// Bytes of a token, in a byte-level vocabulary.
    pub(super) fn bytes(&self, id: u32) -> Option<&[u8]> {
        let table = self.bytes.as_ref()?;
        Some(table.get(&id).map_or(&[], Vec::as_slice))
    }
}

fn read(json: &[u8], value: &Value) -> Result<tokenizers::Tokenizer, LmError> {
    let unread = |why: String| LmError::Tokenizer(format!("tokenizer.json cannot be read: {why}"));
    token_limits::check(value).map_err(unread)?;
    guarded(|| tokenizers::Tokenizer::from_bytes(json).map_err(|e| e.to_string()))
        .unwrap_or_else(|| Err("its parts contradict each other".to_owned()))
        .map_err(unread)
}

fn value(json: &[u8]) -> Result<Value, LmError> {
    serde_json::from_slice(json).map_err(|e| LmError::Tokenizer(format!("tokenizer.json is not JSON: {e}")))
}

/// Bytes of each token of a byte-level vocabulary: every character of a spelling stands for one byte; an added token
/// with other characters stands for itself.
fn byte_table(tokenizer: &tokenizers::Tokenizer) -> HashMap<u32, Vec<u8>> {
    let alphabet = alphabet();
    let special: HashSet<u32> =
        tokenizer.get_added_tokens_decoder().iter().filter(|(_, t)| t.special).map(|(id, _)| *id).collect();
    let vocabulary = tokenizer.get_vocab(true);
    // A map, because ids need not be contiguous.
    let mut table = HashMap::with_capacity(vocabulary.len());
    for (spelling, id) in vocabulary {
        if !special.contains(&id) {
            let bytes: Option<Vec<u8>> = spelling.chars().map(|c| alphabet.get(&c).copied()).collect();
            table.insert(id, bytes.unwrap_or_else(|| spelling.into_bytes()));
        }
    }
    table
}

/// GPT-2's byte alphabet: printable bytes stand for themselves, the others for U+0100 and on.
fn alphabet() -> HashMap<char, u8> {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 0x100;
    (0..=u8::MAX)
        .map(|b| {
            let code = if printable(b) {
                u32::from(b)
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(code).unwrap_or_default(), b)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabet_is_gpt2s() {
        let map = alphabet();
        assert_eq!(map.len(), 256);
        assert_eq!(map[&'Ġ'], b' ');
        assert_eq!(map[&'Ċ'], b'\n');
        assert_eq!(map[&'A'], b'A');
    }

    /// A vocabulary as Llama 2's: pieces with ▁ for a space, bytes as `<0xE3>`.
    const PIECES: &str = r#"{
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true,
            "vocab": {"<s>": 0, "▁a": 1, "個": 2, "▁": 3, "b": 4, "<0xE3>": 5, "<0x81>": 6, "<0x82>": 7},
            "merges": []}
    }"#;

    fn byte_level() -> Tokenizer {
        let json = include_bytes!("../../../tests/golden/transformers/tied-gqa/tokenizer.json");
        Tokenizer::from_json(json).unwrap()
    }

    /// The pieces of a stream, joined, and its final text.
    fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> (String, String) {
        let mut stream = tokenizer.stream();
        let mut pieces = String::new();
        for id in ids {
            stream.push(*id);
            let piece = stream.take(stream.bytes().len());
            pieces.push_str(&piece);
        }
        stream.finish();
        let end = stream.bytes().len();
        pieces.push_str(&stream.rest(end));
        (pieces, stream.text(end))
    }

    #[test]
    fn text_comes_back() {
        let tokenizer = byte_level();
        let text = "りんごが3個あります。🍎 3 + 2 = 5";
        let ids = tokenizer.encode(text).unwrap();
        assert!(ids.len() > 10);
        assert_eq!(tokenizer.decode(&ids), text);
        assert_eq!(streamed(&tokenizer, &ids), (text.to_owned(), text.to_owned()));
    }

    #[test]
    fn half_a_character_waits() {
        let tokenizer = byte_level();
        let ids = tokenizer.encode("🍎").unwrap();
        assert_eq!(ids.len(), 4, "no merge for it in this vocabulary");
        let mut stream = tokenizer.stream();
        for id in &ids[..3] {
            stream.push(*id);
            assert_eq!(stream.take(stream.bytes().len()), "");
        }
        stream.push(ids[3]);
        assert_eq!(stream.take(4), "🍎");
    }

    #[test]
    fn pieces_with_spaces_and_bytes() {
        let tokenizer = Tokenizer::from_json(PIECES.as_bytes()).unwrap();
        // "a個 b" and あ (E3 81 82) by its bytes.
        let ids = [0, 1, 2, 3, 4, 5, 6, 7, 2];
        assert_eq!(tokenizer.decode(&ids), "a個 bあ個");
        assert_eq!(streamed(&tokenizer, &ids), ("a個 bあ個".to_owned(), "a個 bあ個".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn streams_say_what_decode_says(ids in proptest::collection::vec(0_u32..330, 0..60)) {
            let tokenizer = byte_level();
            let whole = tokenizer.inner.decode(&ids, true).unwrap();
            proptest::prop_assert_eq!(&tokenizer.decode(&ids), &whole);
            let (pieces, text) = streamed(&tokenizer, &ids);
            proptest::prop_assert_eq!(&pieces, &whole);
            proptest::prop_assert_eq!(&text, &whole);
        }
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(Tokenizer::from_json(b"{").is_err());
        assert!(Tokenizer::from_json(b"{}").is_err());
    }
}
