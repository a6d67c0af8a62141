//! The chat template of a merge: the one that most of its models have, one of mergekit's named templates, or a given
//! text. `vocab` calls it.

use crate::checkpoint::{Checkpoint, chat_template};

use crate::merge::MergeError;
use crate::toml_text;

/// Named templates. They render the same text as mergekit's templates of the same name.
const NAMED: [(&str, &str); 5] = [
    ("alpaca", include_str!("chat/alpaca.jinja")),
    ("chatml", include_str!("chat/chatml.jinja")),
    ("exaone", include_str!("chat/exaone.jinja")),
    ("llama3", include_str!("chat/llama3.jinja")),
    ("mistral", include_str!("chat/mistral.jinja")),
];

/// The template that a recipe asks for. `auto` takes the template that most of `models` have (the first in a tie), and
/// gives `None` if no model has one.
pub(super) fn template<'a>(
    asked: &str,
    models: impl Iterator<Item = &'a Checkpoint>,
) -> Result<Option<String>, MergeError> {
    if asked == "auto" {
        let mut found: Vec<(String, usize)> = Vec::new();
        for template in models.filter_map(of_model) {
            match found.iter_mut().find(|(t, _)| *t == template) {
                Some((_, count)) => *count += 1,
                None => found.push((template, 1)),
            }
        }
        let most = found.iter().map(|(_, count)| *count).max();
        return Ok(found.into_iter().find(|(_, count)| Some(*count) == most).map(|(template, _)| template));
    }
    if let Some((_, template)) = NAMED.iter().find(|(name, _)| *name == asked) {
        return Ok(Some(template.trim_end().to_owned()));
    }
    if asked.contains('{') {
        return Ok(Some(asked.to_owned()));
    }
    let hint = match toml_text::nearest(asked, NAMED.iter().map(|(name, _)| *name)) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known are auto, {}", NAMED.map(|(name, _)| name).join(", ")),
    };
    Err(MergeError::ChatTemplate { name: asked.chars().take(60).collect(), hint })
}

/// A model's own template (the default one if it has several), trimmed.
fn of_model(model: &Checkpoint) -> Option<String> {
    let (text, _) = chat_template(model).ok()??;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
