//! A checkpoint's tokenizer files. In: an open checkpoint. Out: [`TokenizerFiles`], with every file read once:
//! `tokenizer.json` (or one made from the other files), the class, and the tokens to add. `lm` builds the tokenizer
//! from it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::class::{self, Class};
use super::json_file::{JsonKey, object};
use super::parts::Parts;
use super::token::{SPECIAL_TOKEN_NAMES, Token};
use crate::checkpoint::{Checkpoint, CheckpointError};

/// The complete description of a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerFiles {
    /// Bytes of `tokenizer.json`.
    pub json: Vec<u8>,
    /// There is no such file: it was made from the others, and already contains what its class builds and the tokens
    /// below.
    pub converted: bool,
    pub class: Class,
    /// Special tokens by name, including names that only this model has (`image_token`).
    pub named: Vec<(String, Token)>,
    /// Special tokens without a name.
    pub extra: Vec<Token>,
    /// Tokens to add, by the ids in the files.
    pub added: BTreeMap<u64, Token>,
    /// Special tokens that occur in a text are read as plain text.
    pub split_special: bool,
}

impl TokenizerFiles {
    /// Reads a checkpoint's files.
    ///
    /// # Errors
    /// A file is not JSON or is contradictory: file, key, and what to do.
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        let json = checkpoint.tokenizer_json()?.into_owned();
        let mut config = object(checkpoint, "tokenizer_config.json")?;
        let class = Class::named(&class::name(&checkpoint.config().raw, &config, Some(&json)), &config);
        let mut added = BTreeMap::new();
        let decoder = config.remove("added_tokens_decoder");
        let mut merged = config;
        if let Some(extra) = merged.remove("additional_special_tokens")
            && !merged.get("extra_special_tokens").is_some_and(is_something)
        {
            merged.insert("extra_special_tokens".to_owned(), extra);
        }
        let from = |key: &str| JsonKey { checkpoint, file: "tokenizer_config.json", key: key.to_owned() };
        if let Some(decoder) = decoder {
            let bad = || from("added_tokens_decoder").bad("must be an object of numbers and tokens");
            for (number, token) in decoder.as_object().ok_or_else(bad)? {
                let number = number.trim().parse().map_err(|_| bad())?;
                added
                    .insert(number, Token::read(token, false).filter(|_| token.is_object()).ok_or_else(bad)?);
            }
        } else {
            map_over(&mut merged, object(checkpoint, "special_tokens_map.json")?);
            if let (Some(extra), false) =
                (merged.remove("additional_special_tokens"), merged.contains_key("extra_special_tokens"))
            {
                merged.insert("extra_special_tokens".to_owned(), extra);
            }
            older(checkpoint, &merged, &json, &mut added)?;
        }
        let mut named = Vec::new();
        for name in SPECIAL_TOKEN_NAMES {
            let value = match merged.remove(name) {
                None => class.special_token(name).map(|text| Value::String(text.to_owned())),
                Some(Value::Null) => None,
                given => given,
            };
            let Some(value) = value else { continue };
            let token =
                Token::read(&value, true).ok_or_else(|| from(name).bad("must be a text or a token"))?;
            // A token that was already added keeps its flags.
            let known = added.values().find(|t: &&Token| t.content == token.content).cloned();
            named.push((name.to_owned(), known.unwrap_or(token)));
        }
        let extra = match merged.remove("extra_special_tokens") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) => {
                let token = |v: &Value| Token::read(v, true);
                let all: Option<Vec<Token>> = all.iter().map(token).collect();
                all.ok_or_else(|| from("extra_special_tokens").bad("must be a list of texts or tokens"))?
            }
            Some(Value::Object(all)) => {
                for (name, value) in &all {
                    let token = Token::read(value, true);
                    named.push((
                        name.clone(),
                        token.ok_or_else(|| from(name).bad("must be a text or a token"))?,
                    ));
                }
                Vec::new()
            }
            Some(_) => return Err(from("extra_special_tokens").bad("must be a list or an object")),
        };
        for (name, value) in &merged {
            let own = name.ends_with("_token") && (value.is_string() || is_typed(value));
            if let Some(token) = Token::read(value, true).filter(|_| own) {
                named.push((name.clone(), token));
            }
        }
        let split_special = merged.get("split_special_tokens") == Some(&Value::Bool(true));
        Ok(Self {
            json,
            converted: !checkpoint.has_tokenizer_json(),
            class,
            named,
            extra,
            added,
            split_special,
        })
    }

    /// The text of a special token by name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(n, _)| n == name).map(|(_, token)| token.content.as_str())
    }

    /// The parts that the class builds in place of `tokenizer.json`'s own; `None` if `tokenizer.json` is used
    /// unchanged.
    #[must_use]
    pub fn parts(&self) -> Option<Parts> {
        if self.converted { None } else { self.class.parts(self.named("unk_token")) }
    }
}

/// Overrides `tokenizer_config.json` with the values of `special_tokens_map.json`.
fn map_over(config: &mut Map<String, Value>, map: Map<String, Value>) {
    for (key, value) in map {
        match (key.as_str(), value, config.get_mut("extra_special_tokens")) {
            ("extra_special_tokens", Value::Array(more), Some(Value::Array(all))) => {
                let more: Vec<Value> = more.into_iter().filter(|t| !all.contains(t)).collect();
                all.extend(more);
            }
            (_, value, _) => {
                config.insert(key, value);
            }
        }
    }
}

/// The tokens of `added_tokens.json` and of `tokenizer.json`: they apply if `tokenizer_config.json` lists none.
fn older(
    checkpoint: &Checkpoint,
    config: &Map<String, Value>,
    tokenizer: &[u8],
    added: &mut BTreeMap<u64, Token>,
) -> Result<(), CheckpointError> {
    let special = |text: &str| {
        let is = |v: &Value| Token::read(v, true).is_some_and(|t| t.content == text);
        let listed = config.get("extra_special_tokens").and_then(Value::as_array);
        SPECIAL_TOKEN_NAMES.iter().filter_map(|name| config.get(*name)).any(is)
            || listed.is_some_and(|all| all.iter().any(is))
    };
    for (text, number) in object(checkpoint, "added_tokens.json")? {
        let place = JsonKey { checkpoint, file: "added_tokens.json", key: text.clone() };
        let number = number.as_u64().ok_or_else(|| place.bad("must be the token's number"))?;
        let special = special(&text);
        added.insert(number, Token::plain(&text, special));
    }
    let json: Value = serde_json::from_slice(tokenizer).unwrap_or_default();
    for entry in json["added_tokens"].as_array().into_iter().flatten() {
        if let (Some(number), Some(token)) = (entry["id"].as_u64(), Token::read(entry, false)) {
            added.insert(number, token);
        }
    }
    Ok(())
}

/// Whether the value is true in Python.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn is_typed(value: &Value) -> bool {
    value.get("__type").and_then(Value::as_str) == Some("AddedToken")
}
