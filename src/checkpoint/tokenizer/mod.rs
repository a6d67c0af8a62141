//! A `tokenizer.json` for checkpoints that have none: from a sentencepiece model (`tokenizer.model`), or
//! from a byte-level BPE's `vocab.json` and `merges.txt`, as transformers 5.24 makes a tokenizer of them.
//! Token ids are the same; `tests/golden/sentencepiece` has them.

mod bytes;
mod class;
mod merges;
mod pieces;
mod proto;
mod special;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::CheckpointError;
use crate::checkpoint::untrusted::printable;
use class::Class;
use special::Special;

const SPIECE: &str = "tokenizer.model";
const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";

/// How one of the checkpoint's small files is read.
pub(super) type Read<'a> = &'a dyn Fn(&str) -> Option<Cow<'a, [u8]>>;

/// A tokenizer's parts, in `tokenizer.json`'s words, but for its added tokens.
struct Parts {
    model: Value,
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
}

/// Makes a `tokenizer.json` of the other files of the checkpoint `reference`.
pub(super) fn make(reference: &str, config: &Value, read: Read<'_>) -> Result<Vec<u8>, CheckpointError> {
    let refused = |what: String| CheckpointError::Tokenizer { path: reference.to_owned(), what };
    let own = object(read, "tokenizer_config.json").map_err(refused)?;
    let class = class::choose(config, &own).map_err(|name| refused(unknown(reference, &name)))?;
    let (parts, special) = match class {
        Class::Qwen2 | Class::Gpt2 => bytes(reference, class, &own, read),
        Class::Llama | Class::Gemma | Class::Plain => spiece(reference, class, &own, read),
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

fn spiece(
    reference: &str,
    class: Class,
    own: &Map<String, Value>,
    read: Read<'_>,
) -> Result<(Parts, Special), String> {
    let Some(bytes) = read(SPIECE) else { return Err(absent(reference, class, read)) };
    if is_tiktoken(&bytes) {
        return Err(format!("its {SPIECE} is a list of tokens in base64 (tiktoken); {}", convert(reference)));
    }
    let mut model = proto::read(&bytes).map_err(|why| format!("its {SPIECE} {why}; fetch it again"))?;
    let mut special = Special::read(own, read)?;
    let parts = match class {
        Class::Llama => pieces::llama(&model, own),
        Class::Gemma => pieces::gemma(&model, own),
        _ => {
            special.rename(&mut model);
            pieces::plain(&model, own, &mut special)
        }
    };
    special.pieces(&model, class);
    Ok((parts, special))
}

fn bytes(
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
    Ok((bytes::parts(class, own, &vocab, &merges)?, special))
}

/// What to say where the files of a class are not there.
fn absent(reference: &str, class: Class, read: Read<'_>) -> String {
    let wanted =
        if matches!(class, Class::Qwen2 | Class::Gpt2) { "vocab.json and merges.txt" } else { SPIECE };
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
    let name = crate::checkpoint::untrusted::quoted(reference);
    format!(
        "convert it with transformers: python -c \"from transformers import AutoTokenizer as T; \
         T.from_pretrained('{name}').save_pretrained('{name}')\""
    )
}

/// Lines of a token in base64 and its rank.
fn is_tiktoken(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let Some((token, rank)) = std::str::from_utf8(line).ok().and_then(|l| l.trim().split_once(' ')) else {
        return false;
    };
    !token.is_empty()
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
        && rank.parse::<u32>().is_ok()
}

/// A JSON file's object; empty where there is no such file.
fn object(read: Read<'_>, name: &str) -> Result<Map<String, Value>, String> {
    let Some(bytes) = read(name) else { return Ok(Map::new()) };
    serde_json::from_slice(&bytes).map_err(|e| format!("its {name} is not the JSON of an object: {e}"))
}
