//! The parts of a recipe besides parameters: sources, slices, module, tokenizer, alignment, path. The readers make
//! them, merge plans use them.

use serde::{Deserialize, Serialize};

use super::{Param, Parameters, Values};

/// One model to merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// `zoo:ja`, a folder, or `org/name[@revision]`; `+adapter` at the end adds a `LoRA` adapter.
    pub model: String,
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// Weight and density of a source without these parameters.
static ONE: Values = Values::All(1.0);

impl Source {
    /// A source without parameters.
    #[must_use]
    pub fn new(model: &str) -> Self {
        Self { model: model.to_owned(), parameters: Parameters::new() }
    }

    /// This source with one more parameter.
    #[must_use]
    pub fn with(mut self, param: Param, values: impl Into<Values>) -> Self {
        self.parameters.set(param, values);
        self
    }

    /// The source's own weight, else 1.
    #[must_use]
    pub fn weight(&self) -> &Values {
        self.parameters.get(Param::Weight).unwrap_or(&ONE)
    }

    /// The source's own weight, mutable.
    pub fn weight_mut(&mut self) -> &mut Values {
        self.parameters.entry(Param::Weight, 1.0)
    }

    /// The source's own density, else 1.
    #[must_use]
    pub fn density(&self) -> &Values {
        self.parameters.get(Param::Density).unwrap_or(&ONE)
    }

    /// The source's own density, mutable.
    pub fn density_mut(&mut self) -> &mut Values {
        self.parameters.entry(Param::Density, 1.0)
    }
}

/// A run of output blocks, made from one run of blocks of each source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    pub sources: Vec<SliceSource>,
    /// Replaces the recipe's base in this slice. A base that is merged must also be one of the sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    #[serde(flatten)]
    pub parameters: Parameters,
}

impl Slice {
    /// Number of output blocks, taken from the first source.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.first().map_or(0, |s| s.layers.1.saturating_sub(s.layers.0))
    }

    /// Whether the slice has no blocks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A run of blocks of one model in a slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceSource {
    pub model: String,
    /// Index of the first block, and of the block after the last.
    pub layers: (usize, usize),
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// A module of the model, by mergekit's name, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Module {
    pub name: String,
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    BFloat16,
    Float16,
    Float32,
    Float64,
}

impl Precision {
    pub const ALL: [Self; 4] = [Self::BFloat16, Self::Float16, Self::Float32, Self::Float64];

    /// torch's name of the type, without `torch.`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BFloat16 => "bfloat16",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }
}

/// The vocabulary of the merge, and the source of each token's embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizerSpec {
    pub source: TokenizerSource,
    /// Tokens with a separate rule, in the order in which new tokens are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<(String, TokenSpec)>,
    /// Rows are added to the embeddings until their number is a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_to_multiple_of: Option<usize>,
}

/// The source of the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerSource {
    /// Every token of every model.
    Union,
    /// The base's vocabulary.
    Base,
    /// The vocabulary of the model named here.
    Model(String),
}

/// A rule for one token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSpec {
    /// The source of the token's embedding; `None` for the default rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<TokenOrigin>,
    /// Also replaces the embedding in models that have the token.
    #[serde(default)]
    pub force: bool,
}

/// The source of a token's embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenOrigin {
    /// All zeros.
    Zero,
    /// The same token in the model named here.
    Model(String),
    /// Another token of the model named here.
    ModelToken { model: String, token: TokenName },
}

/// A token, by its text or its index in the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenName {
    Text(String),
    Id(u32),
}

/// Aligns the sources' neurons and heads with the base's before they are merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Align {
    pub by: AlignBy,
    /// Texts for which activations are compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<String>,
}

/// The property by which units are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlignBy {
    Weights,
    Activations,
}

/// One block on a data flow path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub model: String,
    /// Index of the block in that model, from 0.
    pub layer: usize,
    /// Factor on the hidden state before it enters the block.
    #[serde(default = "one")]
    pub scale: f64,
}

impl super::Recipe {
    /// Renames models in this recipe and in the recipes that it uses, if `change` gives a new name.
    pub fn rename_models(&mut self, change: &dyn Fn(&str) -> Option<String>) {
        let rename = |name: &mut String| {
            if let Some(other) = change(name) {
                *name = other;
            }
        };
        self.before.iter_mut().for_each(|recipe| recipe.rename_models(change));
        self.base.iter_mut().for_each(rename);
        self.sources.iter_mut().for_each(|s| rename(&mut s.model));
        for slice in &mut self.slices {
            slice.base.iter_mut().for_each(rename);
            slice.sources.iter_mut().for_each(|s| rename(&mut s.model));
        }
        self.path.iter_mut().for_each(|step| rename(&mut step.model));
        self.config.models_mut().for_each(rename);
        let Some(tokenizer) = &mut self.tokenizer else { return };
        if let TokenizerSource::Model(model) = &mut tokenizer.source {
            rename(model);
        }
        for (_, token) in &mut tokenizer.tokens {
            match &mut token.source {
                Some(TokenOrigin::Model(model) | TokenOrigin::ModelToken { model, .. }) => rename(model),
                Some(TokenOrigin::Zero) | None => {}
            }
        }
    }
}

const fn one() -> f64 {
    1.0
}
