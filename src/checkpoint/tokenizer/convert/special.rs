//! Special and added tokens of a checkpoint without `tokenizer.json`. In: `tokenizer_config.json`,
//! `special_tokens_map.json` and `added_tokens.json`. Out: the list of added tokens with their ids, and the template
//! that adds special tokens around a text.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::sentencepiece_file::{Piece, PieceKind, SentencePieceModel};
use super::{Read, object};
use crate::checkpoint::tokenizer::token::SPECIAL_TOKEN_NAMES;
use crate::checkpoint::tokenizer::{Class, Token};

/// A token as these files write it: plain text is special, an object has a flag. `forced` overrides both.
fn read_token(value: &Value, forced: Option<bool>) -> Option<Token> {
    let mut token = Token::read(value, forced.unwrap_or(value.is_string()))?;
    if let Some(special) = forced {
        token.special = special;
        if value.get("normalized").and_then(Value::as_bool).is_none() {
            token.normalized = !special;
        }
    }
    Some(token)
}

/// A token in the form of `tokenizer.json`.
fn json_of(token: &Token, id: u32) -> Value {
    json!({
        "id": id, "content": token.content, "single_word": token.single_word, "lstrip": token.lstrip,
        "rstrip": token.rstrip, "normalized": token.normalized, "special": token.special,
    })
}

/// The text of a token named in a file.
pub(super) fn content(value: Option<&Value>) -> Option<String> {
    read_token(value?, None).map(|token| token.content)
}

/// Ids of the tokens in the model itself.
pub(super) struct Vocabulary<'a> {
    ids: HashMap<&'a str, u32>,
    size: u32,
}

impl<'a> Vocabulary<'a> {
    /// The ids in the `model` section of a `tokenizer.json`.
    pub(super) fn of(model: &'a Value) -> Self {
        let ids: HashMap<&str, u32> = match &model["vocab"] {
            Value::Object(map) => map
                .iter()
                .filter_map(|(t, id)| Some((t.as_str(), u32::try_from(id.as_u64()?).ok()?)))
                .collect(),
            Value::Array(list) => {
                let texts = list.iter().enumerate();
                texts.filter_map(|(id, pair)| Some((pair[0].as_str()?, id as u32))).collect()
            }
            _ => HashMap::new(),
        };
        let size = model["vocab"].as_array().map_or(ids.len(), Vec::len) as u32;
        Self { ids, size }
    }
}

/// Special and added tokens of the checkpoint's files.
pub(super) struct Special {
    /// Added tokens, by the ids in the files.
    added: BTreeMap<u32, Token>,
    /// Named tokens; `None` if a file says that there is no such token.
    named: Vec<(String, Option<Token>)>,
    /// Index into `named`, by name.
    places: HashMap<String, usize>,
    /// Special tokens without a name; if no file lists any, those of the sentencepiece model.
    extra: Option<Vec<Token>>,
    /// `additional_special_tokens` of `special_tokens_map.json`, the older name for them.
    additional: Vec<Token>,
}

impl Special {
    pub(super) fn read(own: &Map<String, Value>, read: Read<'_>) -> Result<Self, String> {
        let mut out = Self {
            added: BTreeMap::new(),
            named: Vec::new(),
            places: HashMap::new(),
            extra: None,
            additional: Vec::new(),
        };
        let list = |value: &Value| -> Vec<Token> {
            value.as_array().into_iter().flatten().filter_map(|t| read_token(t, None)).collect()
        };
        let filled = |key: &str| own.get(key).filter(|v| v.as_array().is_some_and(|a| !a.is_empty()));
        let extra = filled("extra_special_tokens").or_else(|| own.get("additional_special_tokens"));
        out.extra = extra.or_else(|| own.get("extra_special_tokens")).filter(|v| v.is_array()).map(list);
        for (key, value) in own {
            if key.ends_with("_token") && (value.is_null() || value.is_string() || value.is_object()) {
                out.set(key, read_token(value, None));
            }
        }
        if let Some(table) = own.get("added_tokens_decoder").and_then(Value::as_object) {
            for (id, token) in table {
                let id = id.parse().map_err(|_| {
                    format!("its added_tokens_decoder has a token {id:?}, which is no number")
                })?;
                let token = read_token(token, None).filter(|_| token.is_object());
                out.added.insert(
                    id,
                    token.ok_or_else(|| format!("its added_tokens_decoder's token {id} is none"))?,
                );
            }
        } else {
            out.older(read)?;
        }
        let by_text: HashMap<String, Token> =
            out.added.values().map(|t| (t.content.clone(), t.clone())).collect();
        for (_, token) in &mut out.named {
            if let Some(token) = token
                && let Some(same) = by_text.get(&token.content)
            {
                *token = same.clone();
            }
        }
        Ok(out)
    }

