//! The way out: every line that a command prints passes here, so that no text of a model, a file, a
//! journal or a name drives the terminal, or what reads a log later.

use serde::Serialize;
use serde_json::Value;

use crate::print::to_out;
use crate::text::{as_json, as_toml, visible};

/// Prints a line to stderr; a closed pipe there is nobody's loss.
pub fn note(line: &str) {
    eprintln!("{}", visible(line));
}

/// Prints a line to stdout. Where nobody reads it any more a command that only prints ends here.
pub fn out(line: &str) -> anyhow::Result<()> {
    Ok(to_out(format_args!("{}\n", visible(line)))?)
}

/// Prints one JSON document on a line.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(to_out(format_args!("{}\n", as_json(&serde_json::to_string(value)?)))?)
}

/// The same over several lines.
pub fn json_pretty(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(to_out(format_args!("{}\n", as_json(&serde_json::to_string_pretty(value)?)))?)
}

/// Adds the fields of `more` to a JSON object.
pub fn extend(object: &mut Value, more: &impl Serialize) {
    if let (Value::Object(all), Ok(Value::Object(more))) = (object, serde_json::to_value(more)) {
        all.extend(more);
    }
}

/// Prints a text in TOML or YAML, which must read back as it was: both have escapes within double
/// quotes. `same` says whether a text with them is still the same.
pub fn notation(text: &str, same: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let escaped = as_toml(text);
    let safe = if same(&escaped) { escaped } else { visible(text) };
    Ok(to_out(format_args!("{safe}"))?)
}
