//! An open checkpoint: its config, its tensors by name, and its small files. `open` and `derive` make it; every other
//! room reads models through it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::adapter::lora;
use super::bytes::Bytes;
use super::companions;
use super::files::Files;
use super::formats::header::Entry;
use super::stored::{Held, Spot};
use super::tokenizer::convert;
use super::vision::part::VisionPart;
use super::{CheckpointError, Dtype, ModelConfig, TensorView, Weights};

/// A checkpoint with mapped tensors and a parsed config. Clones share the weights.
#[derive(Clone)]
pub struct Checkpoint {
    pub(super) reference: String,
    pub(super) config: ModelConfig,
    pub(super) shards: Vec<Bytes>,
    /// Of a LLaVA model, those of its language model.
    pub(super) tensors: BTreeMap<String, Held>,
    /// The vision part of a LLaVA model.
    pub(super) vision: Option<VisionPart>,
    pub(super) files: Files,
    /// Small files that replace the checkpoint's own; `None` hides one.
    pub(super) in_front: BTreeMap<String, Option<Vec<u8>>>,
}

impl Checkpoint {
    /// The name under which it was opened.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Lengths and modification times of its weight files: another stamp means other weights.
    #[must_use]
    pub fn stamp(&self) -> String {
        self.shards.iter().map(Bytes::stamp).collect::<Vec<_>>().join(" ")
    }

    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Names of all tensors, sorted; of a LLaVA model, those of its language model, as a plain decoder has them.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    /// Whether there is a `tokenizer.json` file. If not, [`Self::tokenizer_json`] makes one that already contains the
    /// added tokens, the special tokens and the post-processor.
    #[must_use]
    pub fn has_tokenizer_json(&self) -> bool {
        self.file("tokenizer.json").is_some()
    }

    /// Bytes of `tokenizer.json`; without that file, it is made from the other tokenizer files.
    pub fn tokenizer_json(&self) -> Result<Cow<'_, [u8]>, CheckpointError> {
        match self.file("tokenizer.json") {
            Some(bytes) => Ok(bytes),
            None => convert::make(&self.reference, &self.config.raw, &|name| self.file(name)).map(Cow::Owned),
        }
    }

    /// The small files that a copy or a merge includes: tokenizer, chat templates, license. Sorted by name.
    #[must_use]
    pub fn handed_on(&self) -> Vec<(String, Cow<'_, [u8]>)> {
        let own = self.files.names();
        let names: BTreeSet<String> = own.into_iter().chain(self.in_front.keys().cloned()).collect();
        let wanted = names.into_iter().filter(|name| companions::is_handed_on(name));
        wanted.filter_map(|name| self.file(&name).map(|bytes| (name.clone(), bytes))).collect()
    }

    /// Bytes of one small file of the checkpoint (`README.md`, `generation_config.json`), if it exists. `name` is a
    /// plain file name, or that of a chat template in its folder.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if let Some(bytes) = self.in_front.get(name) {
            return bytes.as_deref().map(Cow::Borrowed);
        }
        self.files.read(name)
    }

    /// Names and texts of `additional_chat_templates/*.jinja`, sorted by name.
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

    /// Returns the memory used to read a tensor to the system. The tensor can be read again.
    pub fn release(&self, view: &TensorView<'_>) {
        self.shards.iter().for_each(|shard| shard.release(view.data));
    }

    /// Checks [`Weights::intact`] for every tensor.
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

    /// A tensor's values. Those of an adapted tensor are computed when it is first read.
    pub(super) fn read<'a>(&'a self, held: &'a Held) -> TensorView<'a> {
        let (base, adapter, delta, made) = match held {
            Held::Stored(spot) => return self.at(spot),
            Held::Adapted { base, adapter, delta, made } => (base, adapter, delta, made),
        };
        let data = made.get_or_init(|| lora::apply(self.at(base), delta, |e| self.place(*adapter, e)));
        TensorView { dtype: base.1.dtype, shape: &base.1.shape, data }
    }

    fn place<'a>(&'a self, shard: usize, entry: &'a Entry) -> TensorView<'a> {
        let data = &self.shards[shard][entry.start..entry.end];
        TensorView { dtype: entry.dtype, shape: &entry.shape, data }
    }

    /// Bytes that this checkpoint holds in memory rather than in mapped files: tensors that were made here.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let shards: u64 = self.shards.iter().map(Bytes::held).sum();
        shards + self.changed_tensors().filter(|(_, made)| *made).map(|(bytes, _)| bytes).sum::<u64>()
    }

    /// Bytes of tensors that an adapter changes and that are not computed yet. They stay in memory once they are read.
    #[must_use]
    pub fn bytes_to_adapt(&self) -> u64 {
        self.changed_tensors().filter(|(_, made)| !*made).map(|(bytes, _)| bytes).sum()
    }

    /// Bytes of each tensor that an adapter changes, and whether its values are computed.
    fn changed_tensors(&self) -> impl Iterator<Item = (u64, bool)> {
        let vision = self.vision.iter().flat_map(|part| part.tensors.values());
        self.tensors.values().chain(vision).filter_map(|held| match held {
            Held::Stored(_) => None,
            Held::Adapted { base: (_, entry), made, .. } => {
                let count = entry.shape.iter().product::<usize>();
                Some(((count * entry.dtype.size()) as u64, made.get().is_some()))
            }
        })
    }

    /// Type and shape of a tensor. Unlike [`Weights::tensor`], this does not compute the values of an adapted tensor.
    #[must_use]
    pub fn extent(&self, name: &str) -> Option<(Dtype, &[usize])> {
        self.tensors.get(name).map(|held| (held.entry().dtype, held.entry().shape.as_slice()))
    }
}

impl Weights for Checkpoint {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        self.tensors.get(name).map(|held| self.read(held))
    }

    fn release(&self, name: &str) {
        if let Some(Held::Stored(spot)) = self.tensors.get(name) {
            self.shards[spot.0].release(self.at(spot).data);
        }
    }

    fn intact(&self, name: &str) -> Result<(), CheckpointError> {
        let of_vision = || self.vision.as_ref().and_then(|part| part.tensors.get(name));
        match self.tensors.get(name).or_else(of_vision) {
            None => Ok(()),
            Some(Held::Stored((shard, _))) => self.shards[*shard].unchanged(),
            Some(Held::Adapted { base: (shard, _), adapter, .. }) => {
                self.shards[*shard].unchanged().and_then(|()| self.shards[*adapter].unchanged())
            }
        }
    }
}
