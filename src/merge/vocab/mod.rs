//! One vocabulary for models with different ones: the tokens of the merge, the row of each token in each model's
//! embeddings and LM head, and the tokenizer's files. A recipe and its checkpoints come in; checkpoints that merge like
//! any others go out. The pool calls it.

mod chat;
mod embed;
mod tokens;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::checkpoint::{Checkpoint, Dtype, Weights};
use crate::recipe::{Precision, Recipe, TokenSpec, TokenizerSource, TokenizerSpec};

use super::MergeError;
use embed::{Table, Target};
use tokens::Tokens;

const EMBED: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// Files that define how text becomes tokens. All are taken from one model.
const FILES: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
];
/// Tokenizer files that repeat the list of tokens, and would be wrong after tokens are added.
const LISTS: [&str; 4] = ["added_tokens.json", "tokenizer.model", "vocab.json", "merges.txt"];

/// Keys of `config.json` and `generation_config.json` that hold token ids.
const TOKEN_IDS: [&str; 3] = ["bos_token_id", "eos_token_id", "pad_token_id"];

/// A new tensor: name, shape, type, bytes.
type NewTensor = (String, Vec<usize>, Dtype, Vec<u8>);

/// The models of `recipe` with one vocabulary and the chat template that it asks for. `models[0]` provides config and
/// tokenizer (the base, if there is one); the others are the sources.
///
/// `giver` is the model whose tokenizer the recipe asks for, if it is not one of `models`.
pub fn prepare(
    recipe: &Recipe,
    models: Vec<Checkpoint>,
    giver: Option<&Checkpoint>,
) -> Result<Vec<Checkpoint>, MergeError> {
    let chat = template(recipe, &models)?;
    let models = match &recipe.tokenizer {
        Some(spec) => align(recipe, spec, models, giver)?,
        None => models,
    };
    let files = models.iter().position(|m| m.vision_config().is_some()).unwrap_or(0);
    put_template(chat, models, files)
}

/// Checks that the first `rows` rows of the vocabulary are the same tokens in `model` and `giver`. A model without a
/// tokenizer is assumed to use the giver's.
pub fn same_rows(model: &Checkpoint, giver: &Checkpoint, rows: usize) -> Result<(), MergeError> {
    if model.tokenizer_json().is_err() || giver.tokenizer_json().is_err() {
        return Ok(());
    }
    let (own, theirs) = (Tokens::read(model)?, Tokens::read(giver)?);
    let Some((row, token)) = own.first_unlike(&theirs, rows) else { return Ok(()) };
    Err(MergeError::Vocabulary {
        model: model.reference().to_owned(),
        problem: format!(
            "row {row} of its vocabulary is the token {token:?}, but another one in {}, whose vocabulary the merge \
             gets; a recipe merges by token with tokenizer = \"union\"",
            giver.reference()
        ),
    })
}

/// The models, with the chat template that `recipe` asks for set in the one whose files the result gets: `files` is its
/// index.
pub fn with_template(
    recipe: &Recipe,
    models: Vec<Checkpoint>,
    files: usize,
) -> Result<Vec<Checkpoint>, MergeError> {
    let chat = template(recipe, &models)?;
    put_template(chat, models, files)
}

fn template(recipe: &Recipe, models: &[Checkpoint]) -> Result<Option<String>, MergeError> {
    match &recipe.chat_template {
        Some(asked) => chat::template(asked, in_recipe_order(recipe, models).iter().map(|i| &models[*i])),
        None => Ok(None),
    }
}

fn put_template(
    chat: Option<String>,
    mut models: Vec<Checkpoint>,
    place: usize,
) -> Result<Vec<Checkpoint>, MergeError> {
    if let Some(template) = chat
        && !models.is_empty()
    {
        let donor = models.remove(place);
        let mut config = object(donor.file("tokenizer_config.json").as_deref());
        config.insert("chat_template".to_owned(), template.as_str().into());
        let files = BTreeMap::from([
            ("tokenizer_config.json".to_owned(), Some(pretty(&Value::Object(config)))),
            ("chat_template.jinja".to_owned(), Some(template.into_bytes())),
            ("chat_template.json".to_owned(), None),
            ("additional_chat_templates/default.jinja".to_owned(), None),
        ]);
        let config = donor.config().raw.clone();
        models.insert(place, donor.replaced(&config, Vec::new(), files)?);
    }
    Ok(models)
}

