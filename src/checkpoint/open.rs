//! Opening a checkpoint: every header, shape and path is checked, no tensor data is read but the LM head
//! that a tied model stores (see `head`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use super::adapter::{Adapter, Change};
use super::bytes::Bytes;
use super::fields::printable;
use super::files::Files;
use super::head;
use super::hub::{self, OnProgress};
use super::layout::tensor_shapes;
use super::locate::{Place, locate, locate_adapter, split_adapter};
use super::lora;
use super::safetensors::{Entry, make_header, read_header};
use super::shards::{SINGLE, Shards};
use super::zoo::ZooModel;
use super::{CheckpointError, Dtype, ModelConfig, TensorView, Weights, companions, tokenizer, torch};
use crate::limits;

/// A checkpoint with its tensors mapped and its config read. A clone holds the same weights.
#[derive(Clone)]
pub struct Checkpoint {
    reference: String,
    config: ModelConfig,
    shards: Vec<Bytes>,
    tensors: BTreeMap<String, Held>,
    files: Files,
    /// Small files that stand in front of the checkpoint's own; `None` hides one.
    in_front: BTreeMap<String, Option<Vec<u8>>>,
}

/// Where a tensor's values are.
#[derive(Clone)]
pub(super) enum Held {
    /// In a shard, as they are.
    Stored(Spot),
    /// A tensor of a shard that the adapter in shard `adapter` changes. It is made when first
    /// asked for, and kept.
    Adapted { base: Spot, adapter: usize, change: Change, made: OnceLock<Vec<u8>> },
}

/// Shard number and place in it.
pub(super) type Spot = (usize, Entry);

impl Held {
    /// Type and shape, without making anything.
    fn entry(&self) -> &Entry {
        match self {
            Self::Stored((_, entry)) | Self::Adapted { base: (_, entry), .. } => entry,
        }
    }
}

impl Checkpoint {
    /// Opens `zoo:name`, a folder, or `org/name[@revision]` (from the Hugging Face cache, else
    /// fetched from the hub in silence), each with `+adapter[@revision]` after it for a `LoRA` adapter
    /// that is applied to it.
    pub fn open(reference: &str) -> Result<Self, CheckpointError> {
        Self::open_with_progress(reference, &mut |_, _, _| ())
    }

    /// As [`Self::open`]; `progress` hears file name, bytes so far and bytes in all while files
    /// arrive from the hub.
    pub fn open_with_progress(reference: &str, progress: OnProgress<'_>) -> Result<Self, CheckpointError> {
        if let Some((base, adapter)) = split_adapter(reference) {
            let model = Self::open_with_progress(base, progress)?;
            return model.with_adapter(reference, adapter, progress);
        }
        match locate(reference)? {
            Ok(Place::Zoo(model)) => Self::from_zoo(reference, model),
            Ok(Place::Folder(folder)) => Self::from_folder(reference, &folder),
            Err(id) => Self::from_folder(reference, &hub::fetch(&id, progress)?),
        }
    }

    /// Opens the checkpoint in `folder` under the name `reference`. Where that ends in `+adapter`,
    /// the adapter is applied to it.
    pub fn open_as(
        reference: &str,
        folder: &Path,
        progress: OnProgress<'_>,
    ) -> Result<Self, CheckpointError> {
        match reference.split_once('+') {
            Some((base, adapter)) => {
                Self::from_folder(base, folder)?.with_adapter(reference, adapter, progress)
            }
            None => Self::from_folder(reference, folder),
        }
    }

    /// This checkpoint with the `LoRA` adapter `adapter` applied, called `reference`.
    pub fn with_adapter(
        self,
        reference: &str,
        adapter: &str,
        progress: OnProgress<'_>,
    ) -> Result<Self, CheckpointError> {
        let folder = match locate_adapter(adapter)? {
            Ok(folder) => folder,
            Err(id) => hub::fetch_adapter(&id, progress)?,
        };
        self.adapted(reference, Adapter::open(adapter, &folder)?)
    }

