//! The weight files of a checkpoint's folder. In: the folder, and later the header of each file. Out: the names of the
//! files, and the file that each tensor is read from. `open` calls it.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::header::{Entry, Header};
use super::table::FORMATS;
use super::unique_keys::Pairs;
use super::unsupported;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::untrusted::printable;
use crate::limits;

/// The weight files of a folder.
#[derive(Debug)]
pub(in crate::checkpoint) struct Shards {
    pub(in crate::checkpoint) names: Vec<String>,
    /// For each tensor, the index of its file in `names`, if there is an index file.
    map: BTreeMap<String, usize>,
    /// Name of the index file in errors.
    index: String,
}

#[derive(Deserialize)]
struct Index {
    weight_map: Option<Pairs<String>>,
}

/// Whether a folder holds a config and all the weight files that its index lists.
pub(in crate::checkpoint) fn is_complete(folder: &Path) -> bool {
    folder.join("config.json").exists()
        && Shards::of("", folder).is_ok_and(|shards| shards.names.iter().all(|n| folder.join(n).exists()))
}

impl Shards {
    /// One file, and no index.
    pub(in crate::checkpoint) fn single(name: &str) -> Self {
        Self { names: vec![name.to_owned()], map: BTreeMap::new(), index: String::new() }
    }

    /// Weight files of a checkpoint folder: the single file, or the files in the index.
    pub(in crate::checkpoint) fn of(reference: &str, folder: &Path) -> Result<Self, CheckpointError> {
        for format in &FORMATS {
            if folder.join(format.single).exists() {
                return Ok(Self::single(format.single));
            }
            let path = folder.join(format.index);
            match limits::read(&path, limits::SMALL_FILE) {
                Ok(index) => return Self::listed(&format!("{reference}/{}", format.index), &index),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(CheckpointError::Io { path, source }),
            }
        }
        Err(unsupported::only_foreign(reference, folder))
    }

    /// The weight files that the index lists; `file` names the index in errors.
    fn listed(file: &str, index: &[u8]) -> Result<Self, CheckpointError> {
        let damaged = |problem: String| CheckpointError::Damaged { file: file.to_owned(), problem };
        let index: Index = serde_json::from_slice(index)
            .map_err(|e| damaged(format!("is not the JSON of an index: {e}")))?;
        let Some(Pairs(map)) = index.weight_map.filter(|map| !map.0.is_empty()) else {
            return Err(damaged("has no weight_map".to_owned()));
        };
        if let Some(shard) = map.values().find(|shard| !is_plain_name(shard)) {
            return Err(CheckpointError::Escape { file: file.to_owned(), shard: printable(shard) });
        }
        let mut names: Vec<String> = map.values().cloned().collect();
        names.sort_unstable();
        names.dedup();
        let place = |shard: &String| names.binary_search(shard).unwrap_or_default();
        let map = map.iter().map(|(tensor, shard)| (tensor.clone(), place(shard))).collect();
        Ok(Self { names, map, index: file.to_owned() })
    }

    /// The tensors of all files, each from the file that the index names, and the tensors with unsupported types.
    /// `files` are the file names for errors, in the order of their headers.
    pub(in crate::checkpoint) fn join(
        &self,
        headers: Vec<Header>,
        files: &[String],
    ) -> Result<Joined, CheckpointError> {
        let mut out = Joined::default();
        let bad = |file: usize, tensor: &str, problem: String| CheckpointError::Tensor {
            file: files[file].clone(),
            tensor: printable(tensor),
            problem,
        };
        for (tensor, place) in &self.map {
            if !headers[*place].has(tensor) {
                return Err(bad(
                    *place,
                    tensor,
                    format!("is missing, but {} says that it is here", self.index),
                ));
            }
        }
        for (place, header) in headers.into_iter().enumerate() {
            let elsewhere = |name: &str| self.map.get(name).is_some_and(|named| *named != place);
            for (name, entry) in header.tensors {
                if elsewhere(&name) {
                    continue;
                }
                if let Some((other, _)) = out.tensors.get(&name) {
                    let problem =
                        format!("is in {} too, and {} names neither for it", files[*other], self.index);
                    return Err(bad(place, &name, problem));
                }
                out.tensors.insert(name, (place, entry));
            }
            out.foreign.extend(header.foreign.into_iter().filter(|(name, _)| !elsewhere(name)));
        }
        Ok(out)
    }
}

/// The weight files that an index lists; `file` names the index in errors.
pub(in crate::checkpoint) fn index_names(file: &str, index: &[u8]) -> Result<Vec<String>, CheckpointError> {
    Shards::listed(file, index).map(|shards| shards.names)
}

/// The contents of all weight files together.
#[derive(Debug, Default)]
pub(in crate::checkpoint) struct Joined {
    /// By name: the index of the file, and the tensor's entry in its header.
    pub(in crate::checkpoint) tensors: BTreeMap<String, (usize, Entry)>,
    /// Type names of the unsupported tensors.
    pub(in crate::checkpoint) foreign: BTreeMap<String, String>,
}

/// Whether this is a file name without any folder.
pub(in crate::checkpoint) fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}