/// Indices of the models that take part, in recipe order. If the first is a base, it comes last, and it is not counted
/// twice if it is also named among the others.
fn in_recipe_order(recipe: &Recipe, models: &[Checkpoint]) -> Vec<usize> {
    let donor = models.first().map(Checkpoint::reference);
    let again = models.iter().skip(1).any(|m| Some(m.reference()) == donor);
    let mut out: Vec<usize> = (1..models.len()).collect();
    if !again && !models.is_empty() {
        out.insert(if recipe.base.is_some() { out.len() } else { 0 }, 0);
    }
    out
}

/// The model whose vocabulary the merge starts with, and its index if it is one of `models`.
fn vocabulary_of<'a>(
    source: &TokenizerSource,
    models: &'a [Checkpoint],
    giver: Option<&'a Checkpoint>,
) -> Result<(Option<usize>, &'a Checkpoint), MergeError> {
    let TokenizerSource::Model(name) = source else { return Ok((Some(0), &models[0])) };
    match (models.iter().position(|m| m.reference() == name), giver) {
        (Some(place), _) => Ok((Some(place), &models[place])),
        (None, Some(giver)) if giver.reference() == name => Ok((None, giver)),
        (None, _) => Err(MergeError::NotLoaded {
            key: "tokenizer.source".to_owned(),
            model: name.clone(),
            loaded: models.iter().map(|m| m.reference().to_owned()).collect(),
        }),
    }
}

fn align(
    recipe: &Recipe,
    spec: &TokenizerSpec,
    models: Vec<Checkpoint>,
    giver: Option<&Checkpoint>,
) -> Result<Vec<Checkpoint>, MergeError> {
    let Some(donor) = models.first() else { return Ok(models) };
    let mut tokens = Vec::with_capacity(models.len());
    for model in &models {
        // A model without a tokenizer is assumed to use the base's, as far as possible.
        let same =
            model.file("tokenizer.json").is_none() && model.config().vocab_size == donor.config().vocab_size;
        tokens.push(Tokens::read(if same { donor } else { model })?);
    }
    let order = in_recipe_order(recipe, &models);
    let (place, giver) = vocabulary_of(&spec.source, &models, giver)?;
    let mut target = match place {
        Some(place) => tokens[place].clone(),
        None => Tokens::read(giver)?,
    };
    let before = target.ids.len();
    if spec.source == TokenizerSource::Union {
        target.unite(&tokens);
    }
    target.extend(spec.tokens.iter().map(|(token, _)| token.clone()));
    let grown = target.ids.len() > before;
    let pad = spec.pad_to_multiple_of.unwrap_or(1).max(1);
    let rows = target.rows().next_multiple_of(pad);

    let files = files(giver, &target, grown);
    let rules: HashMap<&str, &TokenSpec> = spec.tokens.iter().map(|(t, rule)| (t.as_str(), rule)).collect();
    let any_head = order.iter().any(|i| models[*i].tensor(HEAD).is_some());
    let mut made: Vec<Vec<NewTensor>> = models.iter().map(|_| Vec::new()).collect();
    for name in if any_head { &[EMBED, HEAD][..] } else { &[EMBED][..] } {
        let view = |i: usize| models[i].tensor(name).or_else(|| models[i].tensor(EMBED));
        // The models that take part, in recipe order, then a donor that only provides its config.
        let places: Vec<usize> = order.iter().copied().chain((!order.contains(&0)).then_some(0)).collect();
        let tables: Vec<Table<'_>> = places
            .iter()
            .filter_map(|i| {
                view(*i).map(|view| Table { model: models[*i].reference(), tokens: &tokens[*i], view })
            })
            .collect();
        let hidden = tables[0].view.shape[1];
        if let Some(odd) = tables.iter().find(|t| t.view.shape[1] != hidden) {
            return Err(MergeError::Misfit {
                model: odd.model.to_owned(),
                base: tables[0].model.to_owned(),
                why: format!("its {name} has rows of {} against {hidden}", odd.view.shape[1]),
            });
        }
        let own = tables[0].view.dtype;
        let common = if tables.iter().all(|t| t.view.dtype == own) { own } else { Dtype::F32 };
        let base =
            recipe.base.as_deref().and_then(|b| places.iter().position(|i| models[*i].reference() == b));
        let dtype = recipe.dtype.map_or(common, dtype_of);
        let target = Target { tokens: &target, rules: &rules, rows, dtype, base };
        let remade = target.remake(&tables[..order.len()]).and_then(|mut remade| {
            // The donor's own table is one of the tables that take part, under the same name.
            if tables.len() > order.len() {
                let twin = order.iter().position(|i| models[*i].reference() == models[0].reference());
                let twin = twin.ok_or("the model that gives the config takes no part in the merge")?;
                remade.push(remade[twin].clone());
            }
            Ok(remade)
        });
        models.iter().try_for_each(Checkpoint::all_intact)?;
        let remade = remade
            .map_err(|problem| MergeError::Vocabulary { model: "recipe: tokenizer".to_owned(), problem })?;
        for (place, data) in places.iter().zip(remade) {
            let untied = any_head && *name == HEAD && models[*place].tensor(HEAD).is_none();
            let data = match data {
                None if untied => models[*place].tensor(EMBED).map(|v| v.data.to_vec()),
                data => data,
            };
            made[*place].extend(data.map(|data| ((*name).to_owned(), vec![rows, hidden], dtype, data)));
        }
    }
    let ids = token_ids(giver);
    let with_ids = |config: &mut Value| {
        if place != Some(0) {
            for (key, id) in &ids {
                config[key] = id.clone();
            }
        }
    };
    let seeing = models.iter().zip(&tokens).map(|(model, own)| image_token(model, own, &target));
    let seeing = seeing.collect::<Result<Vec<_>, _>>()?;
    let parts = models.into_iter().zip(made).zip(seeing).map(|((model, tensors), image_token)| {
        let mut config = model.config().raw.clone();
        config["vocab_size"] = rows.into();
        config["tie_word_embeddings"] = (!any_head).into();
        with_ids(&mut config);
        let mut files = files.clone();
        if let Some(bytes) = model.file("generation_config.json") {
            let mut generation = Value::Object(object(Some(&bytes)));
            with_ids(&mut generation);
            files.insert("generation_config.json".to_owned(), Some(pretty(&generation)));
        }
        let model = model.replaced(&config, tensors, files)?;
        Ok(match image_token {
            Some(token) => model.with_image_token(token),
            None => model,
        })
    });
    parts.collect()
}

