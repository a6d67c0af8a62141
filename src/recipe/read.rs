//! TOML → recipe. Every key is known or an error with its line and the nearest known one.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};

use super::{MaskStream, Method, PerGroup, Recipe, RecipeError, Source};

/// Keys of a recipe, of a source, and of a value per layer group.
const TOP: [&str; 7] = ["method", "base", "lambda", "normalize", "mask", "seed", "source"];
const SOURCE: [&str; 3] = ["model", "weight", "density"];
const GROUPS: [&str; 3] = ["embed", "layers", "head"];

impl Recipe {
    /// Reads a recipe file.
    pub fn open(path: &Path) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path).map_err(|e| RecipeError::Unreadable {
            path: path.display().to_string(),
            problem: e.to_string(),
        })?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Reads a recipe from its text and checks all that can be checked without the models;
    /// `place` names the text in errors.
    pub fn from_toml(text: &str, place: &str) -> Result<Self, RecipeError> {
        let reader = Reader { text, place };
        let document = Document::parse(text).map_err(|e| RecipeError::Syntax {
            place: reader.at(e.span()),
            problem: e.message().lines().collect::<Vec<_>>().join("; "),
        })?;
        reader.recipe(document.as_table())
    }
}

/// A `[[source]]` and where it stands.
type SourceTable<'t> = (&'t dyn TableLike, Option<Range<usize>>);

struct Reader<'a> {
    text: &'a str,
    place: &'a str,
}

