//! A tokenizer from all of a checkpoint's files, as transformers 5 builds it: the parts of its class put into
//! `tokenizer.json`, then the tokens that the files add.

use serde_json::{Value, json};
use tokenizers::AddedToken;

use crate::checkpoint::{Class, Parts, Token, TokenizerFiles};
use crate::lm::LmError;

/// The `tokenizer.json` that a class makes of the checkpoint's: its vocabulary, merges and post-processor stay.
pub(super) fn as_class(mut json: Value, class: Class, parts: Parts) -> Result<Value, LmError> {
    let Some(top) = json.as_object_mut() else {
        return Err(LmError::Tokenizer("tokenizer.json is not a JSON object".to_owned()));
    };
    let Some(model) = top.get_mut("model").and_then(Value::as_object_mut) else {
        return Err(LmError::Tokenizer("tokenizer.json has no model".to_owned()));
    };
    // A list of pairs, as unigram models have it: a token's index is its id.
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
    let parts = parts.with(vocab, merges);
    top.insert("model".to_owned(), parts.model);
    top.insert("normalizer".to_owned(), parts.normalizer);
    top.insert("pre_tokenizer".to_owned(), parts.pre_tokenizer);
    top.insert("decoder".to_owned(), parts.decoder);
    if matches!(class, Class::NeoX { .. }) {
        top.insert("post_processor".to_owned(), Value::Null);
    }
    top.insert("added_tokens".to_owned(), json!([]));
    Ok(json)
}

/// Adds what the files name and the tokenizer lacks, in transformers' order.
pub(super) fn add(inner: &mut tokenizers::Tokenizer, files: &TokenizerFiles) -> Result<(), LmError> {
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
        // These classes add their special tokens a second time, as special.
        Class::Qwen2 { .. } | Class::Cohere { .. } => {
            let all = files.named.iter().map(|(_, t)| t).chain(&files.extra);
            let again =
                |t: &Token| Token { special: true, normalized: false, ..Token::plain(&t.content, false) };
            put(inner, all.map(again).collect())
        }
        _ => Ok(()),
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