    /// Reads `special_tokens_map.json` and `added_tokens.json`, which apply if there is no table of added tokens.
    fn older(&mut self, read: Read<'_>) -> Result<(), String> {
        for (key, value) in object(read, "special_tokens_map.json")? {
            if let Value::Array(list) = &value {
                let more = list.iter().filter_map(|t| read_token(t, Some(true)));
                if key == "additional_special_tokens" {
                    self.additional = more.collect();
                } else if key == "extra_special_tokens" {
                    let all = self.extra.get_or_insert_default();
                    let mut known: HashSet<Token> = all.iter().cloned().collect();
                    all.extend(more.filter(|token| known.insert(token.clone())));
                }
            } else if key.ends_with("_token") {
                self.set(&key, read_token(&value, Some(true)));
            }
        }
        let named: HashSet<String> =
            self.tokens().chain(self.extra.iter().flatten()).map(|t| t.content.clone()).collect();
        for (text, id) in object(read, "added_tokens.json")? {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| format!("its added_tokens.json gives {text:?} no number"))?;
            self.added.insert(id, Token::plain(&text, named.contains(&text)));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, token: Option<Token>) {
        if let Some(place) = self.places.get(name) {
            self.named[*place].1 = token;
        } else {
            self.places.insert(name.to_owned(), self.named.len());
            self.named.push((name.to_owned(), token));
        }
    }

    fn default(&mut self, name: &str, text: &str) {
        if !self.places.contains_key(name) {
            self.set(name, Some(Token::plain(text, true)));
        }
    }

    /// The named tokens that exist, in transformers' order.
    fn tokens(&self) -> impl Iterator<Item = &Token> {
        let of = |name: &str| self.places.get(name).map(|place| &self.named[*place]);
        let usual = SPECIAL_TOKEN_NAMES.into_iter().filter_map(of);
        let others = self.named.iter().filter(|(n, _)| !SPECIAL_TOKEN_NAMES.contains(&n.as_str()));
        usual.chain(others).filter_map(|(_, token)| token.as_ref())
    }

    fn called(&self, name: &str) -> Option<&Token> {
        self.named[*self.places.get(name)?].1.as_ref()
    }

    /// Adds the class's default special tokens for names that the files leave out.
    pub(super) fn class(&mut self, class: Class) {
        for (name, text) in class.special_tokens() {
            self.default(name, text);
        }
        if matches!(class, Class::Qwen2 { .. } | Class::Gpt2 { .. }) && !self.additional.is_empty() {
            self.extra.get_or_insert_with(|| std::mem::take(&mut self.additional));
        }
    }

    /// Adds the sentencepiece model's own special tokens.
    pub(super) fn pieces(&mut self, model: &SentencePieceModel, class: Class) {
        self.class(class);
        let plain = class == Class::Backend;
        if plain {
            for (name, id, text) in [
                ("bos_token", model.bos_id, &model.bos),
                ("eos_token", model.eos_id, &model.eos),
                ("unk_token", model.unk_id, &model.unk),
            ] {
                if id >= 0 {
                    self.default(name, text);
                }
            }
        }
        if self.extra.is_none() {
            // Without a class, the pattern that splits words finds the user-defined pieces.
            let kinds =
                |kind: PieceKind| kind == PieceKind::Control || kind == PieceKind::UserDefined && !plain;
            let pieces = model.pieces.iter().filter(|p| kinds(p.kind));
            let token = |p: &Piece| Token {
                normalized: false,
                ..Token::plain(&p.text, p.kind == PieceKind::Control)
            };
            self.extra = Some(pieces.map(token).collect());
        }
    }

