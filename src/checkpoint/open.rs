//! Opening a checkpoint: every header, shape and path is checked, no tensor data is read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::bytes::Bytes;
use super::config::printable;
use super::hub::{self, OnProgress};
use super::layout::tensor_shapes;
use super::locate::{Place, locate};
use super::safetensors::{Entry, Header, make_header, read_header};
use super::zoo::ZooModel;
use super::{CheckpointError, Dtype, ModelConfig, TensorView, Weights};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A checkpoint with its tensors mapped and its config read.
pub struct Checkpoint {
    reference: String,
    config: ModelConfig,
    shards: Vec<Bytes>,
    /// Shard number and place of each tensor.
    tensors: BTreeMap<String, (usize, Entry)>,
    files: Files,
}

/// Where the small files (tokenizer, model card) are.
enum Files {
    Folder(PathBuf),
    Zoo(&'static ZooModel),
    Memory(BTreeMap<String, Vec<u8>>),
}

impl Checkpoint {
    /// Opens `zoo:name`, a folder, or `org/name[@revision]` (from the Hugging Face cache, else
    /// fetched from the hub in silence).
    pub fn open(reference: &str) -> Result<Self, CheckpointError> {
        Self::open_with_progress(reference, &mut |_, _, _| ())
    }

    /// As [`Self::open`]; `progress` hears file name, bytes so far and bytes in all while files
    /// arrive from the hub.
    pub fn open_with_progress(reference: &str, progress: OnProgress<'_>) -> Result<Self, CheckpointError> {
        match locate(reference)? {
            Ok(Place::Zoo(model)) => Self::from_zoo(reference, model),
            Ok(Place::Folder(folder)) => Self::from_folder(reference, &folder),
            Err(id) => Self::from_folder(reference, &hub::fetch(&id, progress)?),
        }
    }

    /// Opens the checkpoint in `folder`, calling it `reference`.
    pub(super) fn from_folder(reference: &str, folder: &Path) -> Result<Self, CheckpointError> {
        let config = fs::read(folder.join("config.json")).map_err(|_| CheckpointError::NotAFolder {
            path: reference.to_owned(),
            missing: "config.json",
        })?;
        let config = ModelConfig::from_json(reference, &config)?;
        let names = shard_names(reference, folder)?;
        let mut shards = Vec::with_capacity(names.len());
        for name in &names {
            let path = folder.join(name);
            if names.len() > 1 && !path.exists() {
                return Err(CheckpointError::MissingShard {
                    folder: reference.to_owned(),
                    shard: name.clone(),
                });
            }
            shards.push((format!("{reference}/{name}"), Bytes::map(&path)?));
        }
        Self::assemble(reference, config, shards, Files::Folder(folder.to_path_buf()))
    }

    fn from_zoo(reference: &str, model: &'static ZooModel) -> Result<Self, CheckpointError> {
        let file = |name: &'static str| {
            let found = model.files.iter().find(|(n, _)| *n == name);
            found
                .map(|(_, bytes)| *bytes)
                .ok_or_else(|| CheckpointError::NotAFolder { path: reference.to_owned(), missing: name })
        };
        let config = ModelConfig::from_json(reference, file("config.json")?)?;
        let shard = (format!("{reference}/{SINGLE}"), Bytes::Embedded(file(SINGLE)?));
        Self::assemble(reference, config, vec![shard], Files::Zoo(model))
    }

