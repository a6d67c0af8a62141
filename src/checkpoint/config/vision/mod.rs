//! The vision part of a LLaVA model's config: its types. `read` fills them from a `config.json`.

pub(super) mod read;
#[cfg(test)]
mod tests;

use serde_json::Value;

/// Which of transformers' two LLaVA models it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisionLayout {
    /// `llava`: a picture is one square.
    Llava,
    /// `llava_next`: a picture is a square and a grid of tiles, whose rows end with `image_newline`.
    LlavaNext,
}

impl VisionLayout {
    /// The layout's name for a person.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Llava => "LLaVA",
            Self::LlavaNext => "LLaVA-NeXT",
        }
    }
}

/// The kind of a vision tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TowerKind {
    /// `clip_vision_model`: with a class token.
    Clip,
    /// `siglip_vision_model`: patches only.
    Siglip,
}

impl TowerKind {
    /// The tower's name for a person.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Clip => "CLIP",
            Self::Siglip => "SigLIP",
        }
    }
}

/// The vision part of a LLaVA model.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    pub layout: VisionLayout,
    pub tower: TowerKind,
    /// Width of the tower.
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub layers: usize,
    pub heads: usize,
    pub channels: usize,
    /// Side of the square that the tower sees, in pixels.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
    /// Activation between the projector's two matrices.
    pub projector_act: String,
    pub projector_bias: bool,
    /// `vision_feature_layer`: hidden states of the tower that the projector reads, side by side. 0 is the embedding,
    /// `layers` the last; a negative number counts from the end. Each is in that range.
    pub feature_layers: Vec<i64>,
    /// Whether the first token of the tower is kept: `vision_feature_select_strategy` is `full`.
    pub keep_class_token: bool,
    /// The token that stands for a picture; smaller than the vocabulary.
    pub image_token: u32,
    /// `image_grid_pinpoints` as (height, width): the sizes that a picture of LLaVA-NeXT is cut into tiles at. Empty
    /// for LLaVA.
    pub grid_pinpoints: Vec<(u32, u32)>,
    /// The whole `config.json`, to write it again for a merge.
    pub raw: Value,
}

impl VisionConfig {
    /// Patches of one square.
    #[must_use]
    pub fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }

    /// Rows of the tower's position embedding: the patches, and CLIP's class token.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.patches() + usize::from(self.tower == TowerKind::Clip)
    }
}
