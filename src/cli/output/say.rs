//! Prints every line of every command. Text comes in and is made safe to print, so that no text from a model, a file, a
//! journal or a name can control the terminal or a program that reads the log later.

use serde::Serialize;
use serde_json::Value;

use super::headway::beside_bar;
use crate::print::to_out;
use crate::text::{as_json, as_toml, visible};

/// Prints a line to stderr. A closed pipe is ignored.
pub fn note(line: &str) {
    beside_bar(|| eprintln!("{}", visible(line)));
}

/// Prints a line to stdout. If the pipe is closed, a command that only prints ends here.
pub fn out(line: &str) -> anyhow::Result<()> {
    Ok(to_out(format_args!("{}\n", visible(line)))?)
}

/// Prints one JSON document on a line.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(to_out(format_args!("{}\n", as_json(&serde_json::to_string(value)?)))?)
}

/// Prints one JSON document, indented over several lines.
pub fn json_pretty(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(to_out(format_args!("{}\n", as_json(&serde_json::to_string_pretty(value)?)))?)
}

/// Adds the fields of `more` to a JSON object.
pub fn extend(object: &mut Value, more: &impl Serialize) {
    if let (Value::Object(all), Ok(Value::Object(more))) = (object, serde_json::to_value(more)) {
        all.extend(more);
    }
}

/// Prints a text in TOML or YAML, which must still read back to the same value. Unsafe characters become escapes, which
/// both notations have in double-quoted strings. `same` says whether the escaped text has the same value.
pub fn notation(text: &str, same: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let escaped = as_toml(text);
    let safe = if same(&escaped) { escaped } else { visible(text) };
    Ok(to_out(format_args!("{safe}"))?)
}
