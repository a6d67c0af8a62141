//! Opens a checkpoint. In: a reference (`zoo:ja`, a folder, `org/name@revision`, each with an optional `+adapter`), or
//! config and tensors in memory. Out: a [`Checkpoint`] whose headers, shapes and paths are checked. The only tensor
//! data read is a stored LM head of a tied model (see `lm_head`).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::adapter::Adapter;
use super::bytes::Bytes;
use super::config::shapes::tensor_shapes;
use super::files::Files;
use super::formats::safetensors::{SINGLE, make_header};
use super::formats::shards::Shards;
use super::formats::table::read_header;
use super::hub::fetch::{fetch, fetch_adapter};
use super::lm_head;
use super::locate::{Found, Location, locate, locate_adapter, split_adapter};
use super::stored::Held;
use super::zoo::ZooModel;
use super::{Checkpoint, CheckpointError, Dtype, ModelConfig, vision};
use crate::limits;
use crate::progress::Observer;

impl Checkpoint {
    /// Opens `zoo:name`, a folder, or `org/name[@revision]` (from the Hugging Face cache, else silently fetched from
    /// the hub). Each may end in `+adapter[@revision]`, a `LoRA` adapter that is applied.
    pub fn open(reference: &str) -> Result<Self, CheckpointError> {
        Self::open_with_progress(reference, &Observer::none())
    }

    /// Like [`Self::open`]; the observer sees files arrive from the hub, and may end that between two.
    pub fn open_with_progress(reference: &str, observer: &Observer<'_>) -> Result<Self, CheckpointError> {
        if let Some((base, adapter)) = split_adapter(reference) {
            let model = Self::open_with_progress(base, observer)?;
            return model.with_adapter(reference, adapter, observer);
        }
        match locate(reference)? {
            Found::Here(Location::Zoo(model)) => Self::from_zoo(reference, model),
            Found::Here(Location::Folder(folder)) => Self::from_folder(reference, &folder),
            Found::OnHub(id) => Self::from_folder(reference, &fetch(&id, observer)?),
        }
    }

    /// Opens the checkpoint in `folder` under the name `reference`. If the name ends in `+adapter`, the adapter is
    /// applied.
    pub fn open_as(reference: &str, folder: &Path, observer: &Observer<'_>) -> Result<Self, CheckpointError> {
        match reference.split_once('+') {
            Some((base, adapter)) => {
                Self::from_folder(base, folder)?.with_adapter(reference, adapter, observer)
            }
            None => Self::from_folder(reference, folder),
        }
    }

    /// This checkpoint with the `LoRA` adapter `adapter` applied, under the name `reference`.
    pub fn with_adapter(
        self,
        reference: &str,
        adapter: &str,
        observer: &Observer<'_>,
    ) -> Result<Self, CheckpointError> {
        let folder = match locate_adapter(adapter)? {
            Found::Here(folder) => folder,
            Found::OnHub(id) => fetch_adapter(&id, observer)?,
        };
        self.adapted(reference, Adapter::open(adapter, &folder)?)
    }

    /// Opens the checkpoint in `folder` under the name `reference`.
    pub(super) fn from_folder(reference: &str, folder: &Path) -> Result<Self, CheckpointError> {
        let config =
            limits::read(&folder.join("config.json"), limits::SMALL_FILE).map_err(|e| match e.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    CheckpointError::NotAFolder { path: reference.to_owned(), missing: "config.json" }
                }
                _ => CheckpointError::Io { path: folder.join("config.json"), source: e },
            })?;
        let config = ModelConfig::from_json(reference, &config)?;
        let listed = Shards::of(reference, folder)?;
        let mut shards = Vec::with_capacity(listed.names.len());
        for name in &listed.names {
            let path = folder.join(name);
            if listed.names.len() > 1 && !path.exists() {
                return Err(CheckpointError::MissingShard {
                    folder: reference.to_owned(),
                    shard: name.clone(),
                });
            }
            shards.push((format!("{reference}/{name}"), Bytes::map(&path)?));
        }
        Self::assemble(reference, config, (&listed, shards), Files::Folder(folder.to_path_buf()))
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
        Self::assemble(reference, config, (&Shards::single(SINGLE), vec![shard]), Files::Zoo(model))
    }

    /// A checkpoint in memory: its config, its tensors (name, shape, type, little-endian bytes) and its small files.
    /// For merges of merges, tests and benchmarks.
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
        let shard = (format!("{reference}/{SINGLE}"), Bytes::from(bytes));
        Self::assemble(reference, config, (&Shards::single(SINGLE), vec![shard]), Files::Memory(files))
    }

    /// Reads the headers and checks that every tensor of the architecture exists with the right shape.
    fn assemble(
        reference: &str,
        mut config: ModelConfig,
        (listed, shards): (&Shards, Vec<(String, Bytes)>),
        files: Files,
    ) -> Result<Self, CheckpointError> {
        let (names, maps): (Vec<String>, Vec<Bytes>) = shards.into_iter().unzip();
        let headers = names.iter().zip(&maps).map(|(file, bytes)| read_header(bytes, file));
        let joined = listed.join(headers.collect::<Result<_, _>>()?, &names)?;
        let foreign = joined.foreign;
        let mut tensors: BTreeMap<String, Held> =
            joined.tensors.into_iter().map(|(name, spot)| (name, Held::Stored(spot))).collect();
        let file = names.first().cloned().unwrap_or_default();
        let vision =
            config.vision.is_some().then(|| vision::part::divide(&file, &mut tensors)).transpose()?;
        lm_head::settle(&mut config, &mut tensors, &maps);
        if let Some(part) = &vision {
            part.check(&config, &foreign, &file)?;
        }
        let stored =
            |name: &str| vision.as_ref().map_or_else(|| name.to_owned(), |part| part.names.text(name));
        for (name, shape) in tensor_shapes(&config) {
            let problem = match (tensors.get(&name), foreign.get(&stored(&name))) {
                (Some(held), _) if held.entry().shape == shape => continue,
                (Some(held), _) => {
                    format!("has shape {:?}, but config.json makes it {shape:?}", held.entry().shape)
                }
                (None, Some(dtype)) => format!("is stored as {dtype}; F32, F16 and BF16 are read"),
                (None, None) => "is missing".to_owned(),
            };
            return Err(CheckpointError::Tensor { file, tensor: stored(&name), problem });
        }
        Ok(Self {
            reference: reference.to_owned(),
            config,
            shards: maps,
            tensors,
            vision,
            files,
            in_front: BTreeMap::new(),
        })
    }
}
