//! YAML text → trees, one a document. Plain scalars are read as `PyYAML` reads them.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::recipe::RecipeError;
use crate::recipe::read::{Entry, Node, Reader, Tree};

/// Nodes of all documents together; aliases can multiply them.
const MOST: usize = 200_000;

/// A collection being read.
enum Open {
    List(usize, Option<usize>, Vec<Node>),
    Map(usize, Option<usize>, Vec<Entry>, Option<(String, Option<usize>)>),
}

/// The documents of a text that hold anything.
pub(super) fn documents(text: &str, reader: &Reader<'_>) -> Result<Vec<Node>, RecipeError> {
    let syntax =
        |line, problem: String| RecipeError::Syntax { notation: "YAML", place: reader.at(line), problem };
    let mut out = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut count = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|e| syntax(Some(e.marker().line()), e.info().replace('\n', " ")))?;
        let line = Some(span.start.line());
        let (anchor, node) = match event {
            Event::SequenceStart(anchor, _) => {
                stack.push(Open::List(anchor, line, Vec::new()));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                stack.push(Open::Map(anchor, line, Vec::new(), None));
                continue;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let tree = if plain { scalar(&text) } else { Tree::Text(text.into_owned()) };
                (anchor, Node { line, tree })
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => (0, node.clone()),
                None => return Err(syntax(line, "an alias before its anchor is complete".into())),
            },
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(anchor, line, list)) => (anchor, Node { line, tree: Tree::List(list) }),
                Some(Open::Map(anchor, line, entries, _)) => {
                    (anchor, Node { line, tree: Tree::Map(entries) })
                }
                None => continue,
            },
            _ => continue,
        };
        count += size(&node);
        if count > MOST {
            return Err(syntax(line, "more values than any recipe has".into()));
        }
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match stack.last_mut() {
            None => out.push(node),
            Some(Open::List(_, _, list)) => list.push(node),
            Some(Open::Map(_, _, entries, key)) => match key.take() {
                None => {
                    *key = Some((
                        key_text(&node).ok_or_else(|| syntax(line, "a key that is no text".into()))?,
                        line,
                    ));
                }
                Some((name, at)) => {
                    if entries.iter().any(|e| e.key == name) {
                        return Err(syntax(at, format!("{name} is given twice")));
                    }
                    entries.push(Entry { key: name, line: at, value: node });
                }
            },
        }
    }
    out.retain(|n| !matches!(n.tree, Tree::Null));
    Ok(out)
}

fn size(node: &Node) -> usize {
    match &node.tree {
        Tree::List(list) => 1 + list.len(),
        Tree::Map(entries) => 1 + entries.len(),
        _ => 1,
    }
}

fn key_text(node: &Node) -> Option<String> {
    match &node.tree {
        Tree::Text(text) => Some(text.clone()),
        Tree::Whole(n) => Some(n.to_string()),
        Tree::Flag(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// What a plain scalar is by YAML 1.1, as `PyYAML` has it, but for a number with an exponent and no
/// point, which is a number here.
pub(super) fn scalar(text: &str) -> Tree {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tree::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Tree::Flag(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Tree::Flag(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit())
        || digits.strip_prefix('.').is_some_and(|d| d.starts_with(|c: char| c.is_ascii_digit()));
    if numeric {
        let bare = text.replace('_', "");
        if let Ok(n) = bare.strip_prefix('+').unwrap_or(&bare).parse::<i64>() {
            return Tree::Whole(n);
        }
        if let Ok(n) = bare.parse::<f64>() {
            return Tree::Number(n);
        }
    }
    Tree::Text(text.to_owned())
}
