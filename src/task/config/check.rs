//! Checks a task file beyond its syntax: unknown keys, and values that don't go together. A [`TaskConfig`] comes in;
//! the first mistake goes out as an error. `config/mod.rs` calls it.

use super::{COLUMN_KEYS, Choices, Column, Columns, Extract, Length, TaskConfig};
use crate::limits;
use crate::task::error::nearest;
use crate::task::pictures::MARK;
use crate::task::scoring::FactWords;
use crate::task::{Decoding, Kind, Metric, Scorer, TaskError, language};
use crate::toml_text;

pub(super) fn check_values(file: &str, config: &TaskConfig) -> Result<(), TaskError> {
    let wrong = |key, what: String| Err(TaskError::Value { file: file.to_owned(), key, what });
    let says = |key, what: &str| wrong(key, what.to_owned());
    match (&config.max_new_tokens, config.kind) {
        (Some(Length::Tokens(0)), _) => {
            return says("max_new_tokens", "is 0: give the most tokens that an answer may have");
        }
        (None, Kind::Generate) => {
            return says("max_new_tokens", "is missing: give the most tokens that an answer may have");
        }
        _ => {}
    }
    if config.prompt.is_empty() && config.kind != Kind::Sentence {
        return says("prompt", "is missing: give the template of one question");
    }
    match (&config.choices, config.kind) {
        (None, Kind::Choice | Kind::Sentence) => {
            return says("choices", "is missing: give a list of templates, or an expression for the list");
        }
        (Some(_), Kind::Generate) => {
            return says("choices", "needs kind = \"choice\" or \"sentence\": set one");
        }
        (Some(Choices::Templates(all)), _) if all.len() < 2 => {
            return says("choices", "has fewer than two entries: give at least two");
        }
        _ => {}
    }
    if config.kind != Kind::Generate && config.gold.is_none() && config.columns.answer.is_none() {
        return says(
            "gold",
            "is missing: give the expression for the right choice's index, such as \"label\"",
        );
    }
    let tokens = match &config.max_new_tokens {
        Some(Length::Tokens(n) | Length::Rule { plus: n, .. }) => *n,
        None => 0,
    };
    if tokens > limits::TOKENS {
        return wrong("max_new_tokens", format!("is {tokens}: give {} or less", limits::TOKENS));
    }
    check_counts(config).or_else(|(key, what)| wrong(key, what))?;
    config.decoding.check().or_else(|(key, why)| wrong(key, why))?;
    if config.kind != Kind::Generate && config.decoding != Decoding::default() {
        return says("decoding", "needs kind = \"generate\": choices are compared, not written");
    }
    for metric in &config.metrics {
        if !metric.suits(config.kind) {
            return wrong("metrics", format!("names {metric}, which is none for this kind of task"));
        }
    }
    check_facts(config).or_else(|(key, what)| wrong(key, what))?;
    check_pictures(config).or_else(|(key, what)| says(key, what))?;
    if !(config.weight.is_finite() && config.weight > 0.0) {
        return says("weight", "must be a positive number");
    }
    if let Some(code) = &config.language
        && code != "none"
        && let Err(near) = language::check(code)
    {
        return wrong(
            "language",
            format!("{code:?} is not known: did you mean \"{near}\"? Use a code of lid.176, or \"none\""),
        );
    }
    if config.stop.iter().any(String::is_empty) {
        return says("stop", "holds an empty string, which would end every answer at once: take it out");
    }
    if let Extract::Regex(pattern) = &config.extract
        && let Err(error) = regex::Regex::new(pattern)
    {
        let last = error.to_string();
        let last = last.lines().last().unwrap_or_default().trim_start_matches("error: ");
        return wrong("extract", format!("is no regular expression ({last}): correct it"));
    }
    if config.train.is_none() && config.test.is_none() {
        return says("train", "and test are both missing: say where the questions come from");
    }
    let columns = [
        Some(&config.columns),
        config.train.as_ref().and_then(|s| s.columns.as_ref()),
        config.test.as_ref().and_then(|s| s.columns.as_ref()),
        config.shots.as_ref().and_then(|s| s.columns.as_ref()),
    ];
    for Columns { question, answer, id } in columns.into_iter().flatten() {
        if [question, answer, id].into_iter().flatten().any(|c| *c == Column::Number(0)) {
            return says("columns", "names column 0: columns are numbered from 1");
        }
    }
    Ok(())
}

/// Checks `[facts]` and what needs it.
fn check_facts(config: &TaskConfig) -> Result<(), (&'static str, String)> {
    let scored = config.scorer() == Scorer::Facts;
    let says = |key, what: &str| Err((key, what.to_owned()));
    if scored && config.kind != Kind::Generate {
        return says("scorer", "facts needs kind = \"generate\": it reads written answers");
    }
    if !scored && config.facts.is_some() {
        return says("facts", "needs scorer = \"facts\": set it, or take the table out");
    }
    if !scored && config.metrics.contains(&Metric::Facts) {
        return says("metrics", "names facts, which needs scorer = \"facts\"");
    }
    let words = config.facts.iter().flat_map(|facts| &facts.words);
    let words: Vec<Vec<String>> = words.cloned().collect();
    FactWords::new(&words).map(|_| ()).map_err(|why| ("facts", format!("has wrong words: {why}")))
}

/// Checks that a prompt with places for pictures has pictures.
fn check_pictures(config: &TaskConfig) -> Result<(), (&'static str, &'static str)> {
    let columns = config.image.all();
    if columns.contains(&Column::Number(0)) {
        return Err(("image", "names column 0: columns are numbered from 1"));
    }
    let marked = [&config.prompt, &config.description].iter().any(|text| text.contains(MARK));
    match (columns.is_empty(), marked) {
        (true, true) => {
            Err(("prompt", "has `<image>` and no column has the pictures: name it with image = \"…\""))
        }
        (false, _) if config.kind == Kind::Sentence => {
            Err(("image", "needs a prompt, which kind = \"sentence\" does not have: take one of them out"))
        }
        _ => Ok(()),
    }
}

/// Checks the counts of rows and examples.
fn check_counts(config: &TaskConfig) -> Result<(), (&'static str, String)> {
    let most = limits::QUESTIONS;
    let mut counts = Vec::new();
    for (name, split) in [("train", &config.train), ("test", &config.test)] {
        counts.extend(split.as_ref().map(|s| (name, s.skip.max(s.limit))));
    }
    counts.extend(config.shots.as_ref().map(|s| ("shots", s.skip.max(s.limit))));
    if let Some((key, found)) = counts.into_iter().find(|(_, found)| *found > most) {
        return Err((key, format!("skips, or is limited to, {found} rows: give {most} or less")));
    }
    match &config.shots {
        Some(shots) if shots.count > limits::SHOTS => {
            Err(("shots", format!("asks for {} examples: give {} or less", shots.count, limits::SHOTS)))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_columns(
    file: &str,
    text: &str,
    table: &dyn toml_edit::TableLike,
) -> Result<(), TaskError> {
    match table.get("columns").and_then(toml_edit::Item::as_table_like) {
        Some(columns) => check_keys(file, text, columns, &COLUMN_KEYS),
        None => Ok(()),
    }
}

pub(super) fn check_keys(
    file: &str,
    text: &str,
    table: &dyn toml_edit::TableLike,
    known: &[&'static str],
) -> Result<(), TaskError> {
    if let Some((key, line)) = toml_text::unknown_key(text, table, known) {
        let nearest = nearest(&key, known);
        return Err(TaskError::UnknownKey { file: file.to_owned(), line, key, nearest });
    }
    Ok(())
}
