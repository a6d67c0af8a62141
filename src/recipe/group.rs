//! Layer groups: the parts of a decoder that can have separate values in a recipe. A tensor's name comes in, its group
//! goes out; recipes, merge plans and the search space use them.

use serde::{Deserialize, Serialize};

/// A part of a decoder that is merged with one weight and one density.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LayerGroup {
    /// The input embedding (and a tied LM head).
    Embedding,
    /// One decoder block, counted from 0.
    Block(usize),
    /// The final norm and an untied LM head.
    Head,
}

impl LayerGroup {
    /// Number of groups of a decoder with `layers` blocks: embedding, each block, head.
    #[must_use]
    pub const fn count(layers: usize) -> usize {
        layers + 2
    }

    /// All groups of a decoder with `layers` blocks, from the input to the output.
    pub fn all(layers: usize) -> impl Iterator<Item = Self> {
        (0..Self::count(layers)).map(move |i| Self::from_index(i, layers))
    }

    /// Position of this group from the input (0 = embedding, `layers + 1` = head).
    #[must_use]
    pub const fn index(self, layers: usize) -> usize {
        match self {
            Self::Embedding => 0,
            Self::Block(i) => i + 1,
            Self::Head => layers + 1,
        }
    }

    /// The inverse of [`Self::index`].
    #[must_use]
    pub const fn from_index(index: usize, layers: usize) -> Self {
        if index == 0 {
            Self::Embedding
        } else if index <= layers {
            Self::Block(index - 1)
        } else {
            Self::Head
        }
    }

    /// The group of a tensor, by its Hugging Face name (`model.embed_tokens.weight`,
    /// `model.layers.3.mlp.up_proj.weight`, `model.norm.weight`, `lm_head.weight`). `None` for a name that no decoder
    /// of the supported families has.
    #[must_use]
    pub fn of_tensor(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("model.").unwrap_or(name);
        if let Some(rest) = rest.strip_prefix("layers.") {
            let (number, _) = rest.split_once('.')?;
            return number.parse().ok().map(Self::Block);
        }
        if rest.starts_with("embed_tokens.") {
            return Some(Self::Embedding);
        }
        if rest.starts_with("norm.") || rest.starts_with("lm_head.") {
            return Some(Self::Head);
        }
        None
    }
}

impl std::fmt::Display for LayerGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedding => f.write_str("embed"),
            Self::Block(i) => write!(f, "{i}"),
            Self::Head => f.write_str("head"),
        }
    }
}
