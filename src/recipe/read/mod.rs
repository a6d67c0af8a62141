//! Text → recipe. Every key is known or an error with its line and the nearest known one.

mod node;
mod parts;
mod recipe;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use node::{Node, Toml, Tree};

use super::{Method, Param, Recipe, RecipeError};

impl Recipe {
    /// Reads a recipe file.
    pub fn open(path: &Path) -> Result<Self, RecipeError> {
        let shown = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_toml(&text, &shown),
            Err(e) => Err(RecipeError::Unreadable { path: shown, problem: e.to_string() }),
        }
    }

    /// Reads a recipe from TOML; `place` names the text in messages (a file, or `stdin`).
    pub fn from_toml(text: &str, place: &str) -> Result<Self, RecipeError> {
        let toml = Toml::new(text);
        let reader = Reader::new(place);
        let document = toml_edit::Document::parse(text).map_err(|e| RecipeError::Syntax {
            place: reader.at(toml.line(e.span())),
            problem: e.message().lines().collect::<Vec<_>>().join("; "),
        })?;
        reader.recipe(&toml.table(document.as_table(), None))
    }
}

/// Reads trees and remembers where each key path stood.
pub(super) struct Reader<'a> {
    place: &'a str,
    lines: RefCell<HashMap<String, usize>>,
}

type Read<T> = Result<T, RecipeError>;

impl<'a> Reader<'a> {
    fn new(place: &'a str) -> Self {
        Self { place, lines: RefCell::default() }
    }

    /// `file:line`.
    fn at(&self, line: Option<usize>) -> String {
        line.map_or_else(|| self.place.to_owned(), |line| format!("{}:{line}", self.place))
    }

    fn bad(&self, line: Option<usize>, key: &str, problem: impl Into<String>) -> RecipeError {
        RecipeError::Value { place: self.at(line), key: key.to_owned(), problem: problem.into() }
    }

    /// Remembers the line of a key path.
    fn note(&self, path: &str, line: Option<usize>) {
        if let Some(line) = line {
            self.lines.borrow_mut().insert(path.to_owned(), line);
        }
    }

    /// The line of a key path, or of the nearest part around it.
    fn line_of(&self, path: &str) -> Option<usize> {
        let lines = self.lines.borrow();
        let mut path = path;
        loop {
            if let Some(line) = lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// Refuses keys that are neither `known` nor parameters of the method.
    fn known_keys(&self, node: &Node, path: &str, known: &[&str], method: Option<Method>) -> Read<()> {
        for entry in node.entries() {
            let key = entry.key.as_str();
            self.note(&format!("{path}{key}"), entry.line.or(entry.value.line));
            let has = |p: Param| method.is_none_or(|m| m.parameter(p).is_some());
            if known.contains(&key) || method.is_some() && Param::from_name(key).is_some_and(has) {
                continue;
            }
            let place = self.at(entry.line.or(entry.value.line));
            let shown = format!("{path}{}", key.escape_debug());
            let names: Vec<&str> =
                method.into_iter().flat_map(|m| m.parameters().iter().map(|p| p.param.name())).collect();
            if let Some(method) = method
                && Param::from_name(key).is_some()
            {
                let problem = match names.as_slice() {
                    [] => format!("is no parameter of {}, which has none", method.name()),
                    names => format!("is no parameter of {}; it has {}", method.name(), names.join(", ")),
                };
                return Err(RecipeError::Value { place, key: shown, problem });
            }
            let all: Vec<&str> = known.iter().copied().chain(names).collect();
            return Err(RecipeError::UnknownKey { place, key: shown, hint: nearest(key, &all) });
        }
        Ok(())
    }

    /// A text that is not empty.
    fn text_of(&self, node: &Node, path: &str) -> Read<String> {
        match node.text() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(self.bad(node.line, path, "must be a text in quotes")),
        }
    }

    /// The text under `key`, which must be there.
    fn required_text(&self, node: &Node, key: &str, path: &str) -> Read<String> {
        match node.get(key) {
            None => {
                let what = if key == "model" { "is missing; name a checkpoint" } else { "is missing" };
                Err(self.bad(node.line, path, what))
            }
            Some(value) => self.text_of(value, path),
        }
    }

    /// A whole number from 0.
    fn count_of(&self, node: &Node, path: &str) -> Read<usize> {
        match node.tree {
            Tree::Whole(n) if n >= 0 => Ok(n as usize),
            _ => Err(self.bad(node.line, path, "must be a whole number from 0")),
        }
    }

    /// The maps of a list; `shown` is how the list is written.
    fn maps<'n>(&self, node: &'n Node, path: &str, shown: &str) -> Read<&'n [Node]> {
        let Tree::List(list) = &node.tree else {
            return Err(self.bad(node.line, path, format!("must be written as {shown}")));
        };
        match list.iter().enumerate().find(|(_, n)| !n.is_map()) {
            Some((i, odd)) => Err(self.bad(odd.line, &format!("{path}[{i}]"), "must be a table")),
            None => Ok(list),
        }
    }
}

/// `did you mean density?`, or the list of known names where none is near.
pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (strsim::damerau_levenshtein(name, k), *k)).min();
    match near {
        Some((distance, key)) if distance <= key.len().div_ceil(2) => format!("did you mean {key}?"),
        _ => format!("known are {}", known.join(", ")),
    }
}
