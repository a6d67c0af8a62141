//! The built-in tasks and the data that the binary carries.

use std::path::Path;

use super::place::Base;
use super::{TaskError, nearest};

/// The built-in tasks' names.
pub const BUILTIN: [&str; 2] = ["zoo", "mgsm_ja"];

const FILES: [(&str, &str); BUILTIN.len()] = [
    (BUILTIN[0], include_str!("../../configs/tasks/zoo.toml")),
    (BUILTIN[1], include_str!("../../configs/tasks/mgsm_ja.toml")),
];

const DATA: [(&str, &str); 2] = [
    ("zoo/task/train.jsonl", include_str!("../../zoo/task/train.jsonl")),
    ("zoo/task/test.jsonl", include_str!("../../zoo/task/test.jsonl")),
];

/// A data file that the binary carries.
pub(super) fn embedded(path: &str) -> Option<&'static str> {
    DATA.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

/// Name for messages, text, and base for relative paths of a task.
pub(super) fn find(reference: &str) -> Result<(String, String, Base), TaskError> {
    if let Some((name, text)) = FILES.iter().find(|(name, _)| *name == reference) {
        return Ok((format!("<{name}.toml>"), (*text).to_owned(), Base::Builtin));
    }
    let path = Path::new(reference);
    if !path.exists() && path.extension().is_none() {
        return Err(TaskError::UnknownTask {
            name: reference.to_owned(),
            nearest: nearest(reference, &BUILTIN),
        });
    }
    let text = std::fs::read_to_string(path)
        .map_err(|source| TaskError::Read { path: reference.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok((reference.to_owned(), text, Base::Folder(folder)))
}
