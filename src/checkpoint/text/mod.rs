//! What a checkpoint's files say about text beside `tokenizer.json`, read as transformers 5 reads them:
//! `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`, the chat templates, and which
//! tokens end an answer.
//!
//! | file, key | counts |
//! |---|---|
//! | `tokenizer.json`: `truncation`, `padding` | never |
//! | `tokenizer_config.json`: `tokenizer_class` | chooses the [`Class`], with the model's family |
//! | … `bos_token`, `eos_token`, … | text or object; what is left out is the class's own |
//! | … `added_tokens_decoder` | added to the tokenizer; where it is there, the next two files do not count |
//! | `special_tokens_map.json` | before `tokenizer_config.json` |
//! | `added_tokens.json` | added to the tokenizer |
//! | … `add_bos_token`, `add_eos_token` | never: `tokenizer.json`'s own post-processor counts |
//! | `chat_template.jinja`, `additional_chat_templates/*.jinja` | before `chat_template` of `tokenizer_config.json` |
//! | `generation_config.json`: `eos_token_id` | alone where the file is there; else `config.json`'s |

mod class;
mod ends;
mod templates;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use class::Class;
pub use ends::end_tokens;
pub use templates::{chat_template, has_chat_template};

use super::{Checkpoint, CheckpointError};

/// Special tokens that have a name of their own, in transformers' order.
pub const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token that was added to a tokenizer's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub content: String,
    /// Matches whole words alone.
    pub single_word: bool,
    /// Takes the whitespace before it, behind it.
    pub lstrip: bool,
    pub rstrip: bool,
    /// Is looked for in the normalized text.
    pub normalized: bool,
    /// Is no text.
    pub special: bool,
}

/// What the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFiles {
    pub class: Class,
    /// Special tokens by name, those of a model's own (`image_token`) too.
    pub named: Vec<(String, Token)>,
    /// Special tokens without a name.
    pub extra: Vec<Token>,
    /// Tokens to be added, by the number that the files give them.
    pub added: BTreeMap<u64, Token>,
    /// Special tokens in a text are read as text.
    pub split_special: bool,
}

impl TextFiles {
    /// Reads a checkpoint's files.
    ///
    /// # Errors
    /// A file that is not JSON or says something that cannot be: file, key, and what to do.
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        let tokenizer = checkpoint.tokenizer_json()?;
        let mut config = object(checkpoint, "tokenizer_config.json")?;
        let class = Class::of(checkpoint.config().model_type.as_str(), &config, &tokenizer);
        let mut added = BTreeMap::new();
        let decoder = config.remove("added_tokens_decoder");
        let mut merged = config;
        if let Some(extra) = merged.remove("additional_special_tokens")
            && !merged.get("extra_special_tokens").is_some_and(is_something)
        {
            merged.insert("extra_special_tokens".to_owned(), extra);
        }
        let from = |key: &str| File { checkpoint, name: "tokenizer_config.json", key: key.to_owned() };
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
            older(checkpoint, &merged, &tokenizer, &mut added)?;
        }
        let mut named = Vec::new();
        for name in NAMED {
            let value = match merged.remove(name) {
                None => class.default(name).map(|text| Value::String(text.to_owned())),
                Some(Value::Null) => None,
                given => given,
            };
            let Some(value) = value else { continue };
            let token =
                Token::read(&value, true).ok_or_else(|| from(name).bad("must be a text or a token"))?;
            // A token that was added keeps its flags.
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
        Ok(Self { class, named, extra, added, split_special })
    }

    /// The text of a special token by name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(n, _)| n == name).map(|(_, token)| token.content.as_str())
    }
}

/// What `special_tokens_map.json` says goes over what the config says.
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

/// Tokens of `added_tokens.json` and of `tokenizer.json`, where the config lists none.
fn older(
    checkpoint: &Checkpoint,
    config: &Map<String, Value>,
    tokenizer: &[u8],
    added: &mut BTreeMap<u64, Token>,
) -> Result<(), CheckpointError> {
    let special = |text: &str| {
        let is = |v: &Value| Token::read(v, true).is_some_and(|t| t.content == text);
        let listed = config.get("extra_special_tokens").and_then(Value::as_array);
        NAMED.iter().filter_map(|name| config.get(*name)).any(is)
            || listed.is_some_and(|all| all.iter().any(is))
    };
    for (text, number) in object(checkpoint, "added_tokens.json")? {
        let file = File { checkpoint, name: "added_tokens.json", key: text.clone() };
        let number = number.as_u64().ok_or_else(|| file.bad("must be the token's number"))?;
        let special = special(&text);
        added.insert(number, Token { special, normalized: !special, ..Token::plain(text) });
    }
    let json: Value = serde_json::from_slice(tokenizer).unwrap_or_default();
    for entry in json["added_tokens"].as_array().into_iter().flatten() {
        if let (Some(number), Some(token)) = (entry["id"].as_u64(), Token::read(entry, false)) {
            added.insert(number, token);
        }
    }
    Ok(())
}

impl Token {
    fn plain(content: String) -> Self {
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: true, special: false }
    }

    /// A token as a text, or as an object; a text is special where `special` is said.
    fn read(value: &Value, special: bool) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self { special, normalized: !special, ..Self::plain(text.to_owned()) });
        }
        let content = value.get("content")?.as_str()?.to_owned();
        let flag = |key: &str| value.get(key).and_then(Value::as_bool);
        let special = flag("special").unwrap_or(special);
        Some(Self {
            content,
            single_word: flag("single_word").unwrap_or(false),
            lstrip: flag("lstrip").unwrap_or(false),
            rstrip: flag("rstrip").unwrap_or(false),
            normalized: flag("normalized").unwrap_or(!special),
            special,
        })
    }
}

/// A place in a checkpoint's file, for messages.
struct File<'a> {
    checkpoint: &'a Checkpoint,
    name: &'static str,
    key: String,
}

impl File<'_> {
    fn bad(&self, problem: &str) -> CheckpointError {
        CheckpointError::Config {
            file: format!("{}: {}", self.checkpoint.reference(), self.name),
            key: self.key.clone(),
            problem: problem.to_owned(),
        }
    }
}

/// Whether Python would call it true.
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

/// A JSON file's object; empty where there is none.
fn object(checkpoint: &Checkpoint, name: &'static str) -> Result<Map<String, Value>, CheckpointError> {
    let Some(bytes) = checkpoint.file(name) else { return Ok(Map::new()) };
    let damaged = |problem: String| CheckpointError::Damaged {
        file: format!("{}: {name}", checkpoint.reference()),
        problem,
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(damaged("is not a JSON object".to_owned())),
        Err(e) => Err(damaged(format!("is not JSON ({e})"))),
    }
}
