//! The weight files of a checkpoint's folder.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use serde_json::Value;

use super::fields::printable;
use super::{CheckpointError, foreign, torch};
use crate::limits;

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// Whether a folder holds a config and all the weight files that its index lists.
pub(super) fn is_complete(folder: &Path) -> bool {
    folder.join("config.json").exists()
        && shard_names("", folder).is_ok_and(|names| names.iter().all(|n| folder.join(n).exists()))
}

/// Weight files of a checkpoint folder: the single file, or those that the index lists.
pub(super) fn shard_names(reference: &str, folder: &Path) -> Result<Vec<String>, CheckpointError> {
    if folder.join(SINGLE).exists() {
        return Ok(vec![SINGLE.to_owned()]);
    }
    for name in [INDEX, torch::SINGLE, torch::INDEX] {
        let path = folder.join(name);
        if name == torch::SINGLE && path.exists() {
            return Ok(vec![name.to_owned()]);
        }
        if let Ok(index) = limits::read(&path, limits::SMALL_FILE) {
            return index_names(&format!("{reference}/{name}"), &index);
        }
    }
    Err(foreign::only_foreign(reference, folder))
}

/// The weight files that an index lists; `file` names it in errors.
pub(super) fn index_names(file: &str, index: &[u8]) -> Result<Vec<String>, CheckpointError> {
    let damaged =
        |problem: &str| CheckpointError::Damaged { file: file.to_owned(), problem: problem.to_owned() };
    let index: Value = serde_json::from_slice(index).map_err(|e| damaged(&format!("not JSON: {e}")))?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.filter(|m| !m.is_empty()).ok_or_else(|| damaged("has no weight_map"))?;
    let mut names = BTreeSet::new();
    for shard in map.values() {
        let shard =
            shard.as_str().ok_or_else(|| damaged("its weight_map holds something that is no name"))?;
        if !is_plain_name(shard) {
            return Err(CheckpointError::Escape { file: file.to_owned(), shard: printable(shard) });
        }
        names.insert(shard.to_owned());
    }
    Ok(names.into_iter().collect())
}

/// A file name without any folder in it.
pub(super) fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}
