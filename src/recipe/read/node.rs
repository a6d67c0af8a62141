//! A text as a tree with the line of each part. TOML and YAML texts come in as this form; the readers turn it into a
//! recipe.

use toml_edit::{Item, TableLike, Value};

use crate::toml_text::Lines;

/// One part of the tree.
#[derive(Clone, Debug)]
pub(in crate::recipe) struct Node {
    /// Line of the part, counted from 1; `None` if it is unknown.
    pub line: Option<usize>,
    pub tree: Tree,
}

/// The type and content of a part.
#[derive(Clone, Debug)]
pub(in crate::recipe) enum Tree {
    Null,
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A date; no recipe contains one.
    Other,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(in crate::recipe) struct Entry {
    pub key: String,
    pub line: Option<usize>,
    pub value: Node,
}

impl Node {
    /// The value under a key, if this is a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// Keys and values of a map; empty for anything else.
    pub fn entries(&self) -> &[Entry] {
        if let Tree::Map(entries) = &self.tree { entries } else { &[] }
    }

    /// Whether it is a map.
    pub const fn is_map(&self) -> bool {
        matches!(self.tree, Tree::Map(_))
    }

    /// The part as a number, written with or without a decimal point.
    pub fn number(&self) -> Option<f64> {
        match self.tree {
            Tree::Number(n) => Some(n),
            Tree::Whole(n) => Some(n as f64),
            _ => None,
        }
        .filter(|n| n.is_finite())
    }

    /// The part as a text.
    pub fn text(&self) -> Option<&str> {
        if let Tree::Text(text) = &self.tree { Some(text) } else { None }
    }
}

/// Turns a TOML document into a tree.
pub(in crate::recipe) struct Toml(pub Lines);

impl Toml {
    /// Line of a position in the text.
    fn line(&self, span: Option<std::ops::Range<usize>>) -> Option<usize> {
        Some(self.0.line(span?.start))
    }

    /// A table and everything below it.
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
