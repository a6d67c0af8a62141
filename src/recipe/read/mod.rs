//! Reads recipes. A TOML text comes in as a tree with lines, a recipe goes out. An unknown key is an error with its
//! line and the nearest known key. The YAML reader uses the same [`Reader`]; `recipe/recipe_file.rs` calls both.

mod node;
pub(super) mod parts;
mod recipe;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;

pub(super) use node::{Entry, Node, Tree};

use node::Toml;
pub(super) use values::number_in;

use super::{Method, Param, Recipe, RecipeError};
use crate::limits::LAYERS;
use crate::toml_text;

impl Recipe {
    /// Reads a recipe from TOML; `place` names the text in messages (a file, or `stdin`).
    pub fn from_toml(text: &str, place: &str) -> Result<Self, RecipeError> {
        let reader = Reader::new(place, false);
        reader.recipe(&reader.toml(text)?)
    }
}

/// Reads trees, and stores the line of each key path.
pub(super) struct Reader<'a> {
    place: &'a str,
    lines: RefCell<HashMap<String, usize>>,
    /// Ignores unknown keys with a warning.
    pub(super) lenient: bool,
    pub(super) warnings: RefCell<Vec<String>>,
    /// The text is mergekit's YAML.
    pub(super) yaml: bool,
}

pub(super) type Read<T> = Result<T, RecipeError>;

impl<'a> Reader<'a> {
    pub(super) fn new(place: &'a str, lenient: bool) -> Self {
        Self { place, lines: RefCell::default(), lenient, warnings: RefCell::default(), yaml: false }
    }

    /// The tree of a TOML text.
    pub(super) fn toml(&self, text: &str) -> Read<Node> {
        let document = toml_text::document(text).map_err(|problem| RecipeError::Syntax {
            notation: "TOML",
            place: self.at(problem.line),
            problem: problem.message.lines().collect::<Vec<_>>().join("; "),
        })?;
        Ok(Toml(toml_text::Lines::of(text)).table(document.as_table(), None))
    }

    /// Begins another document of the same text: forgets the lines of the previous one.
    pub(super) fn next_document(&self) {
        self.lines.borrow_mut().clear();
    }

    /// Returns the error; if the reader is lenient, stores a warning instead.
    pub(super) fn refuse(&self, error: RecipeError) -> Read<()> {
        if !self.lenient {
            return Err(error);
        }
        self.warnings.borrow_mut().push(format!("{error}; passed over"));
        Ok(())
    }

    /// The place of a line for messages: `file:line`.
    pub(super) fn at(&self, line: Option<usize>) -> String {
        line.map_or_else(|| self.place.to_owned(), |line| format!("{}:{line}", self.place))
    }

    pub(super) fn bad(&self, line: Option<usize>, key: &str, problem: impl Into<String>) -> RecipeError {
        RecipeError::Value { place: self.at(line), key: key.to_owned(), problem: problem.into() }
    }

    /// Stores the line of a key path.
    pub(super) fn note(&self, path: &str, line: Option<usize>) {
        if let Some(line) = line {
            self.lines.borrow_mut().insert(path.to_owned(), line);
        }
    }

    /// The line of a key path, or of the nearest enclosing part.
    pub(super) fn line_of(&self, path: &str) -> Option<usize> {
        let lines = self.lines.borrow();
        let mut path = path;
        loop {
            if let Some(line) = lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// Refuses keys that are neither in `known` nor parameters of the given `method`.
    pub(super) fn known_keys(
        &self,
        node: &Node,
        path: &str,
        known: &[&str],
        method: Option<Method>,
    ) -> Read<()> {
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
                self.refuse(RecipeError::Value { place, key: shown, problem })?;
                continue;
            }
            let all: Vec<&str> = known.iter().copied().chain(names).collect();
            self.refuse(RecipeError::UnknownKey { place, key: shown, hint: nearest(key, &all) })?;
        }
        Ok(())
    }

    /// A text that must not be empty.
    pub(super) fn text_of(&self, node: &Node, path: &str) -> Read<String> {
        match node.text() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(self.bad(node.line, path, "must be a text in quotes")),
        }
    }

    /// The text under `key`, which is required.
    pub(super) fn required_text(&self, node: &Node, key: &str, path: &str) -> Read<String> {
        match node.get(key) {
            None => {
                let what = if key == "model" { "is missing; name a checkpoint" } else { "is missing" };
                Err(self.bad(node.line, path, what))
            }
            Some(value) => self.text_of(value, path),
        }
    }

    /// A whole number, 0 or above.
    pub(super) fn count_of(&self, node: &Node, path: &str) -> Read<usize> {
        match node.tree {
            Tree::Whole(n) if n >= 0 => Ok(n as usize),
            _ => Err(self.bad(node.line, path, "must be a whole number from 0")),
        }
    }

    /// The index of a decoder block.
    pub(super) fn layer_of(&self, node: &Node, path: &str) -> Read<usize> {
        match self.count_of(node, path)? {
            layer if layer <= LAYERS => Ok(layer),
            layer => Err(self.bad(node.line, path, format!("is {layer}; no model has over {LAYERS} blocks"))),
        }
    }

    /// The tables in a list; `shown` tells in messages how such a list is written.
    pub(super) fn maps<'n>(&self, node: &'n Node, path: &str, shown: &str) -> Read<&'n [Node]> {
        let Tree::List(list) = &node.tree else {
            return Err(self.bad(node.line, path, format!("must be written as {shown}")));
        };
        // The length is checked before the entries are read.
        if list.len() > LAYERS {
            let problem = format!("gives {} entries; {LAYERS} are the most", list.len());
            return Err(self.bad(node.line, path, problem));
        }
        match list.iter().enumerate().find(|(_, n)| !n.is_map()) {
            Some((i, odd)) => Err(self.bad(odd.line, &format!("{path}[{i}]"), "must be a table")),
            None => Ok(list),
        }
    }
}

/// `did you mean density?`, or the list of known names if none is near.
pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    match toml_text::nearest(name, known.iter().copied()) {
        Some(key) => format!("did you mean {key}?"),
        None => format!("known are {}", known.join(", ")),
    }
}
