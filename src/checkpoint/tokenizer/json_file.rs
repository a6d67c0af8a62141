//! One of a checkpoint's small JSON files: read as an object, and named in messages. The readers of this folder use it.

use serde_json::{Map, Value};

use crate::checkpoint::{Checkpoint, CheckpointError};

/// A key of a checkpoint's file, for messages.
pub(super) struct JsonKey<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) file: &'static str,
    pub(super) key: String,
}

impl JsonKey<'_> {
    /// The error for a wrong value of this key; `problem` continues the sentence that the key begins.
    pub(super) fn bad(&self, problem: &str) -> CheckpointError {
        CheckpointError::Config {
            file: format!("{}: {}", self.checkpoint.reference(), self.file),
            key: self.key.clone(),
            problem: problem.to_owned(),
        }
    }
}

/// The object of the file `name`; empty if the file is missing.
pub(super) fn object(
    checkpoint: &Checkpoint,
    name: &'static str,
) -> Result<Map<String, Value>, CheckpointError> {
    let Some(bytes) = checkpoint.file(name) else { return Ok(Map::new()) };
    let damaged = |problem: String| CheckpointError::Damaged {
        file: format!("{}: {name}", checkpoint.reference()),
        problem,
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(damaged("is not a JSON object".to_owned())),
        Err(e) => Err(damaged(format!("is not JSON ({e})"))),
    }
}