    /// This checkpoint with an adapter applied, called `reference`. Only shapes are looked at;
    /// a changed tensor is made when it is first asked for.
    pub(super) fn adapted(mut self, reference: &str, adapter: Adapter) -> Result<Self, CheckpointError> {
        let Adapter { file, bytes, changes, card } = adapter;
        let number = self.shards.len();
        let tied = self.config.tie_word_embeddings;
        for (name, change) in changes {
            let bad = |problem: String| CheckpointError::Tensor {
                file: file.clone(),
                tensor: printable(&name),
                problem,
            };
            if tied && name == "lm_head.weight" {
                return Err(bad("is changed, but the base ties its LM head to its embeddings; merge the two with PEFT first".into()));
            }
            let base = match self.tensors.remove(&name) {
                Some(Held::Stored(base)) => base,
                Some(Held::Adapted { .. }) => {
                    return Err(bad(format!("is changed in {} already; name one adapter", self.reference)));
                }
                None => return Err(bad(format!("is changed, but {} does not have it", self.reference))),
            };
            let wanted = match &change {
                Change::Linear { a, b, .. } => vec![b.shape[0], a.shape[1]],
                Change::Embedding { a, b, .. } => vec![a.shape[1], b.shape[0]],
                Change::Whole(entry) => entry.shape.clone(),
            };
            if base.1.shape != wanted {
                return Err(bad(format!(
                    "is for a tensor of shape {wanted:?}, but {} has {:?}",
                    self.reference, base.1.shape
                )));
            }
            let held = match change {
                Change::Whole(entry) if entry.dtype == base.1.dtype => Held::Stored((number, entry)),
                change => Held::Adapted { base, adapter: number, change, made: OnceLock::new() },
            };
            self.tensors.insert(name, held);
        }
        self.shards.push(bytes);
        self.in_front.extend(card.map(|card| ("README.md".to_owned(), Some(card))));
        reference.clone_into(&mut self.reference);
        Ok(self)
    }

    /// This checkpoint with `config`, some tensors (name, shape, type, little-endian bytes) and
    /// some small files in place of its own. A file that is `None` is hidden.
    pub fn replaced(
        mut self,
        config: &Value,
        tensors: Vec<(String, Vec<usize>, Dtype, Vec<u8>)>,
        files: BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<Self, CheckpointError> {
        self.config = ModelConfig::from_json(&self.reference, config.to_string().as_bytes())?;
        for (name, shape, dtype, data) in tensors {
            let entry = Entry { dtype, shape, start: 0, end: data.len() };
            self.tensors.insert(name, Held::Stored((self.shards.len(), entry)));
            self.shards.push(Bytes::from(data));
        }
        head::settle(&mut self.config, &mut self.tensors, &self.shards);
        for (name, shape) in tensor_shapes(&self.config) {
            let found = self.tensors.get(&name).map(|held| &held.entry().shape);
            if found != Some(&shape) {
                let problem = found.map_or("is missing".to_owned(), |f| {
                    format!("has shape {f:?}, but the new config makes it {shape:?}")
                });
                return Err(CheckpointError::Tensor { file: self.reference, tensor: name, problem });
            }
        }
        self.in_front.extend(files);
        Ok(self)
    }

    /// Gives back the memory that reading a tensor of this checkpoint took. It can be read again.
    pub fn release(&self, view: &TensorView<'_>) {
        self.shards.iter().for_each(|shard| shard.release(view.data));
    }

    /// [`Weights::intact`] of every tensor.
    pub fn all_intact(&self) -> Result<(), CheckpointError> {
        self.shards.iter().try_for_each(Bytes::unchanged)
    }

    /// This checkpoint under another name.
    #[must_use]
    pub fn called(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.reference);
        self
    }

    fn at<'a>(&'a self, (shard, entry): &'a Spot) -> TensorView<'a> {
        self.place(*shard, entry)
    }

    fn place<'a>(&'a self, shard: usize, entry: &'a Entry) -> TensorView<'a> {
        let data = &self.shards[shard][entry.start..entry.end];
        TensorView { dtype: entry.dtype, shape: &entry.shape, data }
    }

    /// Type and shape of a tensor. Unlike [`Weights::tensor`] this never makes an adapted one.
    #[must_use]
    pub fn extent(&self, name: &str) -> Option<(Dtype, &[usize])> {
        self.tensors.get(name).map(|held| (held.entry().dtype, held.entry().shape.as_slice()))
    }