    /// A checkpoint in memory: its config, its tensors (name, shape, type, little-endian bytes) and
    /// its small files. For merges of merges, tests and benchmarks.
    pub fn from_memory(
        reference: &str,
        config: &Value,
        tensors: &[(String, Vec<usize>, Dtype, Vec<u8>)],
        files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, CheckpointError> {
        let config = ModelConfig::from_json(reference, config.to_string().as_bytes())?;
        let mut bytes = make_header(tensors.iter().map(|(n, s, d, _)| (n.as_str(), *d, s.as_slice())));
        for (.., data) in tensors {
            bytes.extend_from_slice(data);
        }
        let shard = (format!("{reference}/{SINGLE}"), Bytes::Owned(bytes));
        Self::assemble(reference, config, vec![shard], Files::Memory(files))
    }

    /// Reads the headers and checks that every tensor of the architecture is there in its shape.
    fn assemble(
        reference: &str,
        config: ModelConfig,
        shards: Vec<(String, Bytes)>,
        files: Files,
    ) -> Result<Self, CheckpointError> {
        let mut tensors = BTreeMap::new();
        let mut foreign = BTreeMap::new();
        let mut maps = Vec::with_capacity(shards.len());
        let mut first_file = String::new();
        for (number, (file, bytes)) in shards.into_iter().enumerate() {
            let Header { tensors: found, foreign: other } = read_header(&bytes, &file)?;
            tensors.extend(found.into_iter().map(|(name, entry)| (name, (number, entry))));
            foreign.extend(other);
            maps.push(bytes);
            if first_file.is_empty() {
                first_file = file;
            }
        }
        for (name, shape) in tensor_shapes(&config) {
            let problem = match (tensors.get(&name), foreign.get(&name)) {
                (Some((_, entry)), _) if entry.shape == shape => continue,
                (Some((_, entry)), _) => {
                    format!("has shape {:?}, but config.json makes it {shape:?}", entry.shape)
                }
                (None, Some(dtype)) => format!("is stored as {dtype}; F32, F16 and BF16 are read"),
                (None, None) => "is missing".to_owned(),
            };
            return Err(CheckpointError::Tensor { file: first_file, tensor: name, problem });
        }
        Ok(Self { reference: reference.to_owned(), config, shards: maps, tensors, files })
    }

    /// The name under which it was opened.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Names of all tensors, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    /// Bytes of `tokenizer.json`.
    pub fn tokenizer_json(&self) -> Result<Cow<'_, [u8]>, CheckpointError> {
        self.file("tokenizer.json").ok_or_else(|| CheckpointError::NotAFolder {
            path: self.reference.clone(),
            missing: "tokenizer.json",
        })
    }

    /// Bytes of one of the checkpoint's small files (`README.md`, `generation_config.json`), if
    /// it is there. `name` is a plain file name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match &self.files {
            Files::Folder(folder) if is_plain_name(name) => fs::read(folder.join(name)).ok().map(Cow::Owned),
            Files::Folder(_) => None,
            Files::Zoo(model) => {
                model.files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| Cow::Borrowed(*bytes))
            }
            Files::Memory(files) => files.get(name).map(|bytes| Cow::Borrowed(bytes.as_slice())),
        }
    }
}

impl Weights for Checkpoint {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let (shard, entry) = self.tensors.get(name)?;
        Some(TensorView {
            dtype: entry.dtype,
            shape: &entry.shape,
            data: &self.shards[*shard][entry.start..entry.end],
        })
    }
}

/// Whether a folder holds a config and all the weight files that its index lists.
pub(super) fn is_complete(folder: &Path) -> bool {
    folder.join("config.json").exists()
        && shard_names("", folder).is_ok_and(|names| names.iter().all(|n| folder.join(n).exists()))
}

/// Weight files of a checkpoint folder: the single file, or those that the index lists.
fn shard_names(reference: &str, folder: &Path) -> Result<Vec<String>, CheckpointError> {
    if folder.join(SINGLE).exists() {
        return Ok(vec![SINGLE.to_owned()]);
    }
    let file = format!("{reference}/{INDEX}");
    let Ok(index) = fs::read(folder.join(INDEX)) else {
        return Err(CheckpointError::NotAFolder { path: reference.to_owned(), missing: SINGLE });
    };
    let damaged =
        |problem: &str| CheckpointError::Damaged { file: file.clone(), problem: problem.to_owned() };
    let index: Value = serde_json::from_slice(&index).map_err(|e| damaged(&format!("not JSON: {e}")))?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.filter(|m| !m.is_empty()).ok_or_else(|| damaged("has no weight_map"))?;
    let mut names = BTreeSet::new();
    for shard in map.values() {
        let shard =
            shard.as_str().ok_or_else(|| damaged("its weight_map holds something that is no name"))?;
        if !is_plain_name(shard) {
            return Err(CheckpointError::Escape { file, shard: printable(shard) });
        }
        names.insert(shard.to_owned());
    }
    Ok(names.into_iter().collect())
}

/// A file name without any folder in it.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}
