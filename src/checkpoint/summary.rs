//! A checkpoint in one line of a list: sizes, types, model card, and whether it fits the base. `discover` makes it;
//! `yosegi models` and the workbench show it.

use serde::{Deserialize, Serialize};

/// A checkpoint in one line of a list, and whether it fits the chosen base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its reference: `zoo:ja`, `org/name@revision`, a path.
    pub reference: String,
    /// `model_type` of its config (`llama`, `mistral`).
    pub family: String,
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub vocab: usize,
    /// Of all its tensors, those of a vision part included.
    pub parameters: u64,
    pub bytes: u64,
    /// Dtype of its tensors (`bf16`), or `mixed` if they differ.
    pub dtype: String,
    pub tied: bool,
    pub chat_template: bool,
    /// First lines of its model card.
    pub about: String,
    /// What a LLaVA model has besides its language model, which the other fields describe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vision: Option<VisionSummary>,
    /// Whether it can be merged with the chosen base.
    pub fit: Fit,
}

/// The vision part of a LLaVA model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisionSummary {
    /// `LLaVA` or `LLaVA-NeXT`.
    pub layout: String,
    /// `CLIP` or `SigLIP`.
    pub tower: String,
    pub layers: usize,
    pub hidden: usize,
    /// Side of a square that the tower sees, in pixels, and of one of its patches.
    pub image_size: usize,
    pub patch_size: usize,
    pub parameters: u64,
}

impl ModelSummary {
    /// What stands inside, in words: `llama`, or `CLIP tower of 24 layers + llama`.
    #[must_use]
    pub fn inside(&self) -> String {
        match &self.vision {
            None => self.family.clone(),
            Some(vision) => format!("{} tower of {} layers + {}", vision.tower, vision.layers, self.family),
        }
    }
}

/// Whether a checkpoint can be merged onto a base, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// No base was named.
    Unasked,
    /// It is the base.
    IsBase,
    /// It can be merged.
    Fits,
    /// It can be merged, with this warning.
    Caution(String),
    /// Cannot be merged, and why.
    No(String),
}
