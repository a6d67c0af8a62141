//! The tokens of a model as its `tokenizer.json` lists them, and the merge's list built from several models. `vocab`
//! calls it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::checkpoint::Checkpoint;

use crate::merge::MergeError;

/// A tokenizer, and the embedding row of each token.
#[derive(Clone)]
pub(super) struct Tokens {
    /// The content of `tokenizer.json`.
    pub(super) json: Value,
    /// Row of each token that has one.
    pub(super) ids: HashMap<String, u32>,
}

impl Tokens {
    /// Reads a model's tokenizer. Tokens without an embedding row are left out.
    pub(super) fn read(model: &Checkpoint) -> Result<Self, MergeError> {
        let bad = |problem: &str| MergeError::Vocabulary {
            model: model.reference().to_owned(),
            problem: format!("its tokenizer.json {problem}"),
        };
        let json: Value = serde_json::from_slice(&model.tokenizer_json()?)
            .map_err(|e| bad(&format!("is not JSON: {e}")))?;
        let mut ids = HashMap::new();
        match json.pointer("/model/vocab") {
            Some(Value::Object(vocab)) => {
                for (token, id) in vocab {
                    ids.insert(token.clone(), id_of(id).ok_or_else(|| bad("gives a token no number"))?);
                }
            }
            // Unigram: pairs of token and score, in the order of their ids.
            Some(Value::Array(vocab)) => {
                for (id, pair) in vocab.iter().enumerate() {
                    let token =
                        pair.get(0).and_then(Value::as_str).ok_or_else(|| bad("holds a broken pair"))?;
                    ids.insert(token.to_owned(), id as u32);
                }
            }
            _ => return Err(bad("has no model.vocab")),
        }
        for entry in added(&json) {
            let token = entry.get("content").and_then(Value::as_str);
            let id = entry.get("id").and_then(id_of);
            let (Some(token), Some(id)) = (token, id) else { return Err(bad("has a broken added token")) };
            ids.insert(token.to_owned(), id);
        }
        let rows = model.config().vocab_size;
        let mut out = Self { json, ids };
        out.strip(rows).map_err(|problem| bad(&problem))?;
        Ok(out)
    }

    /// Removes tokens without an embedding from the tokenizer.
    fn strip(&mut self, rows: usize) -> Result<(), String> {
        let gone: HashSet<String> =
            self.ids.iter().filter(|(_, id)| **id as usize >= rows).map(|(token, _)| token.clone()).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.ids.retain(|token, _| !gone.contains(token));
        if let Some(list) = self.json.get_mut("added_tokens").and_then(Value::as_array_mut) {
            list.retain(|e| e.get("content").and_then(Value::as_str).is_none_or(|t| !gone.contains(t)));
        }
        let in_model = match self.json.pointer_mut("/model/vocab") {
            Some(Value::Object(vocab)) => {
                let before = vocab.len();
                vocab.retain(|token, _| !gone.contains(token));
                before - vocab.len()
            }
            Some(Value::Array(vocab)) => vocab.len().saturating_sub(rows),
            _ => 0,
        };
        if in_model == 0 {
            return Ok(());
        }
        let kind = self.json.pointer("/model/type").and_then(Value::as_str).unwrap_or("BPE").to_owned();
        if kind != "BPE" {
            return Err(format!(
                "lists {in_model} tokens more than there are embeddings ({rows}), which can be taken out of BPE only, not of {kind}"
            ));
        }
        if let Some(merges) = self.json.pointer_mut("/model/merges").and_then(Value::as_array_mut) {
            let whole = |merge: &Value| match merge {
                Value::String(pair) => pair.split(' ').all(|t| !gone.contains(t)),
                Value::Array(pair) => pair.iter().filter_map(Value::as_str).all(|t| !gone.contains(t)),
                _ => true,
            };
            merges.retain(whole);
        }
        Ok(())
    }

    /// The added tokens with their flags, in id order.
    fn added(&self) -> Vec<Value> {
        let mut out: Vec<Value> = added(&self.json).cloned().collect();
        out.sort_by_key(|e| e.get("id").and_then(id_of));
        out
    }