    /// Opens the checkpoint in `folder`, calling it `reference`.
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
        let shard = (format!("{reference}/{SINGLE}"), Bytes::from(bytes));
        Self::assemble(reference, config, (&Shards::single(SINGLE), vec![shard]), Files::Memory(files))
    }

    /// Reads the headers and checks that every tensor of the architecture is there in its shape.
    fn assemble(
        reference: &str,
        mut config: ModelConfig,
        (listed, shards): (&Shards, Vec<(String, Bytes)>),
        files: Files,
    ) -> Result<Self, CheckpointError> {
        let (names, maps): (Vec<String>, Vec<Bytes>) = shards.into_iter().unzip();
        let headers = names.iter().zip(&maps).map(|(file, bytes)| {
            if torch::is_one(file) { torch::read_header(bytes, file) } else { read_header(bytes, file) }
        });
        let joined = listed.join(headers.collect::<Result<_, _>>()?, &names)?;
        let foreign = joined.foreign;
        let mut tensors: BTreeMap<String, Held> =
            joined.tensors.into_iter().map(|(name, spot)| (name, Held::Stored(spot))).collect();
        head::settle(&mut config, &mut tensors, &maps);
        for (name, shape) in tensor_shapes(&config) {
            let problem = match (tensors.get(&name), foreign.get(&name)) {
                (Some(held), _) if held.entry().shape == shape => continue,
                (Some(held), _) => {
                    format!("has shape {:?}, but config.json makes it {shape:?}", held.entry().shape)
                }
                (None, Some(dtype)) => format!("is stored as {dtype}; F32, F16 and BF16 are read"),
                (None, None) => "is missing".to_owned(),
            };
            let file = names.first().cloned().unwrap_or_default();
            return Err(CheckpointError::Tensor { file, tensor: name, problem });
        }
        Ok(Self {
            reference: reference.to_owned(),
            config,
            shards: maps,
            tensors,
            files,
            in_front: BTreeMap::new(),
        })
    }

    /// The name under which it was opened.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Lengths and times of change of its weight files, to tell whether they are what they were.
    #[must_use]
    pub fn stamp(&self) -> String {
        self.shards.iter().map(Bytes::stamp).collect::<Vec<_>>().join(" ")
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

    /// Whether it has a `tokenizer.json`. Without one, [`Self::tokenizer_json`] makes one of all the other
    /// files: added tokens, special tokens and what stands around a text are in it already.
    #[must_use]
    pub fn has_tokenizer_json(&self) -> bool {
        self.file("tokenizer.json").is_some()
    }

    /// Bytes of `tokenizer.json`; where there is none, one is made of the tokenizer's other files.
    pub fn tokenizer_json(&self) -> Result<Cow<'_, [u8]>, CheckpointError> {
        match self.file("tokenizer.json") {
            Some(bytes) => Ok(bytes),
            None => {
                tokenizer::make(&self.reference, &self.config.raw, &|name| self.file(name)).map(Cow::Owned)
            }
        }
    }

    /// The small files that a copy or a merge takes along: tokenizer, chat templates, license. By
    /// name, sorted.
    #[must_use]
    pub fn handed_on(&self) -> Vec<(String, Cow<'_, [u8]>)> {
        let own = self.files.names();
        let names: BTreeSet<String> = own.into_iter().chain(self.in_front.keys().cloned()).collect();
        let wanted = names.into_iter().filter(|name| companions::is_handed_on(name));
        wanted.filter_map(|name| self.file(&name).map(|bytes| (name.clone(), bytes))).collect()
    }

    /// Bytes of one of the checkpoint's small files (`README.md`, `generation_config.json`), if
    /// it is there. `name` is a plain file name, or a chat template's in its folder.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if let Some(bytes) = self.in_front.get(name) {
            return bytes.as_deref().map(Cow::Borrowed);
        }
        self.files.read(name)
    }

    /// Names and texts of `additional_chat_templates/*.jinja`, by name.
    #[must_use]
    pub fn more_templates(&self) -> Vec<(String, Cow<'_, [u8]>)> {
        let own = self.files.names();
        let names: BTreeSet<String> = own.into_iter().chain(self.in_front.keys().cloned()).collect();
        let template = |file: &String| {
            let name = file.strip_prefix(companions::TEMPLATES)?.strip_prefix('/')?.strip_suffix(".jinja")?;
            Some((name.to_owned(), self.file(file)?))
        };
        names.iter().filter_map(template).collect()
    }
}

impl Weights for Checkpoint {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let (base, adapter, change, made) = match self.tensors.get(name)? {
            Held::Stored(spot) => return Some(self.at(spot)),
            Held::Adapted { base, adapter, change, made } => (base, adapter, change, made),
        };
        let data = made.get_or_init(|| lora::apply(self.at(base), change, |e| self.place(*adapter, e)));
        Some(TensorView { dtype: base.1.dtype, shape: &base.1.shape, data })
    }

    fn intact(&self, name: &str) -> Result<(), CheckpointError> {
        match self.tensors.get(name) {
            None => Ok(()),
            Some(Held::Stored((shard, _))) => self.shards[*shard].unchanged(),
            Some(Held::Adapted { base: (shard, _), adapter, .. }) => {
                self.shards[*shard].unchanged().and_then(|()| self.shards[*adapter].unchanged())
            }
        }
    }
}
