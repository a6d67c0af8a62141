//! A checkpoint's chat template. In: an open checkpoint. Out: the Jinja text for a chat without tools, and the name of
//! its file. `lm` renders it.

use serde_json::Value;

use super::json_file::{JsonKey, object};
use crate::checkpoint::{Checkpoint, CheckpointError};

/// The template for a chat without tools, with the name of its file. `chat_template.jinja` and
/// `additional_chat_templates/*.jinja` replace the template in `tokenizer_config.json`. There may be one text or
/// several named texts; of several, `default` is used.
///
/// # Errors
/// A file cannot be read, or there are several templates and none is called `default`.
pub fn chat_template(checkpoint: &Checkpoint) -> Result<Option<(String, &'static str)>, CheckpointError> {
    const FILE: &str = "chat_template.jinja";
    const OTHER: &str = "additional_chat_templates/default.jinja";
    let more = checkpoint.more_templates();
    if let Some((_, bytes)) = more.iter().find(|(name, _)| name == "default") {
        return text(checkpoint, OTHER, bytes).map(|text| Some((text, OTHER)));
    }
    if let Some(bytes) = checkpoint.file(FILE) {
        return text(checkpoint, FILE, &bytes).map(|text| Some((text, FILE)));
    }
    let name = "tokenizer_config.json";
    let place = JsonKey { checkpoint, file: name, key: "chat_template".to_owned() };
    let several = |names: &[String]| {
        place.bad(&format!(
            "has several templates and none called default ({}): name one of them default, or add {FILE}",
            names.join(", ")
        ))
    };
    if !more.is_empty() {
        let names: Vec<String> = more.into_iter().map(|(name, _)| name).collect();
        return Err(several(&names));
    }
    let found = match object(checkpoint, name)?.remove("chat_template") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => return Ok(Some((text, name))),
        Some(Value::Array(all)) => {
            let pair = |t: &Value| {
                Some((t.get("name")?.as_str()?.to_owned(), t.get("template")?.as_str()?.to_owned()))
            };
            all.iter().map(pair).collect::<Option<Vec<_>>>()
        }
        Some(Value::Object(all)) => {
            all.into_iter().map(|(name, t)| Some((name, t.as_str()?.to_owned()))).collect::<Option<Vec<_>>>()
        }
        Some(_) => None,
    };
    let all =
        found.ok_or_else(|| place.bad("must be a text, or a list of objects with name and template"))?;
    if all.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    // Of two templates with the same name, the later one wins.
    let default = all.into_iter().rev().find(|(name, _)| name == "default");
    default.map(|(_, text)| Some((text, name))).ok_or_else(|| several(&names))
}

/// Whether there is a template, usable or not.
#[must_use]
pub fn has_chat_template(checkpoint: &Checkpoint) -> bool {
    !matches!(chat_template(checkpoint), Ok(None))
}

fn text(checkpoint: &Checkpoint, name: &str, bytes: &[u8]) -> Result<String, CheckpointError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| CheckpointError::Damaged {
        file: format!("{}: {name}", checkpoint.reference()),
        problem: "is not UTF-8 text".to_owned(),
    })
}
