//! YAML text → trees, one a document. Plain scalars are read as `PyYAML` reads them.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::limits::{DEPTH, YAML_VALUES};
use crate::recipe::RecipeError;
use crate::recipe::read::{Entry, Node, Reader, Tree};

/// So many bytes of a text count as one value.
const TEXT_VALUE: usize = 64;

/// A collection being read.
enum Open {
    List(usize, Option<usize>, Vec<Node>),
    Map(usize, Option<usize>, Vec<Entry>, Option<(String, Option<usize>)>),
}

/// What an anchor names, and how many values it is with every alias in it written out.
struct Anchored {
    node: Node,
    values: usize,
    depth: usize,
}

/// The documents of a text that hold anything.
pub(super) fn documents(text: &str, reader: &Reader<'_>) -> Result<Vec<Node>, RecipeError> {
    let syntax =
        |line, problem: String| RecipeError::Syntax { notation: "YAML", place: reader.at(line), problem };
    let mut out = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Anchored> = HashMap::new();
    // Values so far, every alias written out. A text has no more of its own than bytes.
    let most = YAML_VALUES.saturating_add(text.len());
    let mut count = 0;
    // Of each open collection, the count before it and the depth of what is in it.
    let mut below: Vec<(usize, usize)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|e| syntax(Some(e.marker().line()), e.info().replace('\n', " ")))?;
        let line = Some(span.start.line());
        if matches!(event, Event::SequenceStart(..) | Event::MappingStart(..)) {
            count += 1;
            below.push((count - 1, 0));
        }
        let is_alias = matches!(event, Event::Alias(_));
        let (mut depth, mut values) = (1, 1);
        let (anchor, node) = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if below.len() > DEPTH => {
                return Err(syntax(line, format!("more than {DEPTH} lists and maps within each other")));
            }
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
                count += 1 + text.len() / TEXT_VALUE;
                values = 1 + text.len() / TEXT_VALUE;
                let tree = if plain { scalar(&text) } else { Tree::Text(text.into_owned()) };
                (anchor, Node { line, tree })
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(named) if count.saturating_add(named.values) <= most => {
                    count += named.values;
                    depth = named.depth;
                    (0, named.node.clone())
                }
                Some(_) => return Err(syntax(line, too_many())),
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
        let collection = matches!(node.tree, Tree::List(_) | Tree::Map(_)) && !is_alias;
        let before = if collection { below.pop() } else { None };
        if let Some((_, inside)) = before {
            depth = inside + 1;
        }
        if let Some((_, inside)) = below.last_mut() {
            *inside = depth.max(*inside);
        }
        if below.len() + depth > DEPTH {
            return Err(syntax(line, format!("more than {DEPTH} lists and maps within each other")));
        }
        if count > most {
            return Err(syntax(line, too_many()));
        }
        if anchor > 0 {
            // It is copied here and at every alias.
            values = before.map_or(values, |(before, _)| count - before);
            count += values;
            anchors.insert(anchor, Anchored { node: node.clone(), values, depth });
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

fn too_many() -> String {
    format!("aliases stand for more than {YAML_VALUES} values")
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
