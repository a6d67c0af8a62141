//! Makes a `tokenizer.json` for checkpoints without one. In: a sentencepiece model (`tokenizer.model`), or a byte-level
//! BPE's `vocab.json` and `merges.txt`, with the special tokens of the files next to them. Out: the bytes of a
//! `tokenizer.json` that gives the token ids of transformers 5.24 (`tests/golden/sentencepiece`).
//! `Checkpoint::tokenizer_json` calls it.

mod byte_level;
mod merges;
mod sentencepiece;
mod sentencepiece_file;
mod special;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::class::{self, Class};
use super::parts::Parts;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::untrusted::{printable, quoted};
use special::Special;

const SPIECE: &str = "tokenizer.model";
const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";

/// A function that reads one of the checkpoint's small files.
pub(in crate::checkpoint) type Read<'a> = &'a dyn Fn(&str) -> Option<Cow<'a, [u8]>>;

/// Other classes of transformers 5.24 that build their own tokenizer; they are not supported.
const OTHERS: [&str; 16] = [
    "BloomTokenizer",
    "CamembertTokenizer",
    "CodeGenTokenizer",
    "CodeLlamaTokenizer",
    "CohereTokenizer",
    "GPTNeoXTokenizer",
    "GPTNeoXJapaneseTokenizer",
    "BertTokenizer",
    "BertJapaneseTokenizer",
    "MBartTokenizer",
    "NllbTokenizer",
    "RobertaTokenizer",
    "T5Tokenizer",
    "XGLMTokenizer",
    "XLMRobertaTokenizer",
    "XLNetTokenizer",
];

/// Makes a `tokenizer.json` from the other files of the checkpoint `reference`.
pub(in crate::checkpoint) fn make(
    reference: &str,
    config: &Value,
    read: Read<'_>,
) -> Result<Vec<u8>, CheckpointError> {
    let refused = |what: String| CheckpointError::Tokenizer { path: reference.to_owned(), what };
    let own = object(read, "tokenizer_config.json").map_err(refused)?;
    let name = class::name(config, &own, None);
    if OTHERS.contains(&name.as_str()) {
        return Err(refused(unknown(reference, &name)));
    }
    let class = Class::named(&name, &own);
    let (parts, special) = if is_byte_level(class) {
        byte_level(reference, class, &own, read)
    } else {
        sentencepiece(reference, class, &own, read)
    }
    .map_err(refused)?;
    let vocabulary = special::Vocabulary::of(&parts.model);
    let (added, post_processor) = special.placed(&vocabulary, &own);
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": parts.normalizer, "pre_tokenizer": parts.pre_tokenizer, "post_processor": post_processor,
        "decoder": parts.decoder, "model": parts.model,
    });
    Ok(json.to_string().into_bytes())
}

fn sentencepiece(
    reference: &str,
    class: Class,
    own: &Map<String, Value>,
    read: Read<'_>,
) -> Result<(Parts, Special), String> {
    let Some(bytes) = read(SPIECE) else { return Err(absent(reference, class, read)) };
    if is_tiktoken(&bytes) {
        return Err(format!("its {SPIECE} is a list of tokens in base64 (tiktoken); {}", convert(reference)));
    }
    let mut model =
        sentencepiece_file::read(&bytes).map_err(|why| format!("its {SPIECE} {why}; fetch it again"))?;
    let mut special = Special::read(own, read)?;
    let unk = special::content(own.get("unk_token")).unwrap_or_else(|| "<unk>".to_owned());
    let parts = if let Some(parts) = class.parts(Some(&unk)) {
        sentencepiece::of_class(&model, parts)
    } else {
        special.rename(&mut model);
        sentencepiece::by_itself(&model, own, &mut special)
    };
    special.pieces(&model, class);
    Ok((parts, special))
}

fn byte_level(
    reference: &str,
    class: Class,
    own: &Map<String, Value>,
    read: Read<'_>,
) -> Result<(Parts, Special), String> {
    let (Some(vocab), Some(merges)) = (read(VOCAB), read(MERGES)) else {
        return Err(absent(reference, class, read));
    };
    let mut special = Special::read(own, read)?;
    special.class(class);
    Ok((byte_level::parts(class, &vocab, &merges)?, special))
}

/// Whether the class reads `vocab.json` and `merges.txt`.
fn is_byte_level(class: Class) -> bool {
    matches!(class, Class::Qwen2 { .. } | Class::Gpt2 { .. })
}

/// The message for missing files of a class.
fn absent(reference: &str, class: Class, read: Read<'_>) -> String {
    let wanted = if is_byte_level(class) { "vocab.json and merges.txt" } else { SPIECE };
    let found = [SPIECE, VOCAB, MERGES, "tekken.json", "vocab.txt", "spiece.model"];
    let found: Vec<&str> = found.into_iter().filter(|name| read(name).is_some()).collect();
    if found.is_empty() {
        return format!(
            "it has no tokenizer.json, nor {wanted} to make one of; put its tokenizer's files beside its weights"
        );
    }
    format!(
        "of {} no tokenizer of its kind can be made (a tokenizer.json or {wanted} is read); {}",
        found.join(" and "),
        convert(reference)
    )
}

fn unknown(reference: &str, class: &str) -> String {
    format!(
        "it has no tokenizer.json, and its tokenizer_class {} is not made of other files here; {}",
        printable(class),
        convert(reference)
    )
}

fn convert(reference: &str) -> String {
    let name = quoted(reference);
    format!(
        "convert it with transformers: python -c \"from transformers import AutoTokenizer as T; \
         T.from_pretrained('{name}').save_pretrained('{name}')\""
    )
}

/// Lines with a token in base64 and its rank.
fn is_tiktoken(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let Some((token, rank)) = std::str::from_utf8(line).ok().and_then(|l| l.trim().split_once(' ')) else {
        return false;
    };
    !token.is_empty()
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
        && rank.parse::<u32>().is_ok()
}

/// A JSON file's object; empty if the file is missing.
fn object(read: Read<'_>, name: &str) -> Result<Map<String, Value>, String> {
    let Some(bytes) = read(name) else { return Ok(Map::new()) };
    serde_json::from_slice(&bytes).map_err(|e| format!("its {name} is not the JSON of an object: {e}"))
}
