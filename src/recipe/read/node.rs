//! A text as a tree with the line of each part: the form that TOML and YAML share before they become a recipe.

use toml_edit::{Item, TableLike, Value};

use crate::toml_text::Lines;

/// A part of a text.
#[derive(Clone, Debug)]
pub(in crate::recipe) struct Node {
    /// Its line, counted from 1, where it is known.
    pub line: Option<usize>,
    pub tree: Tree,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(in crate::recipe) enum Tree {
    Null,
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A date, which no recipe holds.
    Other,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(in crate::recipe) struct Entry {
    pub key: String,
    pub line: Option<usize>,
    pub value: Node,
}

impl Node {
    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// Keys and values of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        if let Tree::Map(entries) = &self.tree { entries } else { &[] }
    }

    /// Whether it is a map.
    pub const fn is_map(&self) -> bool {
        matches!(self.tree, Tree::Map(_))
    }

    /// A number, written with or without a point.
    pub fn number(&self) -> Option<f64> {
        match self.tree {
            Tree::Number(n) => Some(n),
            Tree::Whole(n) => Some(n as f64),
            _ => None,
        }
        .filter(|n| n.is_finite())
    }

    /// A text.
    pub fn text(&self) -> Option<&str> {
        if let Tree::Text(text) = &self.tree { Some(text) } else { None }
    }
}

/// The tree of a TOML document.
pub(in crate::recipe) struct Toml(pub Lines);

impl Toml {
    /// Line of a place in the text.
    fn line(&self, span: Option<std::ops::Range<usize>>) -> Option<usize> {
        Some(self.0.line(span?.start))
    }

    /// A table and all below it.
    pub fn table(&self, table: &dyn TableLike, span: Option<std::ops::Range<usize>>) -> Node {
        let entries = table.iter().map(|(key, item)| {
            let at = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
            Entry { key: key.to_owned(), line: self.line(at), value: self.item(item) }
        });
        Node { line: self.line(span), tree: Tree::Map(entries.collect()) }
    }

    fn item(&self, item: &Item) -> Node {
        match item {
            Item::None => Node { line: None, tree: Tree::Null },
            Item::Value(value) => self.value(value),
            Item::Table(table) => self.table(table, table.span()),
            Item::ArrayOfTables(tables) => {
                let list = tables.iter().map(|t| self.table(t, t.span())).collect();
                Node { line: self.line(item.span()), tree: Tree::List(list) }
            }
        }
    }

    fn value(&self, value: &Value) -> Node {
        let tree = match value {
            Value::String(s) => Tree::Text(s.value().clone()),
            Value::Integer(n) => Tree::Whole(*n.value()),
            Value::Float(n) => Tree::Number(*n.value()),
            Value::Boolean(b) => Tree::Flag(*b.value()),
            Value::Datetime(_) => Tree::Other,
            Value::Array(list) => Tree::List(list.iter().map(|v| self.value(v)).collect()),
            Value::InlineTable(table) => return self.table(table, table.span()),
        };
        Node { line: self.line(value.span()), tree }
    }
}