    /// Tokens in row order.
    pub(super) fn in_order(&self) -> BTreeMap<u32, &str> {
        self.ids.iter().map(|(token, id)| (*id, token.as_str())).collect()
    }

    /// The first of the `rows` first rows that is not the same token in `other`, and this tokenizer's token there, else
    /// the other's. Rows that both leave unused are the same.
    pub(super) fn first_unlike(&self, other: &Self, rows: usize) -> Option<(u32, String)> {
        let alone = |one: &Self, other: &Self| {
            let unlike =
                |(token, id): &(&String, &u32)| (**id as usize) < rows && other.ids.get(*token) != Some(*id);
            one.ids.iter().filter(unlike).map(|(token, id)| (*id, token.clone())).min()
        };
        alone(self, other).or_else(|| alone(other, self))
    }

    /// One row for each token, and one for each unused number below the highest.
    pub(super) fn rows(&self) -> usize {
        self.ids.values().max().map_or(0, |id| *id as usize + 1)
    }

    /// Adds tokens, each with the flags of an entry or as a plain token. A token that the tokenizer has keeps its row;
    /// a token that was already added also keeps its flags.
    fn add<'a>(&mut self, tokens: impl Iterator<Item = (String, Option<&'a Value>)>) {
        let plain = json!({"single_word": false, "lstrip": false, "rstrip": false, "normalized": true,
                           "special": false});
        let mut listed: HashSet<String> = added(&self.json).filter_map(content).collect();
        let mut next = self.rows() as u32;
        let mut entries = Vec::new();
        for (token, like) in tokens {
            let known = self.ids.get(&token).copied();
            if token.is_empty() || listed.contains(&token) || known.is_some() && like.is_none() {
                continue;
            }
            let id = known.unwrap_or(next);
            next = next.max(id + 1);
            let mut entry = like.unwrap_or(&plain).as_object().cloned().unwrap_or_default();
            entry.insert("id".to_owned(), id.into());
            entry.insert("content".to_owned(), token.as_str().into());
            entries.push(Value::Object(entry));
            self.ids.insert(token.clone(), id);
            listed.insert(token);
        }
        if let Value::Object(top) = &mut self.json
            && let Value::Array(list) = top.entry("added_tokens").or_insert_with(|| json!([]))
        {
            list.extend(entries);
        }
    }

    /// Every token of `models`: this tokenizer's tokens keep their rows. The others follow, first those that belong to
    /// their tokenizer itself, then added tokens, like mergekit's union. (Where mergekit has no fixed order, the order
    /// here is by model and row.)
    pub(super) fn unite(&mut self, models: &[Self]) {
        let entries: Vec<Value> = models.iter().flat_map(Self::added).collect();
        let apart: HashSet<String> = entries.iter().filter_map(content).collect();
        let plain: Vec<String> = models
            .iter()
            .flat_map(|m| m.in_order().into_values())
            .filter(|t| !apart.contains(*t))
            .map(str::to_owned)
            .collect();
        self.extend(plain);
        self.add(entries.iter().filter_map(|e| Some((content(e)?, Some(e)))));
    }

    /// Adds the new tokens of the list as plain tokens.
    pub(super) fn extend(&mut self, tokens: impl IntoIterator<Item = String>) {
        self.add(tokens.into_iter().map(|token| (token, None)));
    }

    /// `tokenizer_config.json` with an updated table of added tokens, if it has such a table.
    pub(super) fn update_config(&self, config: &mut Map<String, Value>) {
        let Some(Value::Object(table)) = config.get_mut("added_tokens_decoder") else { return };
        table.clear();
        for entry in self.added() {
            let (Value::Object(mut entry), Some(id)) = (entry.clone(), entry.get("id").and_then(id_of))
            else {
                continue;
            };
            entry.remove("id");
            table.insert(id.to_string(), Value::Object(entry));
        }
    }
}

fn added(json: &Value) -> impl Iterator<Item = &Value> {
    json.get("added_tokens").and_then(Value::as_array).into_iter().flatten()
}

fn content(entry: &Value) -> Option<String> {
    entry.get("content").and_then(Value::as_str).map(str::to_owned)
}

fn id_of(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}