impl Reader<'_> {
    /// `file:line` of a span.
    fn at(&self, span: Option<Range<usize>>) -> String {
        let Some(before) = span.and_then(|s| self.text.get(..s.start)) else { return self.place.to_owned() };
        format!("{}:{}", self.place, before.matches('\n').count() + 1)
    }

    fn bad(&self, span: Option<Range<usize>>, key: &str, problem: impl Into<String>) -> RecipeError {
        RecipeError::Value { place: self.at(span), key: key.to_owned(), problem: problem.into() }
    }

    fn known_keys(&self, table: &dyn TableLike, path: &str, known: &[&str]) -> Result<(), RecipeError> {
        for (key, item) in table.iter() {
            if !known.contains(&key) {
                let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
                return Err(RecipeError::UnknownKey {
                    place: self.at(span),
                    key: format!("{path}{}", key.escape_debug()),
                    hint: nearest(key, known),
                });
            }
        }
        Ok(())
    }

    fn recipe(&self, table: &dyn TableLike) -> Result<Recipe, RecipeError> {
        self.known_keys(table, "", &TOP)?;
        let method = self.text_of(table, "method", "method")?;
        let method = Method::ALL.into_iter().find(|m| m.name() == method).ok_or_else(|| {
            let hint = nearest(&method, &Method::ALL.map(Method::name));
            self.bad(span_of(table, "method"), "method", format!("{method:?} is not known; {hint}"))
        })?;
        let mut recipe = Recipe {
            method,
            base: self.text_of(table, "base", "base")?,
            sources: Vec::new(),
            lambda: 1.0,
            normalize: None,
            mask: MaskStream::Counter,
            seed: 0,
        };
        if let Some(item) = table.get("lambda") {
            recipe.lambda = self.number(item, "lambda")?;
        }
        if let Some(item) = table.get("normalize") {
            let flag = item.as_bool();
            recipe.normalize =
                Some(flag.ok_or_else(|| self.bad(item.span(), "normalize", "must be true or false"))?);
        }
        if let Some(item) = table.get("mask") {
            recipe.mask = match item.as_str() {
                Some("counter") => MaskStream::Counter,
                Some("mergekit") => MaskStream::Mergekit,
                _ => return Err(self.bad(item.span(), "mask", "must be \"counter\" or \"mergekit\"")),
            };
        }
        if let Some(item) = table.get("seed") {
            let seed = item.as_integer().and_then(|n| u64::try_from(n).ok());
            // TOML's integers end at 2⁶³ − 1; a larger seed is written as text.
            let seed = seed.or_else(|| item.as_str().and_then(|s| s.parse().ok()));
            recipe.seed =
                seed.ok_or_else(|| self.bad(item.span(), "seed", "must be a whole number from 0"))?;
        }
        for (i, (source, span)) in self.source_tables(table)?.into_iter().enumerate() {
            recipe.sources.push(self.source(source, span, i)?);
        }
        // The values are checked one by one above, with their lines; this finds the rest.
        recipe.check_values().map_err(|(key, problem)| self.bad(self.line_of(table, &key), &key, problem))?;
        Ok(recipe)
    }

    /// `[[source]]` tables, or `source = [{ … }, …]`.
    fn source_tables<'t>(&self, table: &'t dyn TableLike) -> Result<Vec<SourceTable<'t>>, RecipeError> {
        match table.get("source") {
            None => Ok(Vec::new()),
            Some(Item::ArrayOfTables(tables)) => {
                Ok(tables.iter().map(|t| (t as &dyn TableLike, t.span())).collect())
            }
            Some(Item::Value(Value::Array(array))) => array
                .iter()
                .enumerate()
                .map(|(i, v)| {
                    let inline = v.as_inline_table().map(|t| (t as &dyn TableLike, v.span()));
                    inline.ok_or_else(|| self.bad(v.span(), &format!("source[{i}]"), "must be a table"))
                })
                .collect(),
            Some(item) => Err(self.bad(item.span(), "source", "must be written as [[source]]")),
        }
    }

    fn source(
        &self,
        table: &dyn TableLike,
        span: Option<Range<usize>>,
        i: usize,
    ) -> Result<Source, RecipeError> {
        let path = format!("source[{i}].");
        self.known_keys(table, &path, &SOURCE)?;
        if table.get("model").is_none() {
            return Err(self.bad(span, &format!("{path}model"), "is missing; name a checkpoint"));
        }
        let weight = table.get("weight").ok_or_else(|| {
            self.bad(span, &format!("{path}weight"), "is missing; write a number or one a layer group")
        })?;
        Ok(Source {
            model: self.text_of(table, "model", &format!("{path}model"))?,
            weight: self.per_group(weight, &format!("{path}weight"), weight_problem)?,
            density: match table.get("density") {
                None => PerGroup::All(1.0),
                Some(item) => self.per_group(item, &format!("{path}density"), density_problem)?,
            },
        })
    }

    fn per_group(
        &self,
        item: &Item,
        path: &str,
        problem: fn(f64) -> Option<String>,
    ) -> Result<PerGroup, RecipeError> {
        let checked = |item: &Item, key: &str| {
            let value = self.number(item, key)?;
            problem(value).map_or(Ok(value), |p| Err(self.bad(item.span(), key, p)))
        };
        let Some(table) = item.as_table_like() else {
            return checked(item, path).map(PerGroup::All);
        };
        self.known_keys(table, &format!("{path}."), &GROUPS)?;
        let part = |key: &str| {
            let path = format!("{path}.{key}");
            table.get(key).ok_or_else(|| self.bad(item.span(), &path, "is missing"))
        };
        let layers_item = part("layers")?;
        let layers_path = format!("{path}.layers");
        let list = layers_item.as_array().ok_or_else(|| {
            self.bad(layers_item.span(), &layers_path, "must be a list, one number a layer")
        })?;
        let layers = list.iter().enumerate().map(|(i, v)| {
            let key = format!("{layers_path}[{i}]");
            let value = number_of(v).ok_or_else(|| self.bad(v.span(), &key, "must be a finite number"))?;
            problem(value).map_or(Ok(value), |p| Err(self.bad(v.span(), &key, p)))
        });
        Ok(PerGroup::Each {
            embed: checked(part("embed")?, &format!("{path}.embed"))?,
            layers: layers.collect::<Result<_, _>>()?,
            head: checked(part("head")?, &format!("{path}.head"))?,
        })
    }

    fn number(&self, item: &Item, key: &str) -> Result<f64, RecipeError> {
        item.as_value()
            .and_then(number_of)
            .ok_or_else(|| self.bad(item.span(), key, "must be a finite number"))
    }

    fn text_of(&self, table: &dyn TableLike, key: &str, path: &str) -> Result<String, RecipeError> {
        match table.get(key) {
            None => Err(self.bad(None, path, "is missing")),
            Some(item) => match item.as_str() {
                Some(text) if !text.is_empty() => Ok(text.to_owned()),
                _ => Err(self.bad(item.span(), path, "must be a text in quotes")),
            },
        }
    }

    /// The line of a key path such as `source[1].model`, as far as it can be found.
    fn line_of(&self, table: &dyn TableLike, key: &str) -> Option<Range<usize>> {
        let index = key.strip_prefix("source[").and_then(|r| r.split_once(']'))?.0;
        let tables = self.source_tables(table).ok()?;
        let (source, span) = tables.get(index.parse::<usize>().ok()?)?;
        span_of(*source, key.rsplit('.').next()?).or_else(|| span.clone())
    }
}

fn span_of(table: &dyn TableLike, key: &str) -> Option<Range<usize>> {
    table.get(key).and_then(Item::span)
}

/// A finite number, written as an integer or a float.
fn number_of(value: &Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|i| i as f64));
    number.filter(|n| n.is_finite())
}

/// What is wrong with a weight, if anything.
pub(super) fn weight_problem(value: f64) -> Option<String> {
    (!value.is_finite()).then(|| format!("is {value}; it must be a finite number"))
}

/// What is wrong with a density, if anything.
pub(super) fn density_problem(value: f64) -> Option<String> {
    (!(value > 0.0 && value <= 1.0))
        .then(|| format!("is {value}; a density is a share of elements kept, above 0 and at most 1"))
}

/// `did you mean density?`, or the list of known names where none is near.
fn nearest(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (strsim::damerau_levenshtein(name, k), *k)).min();
    match near {
        Some((distance, key)) if distance <= key.len().div_ceil(2) => format!("did you mean {key}?"),
        _ => format!("known are {}", known.join(", ")),
    }
}
