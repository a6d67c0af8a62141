//! Makes a checkpoint from another: with an adapter applied, or with some tensors and files replaced. Only shapes are
//! checked; no values are computed.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::adapter::{Adapter, Delta};
use super::bytes::Bytes;
use super::config::shapes::tensor_shapes;
use super::formats::header::Entry;
use super::lm_head;
use super::stored::Held;
use super::untrusted::printable;
use super::vision::names::{Place, place};
use super::{Checkpoint, CheckpointError, Dtype, ModelConfig};

impl Checkpoint {
    /// This checkpoint with an adapter applied, under the name `reference`. Only shapes are checked; a changed tensor
    /// is computed when it is first read.
    pub(super) fn adapted(mut self, reference: &str, adapter: Adapter) -> Result<Self, CheckpointError> {
        let Adapter { file, bytes, deltas, card } = adapter;
        let number = self.shards.len();
        let tied = self.config.tie_word_embeddings;
        for (stored, delta) in deltas {
            // An adapter of a LLaVA model names its tensors as the model does.
            let (name, of_vision) = match &self.vision {
                None => (stored.clone(), false),
                Some(_) => match place(&stored) {
                    Place::Text(name) => (name, false),
                    Place::Vision(name) => (name, true),
                },
            };
            let bad = |problem: String| CheckpointError::Tensor {
                file: file.clone(),
                tensor: printable(&stored),
                problem,
            };
            if tied && name == "lm_head.weight" {
                return Err(bad("is changed, but the base ties its LM head to its embeddings; merge the two with PEFT first".into()));
            }
            let tensors = match &mut self.vision {
                Some(part) if of_vision => &mut part.tensors,
                _ => &mut self.tensors,
            };
            let base = match tensors.remove(&name) {
                Some(Held::Stored(base)) => base,
                Some(Held::Adapted { .. }) => {
                    return Err(bad(format!("is changed in {} already; name one adapter", self.reference)));
                }
                None => return Err(bad(format!("is changed, but {} does not have it", self.reference))),
            };
            let wanted = match &delta {
                Delta::Linear { a, b, .. } => vec![b.shape[0], a.shape[1]],
                Delta::Embedding { a, b, .. } => vec![a.shape[1], b.shape[0]],
                Delta::Whole(entry) => entry.shape.clone(),
            };
            if base.1.shape != wanted {
                return Err(bad(format!(
                    "is for a tensor of shape {wanted:?}, but {} has {:?}",
                    self.reference, base.1.shape
                )));
            }
            let held = match delta {
                Delta::Whole(entry) if entry.dtype == base.1.dtype => Held::Stored((number, entry)),
                delta => Held::Adapted { base, adapter: number, delta, made: OnceLock::new() },
            };
            tensors.insert(name, held);
        }
        self.shards.push(bytes);
        self.in_front.extend(card.map(|card| ("README.md".to_owned(), Some(card))));
        reference.clone_into(&mut self.reference);
        Ok(self)
    }

    /// This checkpoint with `config`, some tensors (name, shape, type, little-endian bytes) and some small files
    /// replaced. A `None` file is hidden. A LLaVA model keeps its vision part; `config` is its language model's.
    pub fn replaced(
        mut self,
        config: &Value,
        tensors: Vec<(String, Vec<usize>, Dtype, Vec<u8>)>,
        files: BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<Self, CheckpointError> {
        let vision = self.config.vision.take();
        self.config = ModelConfig::from_json(&self.reference, config.to_string().as_bytes())?;
        self.config.vision = vision;
        let new = |name: &str| tensors.iter().any(|(n, ..)| n == name);
        if self.config.tie_word_embeddings && new(lm_head::EMBEDDINGS) && !new(lm_head::LM_HEAD) {
            // A head of the old embeddings.
            self.tensors.remove(lm_head::LM_HEAD);
        }
        for (name, shape, dtype, data) in tensors {
            let entry = Entry { dtype, shape, start: 0, end: data.len() };
            self.tensors.insert(name, Held::Stored((self.shards.len(), entry)));
            self.shards.push(Bytes::from(data));
        }
        lm_head::settle(&mut self.config, &mut self.tensors, &self.shards);
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

    /// This checkpoint with tensors of its vision part replaced (name, shape, type, little-endian bytes), which keep
    /// their shapes. A model of text is returned as it is.
    #[must_use]
    pub fn with_vision(mut self, tensors: Vec<(String, Vec<usize>, Dtype, Vec<u8>)>) -> Self {
        let Some(part) = &mut self.vision else { return self };
        for (name, shape, dtype, data) in tensors {
            let entry = Entry { dtype, shape, start: 0, end: data.len() };
            part.tensors.insert(name, Held::Stored((self.shards.len(), entry)));
            self.shards.push(Bytes::from(data));
        }
        self
    }

    /// This checkpoint with another token that stands for a picture. A model of text is returned as it is.
    #[must_use]
    pub fn with_image_token(mut self, token: u32) -> Self {
        if let Some(vision) = &mut self.config.vision {
            let vision = Arc::make_mut(vision);
            vision.image_token = token;
            let keys = ["image_token_index", "image_token_id"];
            let key = keys.into_iter().find(|key| vision.raw.get(key).is_some()).unwrap_or(keys[0]);
            vision.raw[key] = token.into();
        }
        self
    }
}