/// The row, in the merge's vocabulary, of the token that stands for a picture in a LLaVA model.
fn image_token(model: &Checkpoint, own: &Tokens, target: &Tokens) -> Result<Option<u32>, MergeError> {
    let Some(vision) = model.vision_config() else { return Ok(None) };
    let named = own.ids.iter().find(|(_, id)| **id == vision.image_token).map(|(token, _)| token);
    match named.and_then(|token| target.ids.get(token)) {
        Some(row) => Ok(Some(*row)),
        None => Err(MergeError::Vocabulary {
            model: model.reference().to_owned(),
            problem: format!(
                "its token for a picture, {}, is not in the vocabulary that the recipe asks for; use tokenizer = \
                 \"union\", or name this model",
                named.map_or_else(|| vision.image_token.to_string(), |token| format!("{token:?}"))
            ),
        }),
    }
}

/// The tokenizer's files of `giver`, with the tokens of `target` in place of its own.
fn files(giver: &Checkpoint, target: &Tokens, grown: bool) -> BTreeMap<String, Option<Vec<u8>>> {
    let own = |name: &str| giver.file(name).map(std::borrow::Cow::into_owned);
    let mut out: BTreeMap<String, Option<Vec<u8>>> =
        FILES.iter().map(|name| ((*name).to_owned(), own(name))).collect();
    out.insert("tokenizer.json".to_owned(), Some(target.json.to_string().into_bytes()));
    if grown {
        out.extend(LISTS.map(|name| (name.to_owned(), None)));
        if let Some(config) = own("tokenizer_config.json") {
            let mut config = object(Some(&config));
            target.update_config(&mut config);
            out.insert("tokenizer_config.json".to_owned(), Some(pretty(&Value::Object(config))));
        }
    }
    out
}

/// Ids of a model's special tokens, from its `generation_config.json`, else its config.
fn token_ids(model: &Checkpoint) -> Vec<(String, Value)> {
    let generation = object(model.file("generation_config.json").as_deref());
    let find = |key: &str| generation.get(key).or_else(|| model.config().raw.get(key)).cloned();
    TOKEN_IDS.iter().map(|key| ((*key).to_owned(), find(key).unwrap_or(Value::Null))).collect()
}

/// A JSON file's object; empty if the file is missing.
fn object(bytes: Option<&[u8]>) -> Map<String, Value> {
    bytes.and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default()
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// The type of the tables: float64 is not stored, so its values are held in float32.
fn dtype_of(precision: Precision) -> Dtype {
    match precision {
        Precision::BFloat16 => Dtype::BF16,
        Precision::Float16 => Dtype::F16,
        Precision::Float32 | Precision::Float64 => Dtype::F32,
    }
}
