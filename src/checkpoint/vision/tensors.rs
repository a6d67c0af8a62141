//! The vision part of an open checkpoint, read by name. Running a picture and writing a merge call it.

use serde_json::Value;

use crate::checkpoint::config::vision::VisionConfig;
use crate::checkpoint::{Checkpoint, Dtype, TensorView};

impl Checkpoint {
    /// The vision part's config; `None` for a model of text.
    #[must_use]
    pub fn vision_config(&self) -> Option<&VisionConfig> {
        self.config.vision.as_deref()
    }

    /// The whole `config.json`; of a LLaVA model, around that of its language model.
    #[must_use]
    pub fn whole_config(&self) -> &Value {
        self.vision_config().map_or(&self.config.raw, |vision| &vision.raw)
    }

    /// Names of the vision part's tensors, sorted: `vision_tower.…`, `multi_modal_projector.…` and `image_newline`,
    /// however they are stored.
    #[must_use]
    pub fn vision_names(&self) -> Vec<&str> {
        self.vision.iter().flat_map(|part| part.tensors.keys()).map(String::as_str).collect()
    }

    /// The tensor of the vision part called `name`, if there is one.
    #[must_use]
    pub fn vision_tensor(&self, name: &str) -> Option<TensorView<'_>> {
        self.vision.as_ref()?.tensors.get(name).map(|held| self.read(held))
    }

    /// Type and shape of a tensor of the vision part; no values of an adapted tensor are computed.
    #[must_use]
    pub fn vision_extent(&self, name: &str) -> Option<(Dtype, &[usize])> {
        let held = self.vision.as_ref()?.tensors.get(name)?;
        Some((held.entry().dtype, held.entry().shape.as_slice()))
    }

    /// The name under which this checkpoint stores a tensor of the vision part.
    #[must_use]
    pub fn stored_vision_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.vision.as_ref().map_or(name, |part| part.names.vision(name))
    }

    /// The name under which this checkpoint stores, or would store, a tensor of its language model.
    #[must_use]
    pub fn stored_text_name(&self, name: &str) -> String {
        self.vision.as_ref().map_or_else(|| name.to_owned(), |part| part.names.text(name))
    }
}
