//! A checkpoint's tokenizer from all of its files, as transformers 5 builds it.

use serde_json::{Value, json};
use tokenizers::AddedToken;

use crate::checkpoint::{Class, TextFiles, Token};
use crate::lm::LmError;

/// How Qwen 2 cuts a text.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The `tokenizer.json` that a class which builds its own makes of the checkpoint's.
pub(super) fn as_class(mut json: Value, files: &TextFiles) -> Result<Value, LmError> {
    let Some(top) = json.as_object_mut() else {
        return Err(LmError::Tokenizer("tokenizer.json is not a JSON object".to_owned()));
    };
    let parts = parts(files.class, files);
    let Some(model) = top.get_mut("model").and_then(Value::as_object_mut) else {
        return Err(LmError::Tokenizer("tokenizer.json has no model".to_owned()));
    };
    // A list of pairs, as of other kinds of models: their places are the numbers.
    if let Some(Value::Array(list)) = model.get("vocab") {
        let name = |v: &Value| v.as_str().or(v[0].as_str()).map(str::to_owned);
        let vocab: Option<serde_json::Map<String, Value>> =
            list.iter().enumerate().map(|(id, v)| Some((name(v)?, json!(id)))).collect();
        let vocab =
            vocab.ok_or_else(|| LmError::Tokenizer("tokenizer.json has a broken vocabulary".to_owned()))?;
        model.insert("vocab".to_owned(), Value::Object(vocab));
    }
    let vocab = model.remove("vocab").unwrap_or_else(|| json!({}));
    let merges = model.remove("merges").unwrap_or_else(|| json!([]));
    let mut made = parts.model;
    made["type"] = json!("BPE");
    made["vocab"] = vocab;
    made["merges"] = merges;
    top.insert("model".to_owned(), made);
    top.insert("normalizer".to_owned(), parts.normalizer);
    top.insert("pre_tokenizer".to_owned(), parts.pre_tokenizer);
    top.insert("decoder".to_owned(), parts.decoder);
    if matches!(files.class, Class::NeoX { .. }) {
        top.insert("post_processor".to_owned(), Value::Null);
    }
    top.insert("added_tokens".to_owned(), json!([]));
    Ok(json)
}

/// What a class makes itself.
struct Parts {
    model: Value,
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
}

fn parts(class: Class, files: &TextFiles) -> Parts {
    let bytes = |prefix: bool, regex: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex});
    let byte_model = || {
        json!({"dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
               "fuse_unk": false, "byte_fallback": false, "ignore_merges": false})
    };
    let piece_model = |unk: Option<&str>| {
        json!({"dropout": null, "unk_token": unk, "continuing_subword_prefix": null,
               "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false})
    };
    let nfc = || json!({"type": "NFC"});
    let of_bytes = |normalizer: Value, pre_tokenizer: Value| Parts {
        model: byte_model(),
        normalizer,
        pre_tokenizer,
        decoder: bytes(true, true),
    };
    let pieces = || {
        vec![
            json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
        ]
    };
    match class {
        Class::File => of_bytes(Value::Null, Value::Null),
        Class::Llama { prefix, always } => {
            let scheme = match (prefix, always) {
                (false, _) => "never",
                (true, true) => "always",
                (true, false) => "first",
            };
            let mut decoders = pieces();
            if prefix {
                decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
            }
            Parts {
                model: piece_model(None),
                normalizer: Value::Null,
                pre_tokenizer: json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme,
                                      "split": false}),
                decoder: json!({"type": "Sequence", "decoders": decoders}),
            }
        }
        Class::Gemma => Parts {
            model: piece_model(files.named("unk_token")),
            normalizer: json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
            pre_tokenizer: json!({"type": "Split", "pattern": {"String": " "},
                                  "behavior": "MergedWithPrevious", "invert": false}),
            decoder: json!({"type": "Sequence", "decoders": pieces()}),
        },
        Class::Qwen2 => {
            let cut = json!({"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated",
                             "invert": false});
            let all = json!({"type": "Sequence", "pretokenizers": [cut, bytes(false, false)]});
            of_bytes(nfc(), all)
        }
        Class::Gpt2 { prefix } => of_bytes(Value::Null, bytes(prefix, true)),
        Class::NeoX { prefix } => of_bytes(nfc(), bytes(prefix, true)),
        Class::Cohere { prefix } => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            of_bytes(nfc(), json!({"type": "Sequence", "pretokenizers": [digits, bytes(prefix, true)]}))
        }
    }
}

/// Adds what the files name and the tokenizer lacks, in transformers' order.
pub(super) fn add(inner: &mut tokenizers::Tokenizer, files: &TextFiles) -> Result<(), LmError> {
    let mut tokens: Vec<Token> = files.added.values().cloned().collect();
    let mut known: Vec<String> =
        inner.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
    known.extend(tokens.iter().map(|t| t.content.clone()));
    let named = files.named.iter().map(|(_, token)| token);
    let is_named = |content: &str| files.named.iter().any(|(_, t)| t.content == content);
    for token in named.chain(&files.extra) {
        if !known.contains(&token.content) {
            known.push(token.content.clone());
            tokens.push(token.clone());
        }
    }
    for token in &mut tokens {
        token.special |= is_named(&token.content);
    }
    put(inner, tokens)?;
    match files.class {
        // These say once more of their special tokens that they are.
        Class::Qwen2 | Class::Cohere { .. } => {
            let all = files.named.iter().map(|(_, t)| t).chain(&files.extra);
            let again = |t: &Token| Token { special: true, normalized: false, ..plain(&t.content) };
            put(inner, all.map(again).collect())
        }
        _ => Ok(()),
    }
}

fn plain(content: &str) -> Token {
    Token {
        content: content.to_owned(),
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: true,
        special: false,
    }
}

fn put(inner: &mut tokenizers::Tokenizer, tokens: Vec<Token>) -> Result<(), LmError> {
    let made = tokens.into_iter().map(|t| {
        AddedToken::from(t.content, t.special)
            .single_word(t.single_word)
            .lstrip(t.lstrip)
            .rstrip(t.rstrip)
            .normalized(t.normalized)
    });
    let made: Vec<AddedToken> = made.collect();
    inner
        .add_tokens(made)
        .map(|_| ())
        .map_err(|e| LmError::Tokenizer(format!("a token cannot be added: {e}")))
}