    /// Renames pieces to the names that `added_tokens_decoder` gives their ids.
    pub(super) fn rename(&self, model: &mut SentencePieceModel) {
        if model.unigram || self.added.is_empty() {
            return;
        }
        let kept: HashSet<String> = model
            .pieces
            .iter()
            .enumerate()
            .filter(|(id, _)| !self.added.contains_key(&(*id as u32)))
            .map(|(_, p)| p.text.clone())
            .collect();
        for (id, token) in &self.added {
            if let Some(piece) = model.pieces.get_mut(*id as usize)
                && !kept.contains(&token.content)
            {
                piece.text.clone_from(&token.content);
            }
        }
    }

    /// Added tokens are matched in the raw text, before normalisation.
    pub(super) fn match_raw_text(&mut self) {
        self.added.values_mut().for_each(|token| token.normalized = false);
    }

    /// The list of added tokens, and the post-processor that adds special tokens around a text.
    pub(super) fn placed(
        &self,
        vocabulary: &Vocabulary<'_>,
        own: &Map<String, Value>,
    ) -> (Vec<Value>, Value) {
        let mut all: Vec<Token> = self.added.values().cloned().collect();
        let known: HashSet<String> = all.iter().map(|t| t.content.clone()).collect();
        let mut taken: HashSet<Token> = all.iter().cloned().collect();
        let further = self.tokens().chain(self.extra.iter().flatten());
        for token in further.filter(|t| !known.contains(&t.content)) {
            if taken.insert(token.clone()) {
                all.push(token.clone());
            }
        }
        let names: HashSet<&str> = self.tokens().map(|t| t.content.as_str()).collect();
        let mut ids: HashMap<String, u32> = HashMap::new();
        let mut placed: BTreeMap<u32, Token> = BTreeMap::new();
        let mut next = vocabulary.size;
        for mut token in all.into_iter().filter(|t| !t.content.is_empty()) {
            token.special |= names.contains(&token.content.as_str());
            let id = vocabulary.ids.get(token.content.as_str()).or_else(|| ids.get(&token.content)).copied();
            let id = id.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            ids.insert(token.content.clone(), id);
            placed.insert(id, token);
        }
        let id =
            |token: &Token| ids.get(&token.content).or_else(|| vocabulary.ids.get(token.content.as_str()));
        let wanted = |key: &str, name: &str| {
            let asked = own.get(key).and_then(Value::as_bool).unwrap_or(false);
            self.called(name).filter(|_| asked).and_then(|t| Some((t.content.clone(), *id(t)?)))
        };
        let around = (wanted("add_bos_token", "bos_token"), wanted("add_eos_token", "eos_token"));
        (
            placed.iter().map(|(id, token)| json_of(token, *id)).collect(),
            template(around.0.as_ref(), around.1.as_ref()),
        )
    }
}

type Placed<'a> = Option<&'a (String, u32)>;

/// The special tokens before and after a text, and before and after each text of a pair.
fn template(bos: Placed<'_>, eos: Placed<'_>) -> Value {
    let one = |name: &str, kind: u32| {
        let special =
            |t: Placed<'_>| t.map(|(text, _)| json!({ "SpecialToken": { "id": text, "type_id": kind } }));
        let text = json!({ "Sequence": { "id": name, "type_id": kind } });
        [special(bos), Some(text), special(eos)].into_iter().flatten().collect::<Vec<_>>()
    };
    let tokens: Map<String, Value> = [bos, eos]
        .into_iter()
        .flatten()
        .map(|(text, id)| (text.clone(), json!({ "id": text, "ids": [id], "tokens": [text] })))
        .collect();
    let pair = [one("A", 0), one("B", 1)].concat();
    json!({
        "type": "TemplateProcessing", "single": one("A", 0), "pair": pair,
        "special_tokens": tokens,
    })
}
