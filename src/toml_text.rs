//! Reads TOML that a person wrote. The text of a config, task, recipe or key file comes in. Its values go out, or an
//! error with the line, the key, and the known name nearest to a mistyped one. Every reader of such files calls it, and
//! so does every "did you mean" hint.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml_edit::{Document, Key, TableLike};

use crate::limits::shown;
use crate::text::visible_line;

/// Why a text cannot be read: a syntax error, a value of another type, or a name that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Line number, counted from 1; `None` if the TOML reader does not give it.
    pub line: Option<usize>,
    /// The TOML reader's message, which may have several lines.
    pub message: String,
    /// The key whose value is wrong, if the key is on the same line.
    key: Option<String>,
}

impl Problem {
    fn new(text: &str, message: &str, span: Option<Range<usize>>) -> Self {
        let line = span.as_ref().map(|span| line_of(text, span.start));
        let key = span.and_then(|span| key_before(text, span.start)).map(str::to_owned);
        Self { line, message: message.trim().to_owned(), key }
    }

    /// The problem in one sentence that begins with `place` (a file) and the line.
    #[must_use]
    pub fn sentence(&self, place: &str) -> String {
        let place = self.line.map_or_else(|| place.to_owned(), |line| format!("{place}, line {line}"));
        let message = self.message.replace('\n', ", ");
        let what = match () {
            () if message.starts_with("unknown field") => "unknown key",
            () if message.starts_with("unknown variant") => "there is no",
            () => "",
        };
        // serde quotes the unknown name, then every known one.
        let mut quoted = message.split('`').skip(1).step_by(2);
        if let (false, Some(name)) = (what.is_empty(), quoted.next()) {
            let known: Vec<&str> = quoted.collect();
            let advice = nearest(name, known.iter().copied()).map_or_else(
                || format!("known here are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return format!("{place}: {what} `{}`: {advice}", visible_line(&shown(name)));
        }
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("`{key}`: "));
        let message = message.replace("expected a sequence", "expected a list: put it in [ ]");
        format!("{place}: {}", visible_line(&shown(&format!("{key}{message}"))))
    }
}

/// Reads a text into a value.
///
/// # Errors
/// A syntax error, a value of another type, or an unknown name.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    toml::from_str(text).map_err(|e| Problem::new(text, e.message(), e.span()))
}

/// Reads a text into a document that records the position of every key and value.
///
/// # Errors
/// A syntax error.
pub fn document(text: &str) -> Result<Document<&str>, Problem> {
    Document::parse(text).map_err(|e| Problem::new(text, e.message(), e.span()))
}

/// The first key of a table of `text` that is not among `known`, with its line.
#[must_use]
pub fn unknown_key(text: &str, table: &dyn TableLike, known: &[&str]) -> Option<(String, usize)> {
    let (key, _) = table.iter().find(|(key, _)| !known.contains(key))?;
    let at = table.key(key).and_then(Key::span).map_or(0, |span| span.start);
    Some((key.to_owned(), line_of(text, at)))
}

/// The line number of the byte at this position, counted from 1.
#[must_use]
pub fn line_of(text: &str, byte: usize) -> usize {
    Lines::of(text).line(byte)
}

/// Where the lines of a text end, for callers that look up many positions.
pub struct Lines(Vec<usize>);

impl Lines {
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line number of the byte at this position, counted from 1.
    #[must_use]
    pub fn line(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }
}

/// The known name nearest to `name` (Damerau–Levenshtein distance), with the distance. The first one wins a tie.
/// `None` if `known` is empty.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    known.into_iter().map(|k| (strsim::damerau_levenshtein(name, k), k)).min_by_key(|(distance, _)| *distance)
}

/// The nearest known name, if it is close enough to be a typing error: at most half of the letters differ.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    closest(name, known).filter(|(distance, k)| *distance <= k.len().div_ceil(2)).map(|(_, k)| k)
}

/// The key whose value begins at this byte of its line.
fn key_before(text: &str, value: usize) -> Option<&str> {
    let line = text.get(..value)?.rsplit('\n').next()?;
    // In an inline table, other keys precede it.
    let key = line.trim_end().strip_suffix('=')?.rsplit(['{', ',']).next()?.trim();
    Some(key).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(default)]
        _sources: Vec<String>,
        #[serde(default, rename = "population")]
        _population: u32,
    }

    #[test]
    fn a_problem_names_its_line_its_key_and_the_nearest_known_name() {
        let says = |text: &str| read::<Sample>(text).unwrap_err().sentence("x.toml");
        assert_eq!(
            says("\npopultion = 3"),
            "x.toml, line 2: unknown key `popultion`: did you mean `population`?"
        );
        assert_eq!(says("zzz = 3"), "x.toml, line 1: unknown key `zzz`: known here are _sources, population");
        assert_eq!(
            says("population = \"many\""),
            "x.toml, line 1: `population`: invalid type: string \"many\", expected u32"
        );
        assert!(says("_sources = \"a\"").ends_with("expected a list: put it in [ ]"));
        let syntax = says("a = 1\npopulation =");
        assert!(syntax.starts_with("x.toml, line 2: ") && !syntax.contains('\n'), "{syntax}");
        assert!(!says("\"a\u{1b}[31m\" = 1").contains('\u{1b}'));
    }

    #[test]
    fn unknown_keys_of_a_table_have_lines() {
        let text = "a = 1\n\n[t]\nb = 2\nc = 3\n";
        let document = document(text).unwrap();
        let table = document.get("t").unwrap().as_table_like().unwrap();
        assert_eq!(unknown_key(text, table, &["b"]), Some(("c".to_owned(), 5)));
        assert_eq!(unknown_key(text, table, &["b", "c"]), None);
    }

    #[test]
    fn names_that_differ_by_half_are_not_meant() {
        assert_eq!(nearest("wieght", ["density", "weight"]), Some("weight"));
        assert_eq!(nearest("zzz", ["density", "weight"]), None);
        assert_eq!(closest("zzz", ["abc", "abz"]), Some((2, "abz")));
        assert_eq!(closest("a", []), None);
    }
}
