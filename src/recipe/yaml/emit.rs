//! Turns trees into YAML text that every YAML reader reads in the same way. `yaml/write.rs` calls it.

use std::fmt::Write as _;

use super::scalar::scalar;
use crate::recipe::read::{Entry, Node, Tree};

/// A tree as a block of lines.
pub(super) fn document(node: &Node) -> String {
    let mut out = String::new();
    block(&mut out, node, 0);
    out
}

fn block(out: &mut String, node: &Node, indent: usize) {
    let Tree::Map(entries) = &node.tree else {
        out.push_str(&inline(node));
        out.push('\n');
        return;
    };
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 || indent == 0 {
            let _ = write!(out, "{:indent$}", "");
        }
        pair(out, entry, indent);
    }
}

/// Writes `key: value`; the caller has already written the indent of the line.
fn pair(out: &mut String, entry: &Entry, indent: usize) {
    out.push_str(&quoted(&entry.key));
    out.push(':');
    match &entry.value.tree {
        Tree::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            let _ = write!(out, "{:indent$}  ", "");
            block(out, &entry.value, indent + 2);
        }
        Tree::List(list) if list.iter().any(|n| matches!(n.tree, Tree::Map(_))) => {
            out.push('\n');
            for node in list {
                let _ = write!(out, "{:indent$}  - ", "");
                block(out, node, indent + 4);
            }
        }
        _ => {
            out.push(' ');
            out.push_str(&inline(&entry.value));
            out.push('\n');
        }
    }
}

/// A value on one line.
fn inline(node: &Node) -> String {
    match &node.tree {
        Tree::Null | Tree::Other => "null".to_owned(),
        Tree::Flag(flag) => flag.to_string(),
        Tree::Whole(n) => n.to_string(),
        Tree::Number(n) => number(*n),
        Tree::Text(text) => quoted(text),
        Tree::List(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Tree::Map(entries) => {
            let pairs = entries.iter().map(|e| format!("{}: {}", quoted(&e.key), inline(&e.value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A number with a decimal point and a signed exponent, as YAML 1.1 requires.
fn number(n: f64) -> String {
    let text = format!("{n:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// A text, in double quotes unless every reader is sure to read the bare text as a text.
fn quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | '+' | '@');
    let start = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.'));
    let date = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['-', ':', '_']);
    let special = matches!(text, "y" | "Y" | "n" | "N" | "." | "..")
        || text.starts_with("..")
        || text.starts_with(".n")
        || text.starts_with(".i")
        || text.starts_with(".N")
        || text.starts_with(".I");
    // Other readers of YAML read more texts as numbers.
    let bare = text.replace('_', "");
    let number = bare.parse::<f64>().is_ok()
        || bare.starts_with(|c: char| c.is_ascii_digit())
            && bare.get(1..2).is_some_and(|c| "oOxXbB".contains(c));
    if start
        && !date
        && !special
        && !number
        && text.chars().all(safe)
        && matches!(scalar(text), Tree::Text(_))
    {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
