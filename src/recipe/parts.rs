//! What a recipe is made of besides parameters: sources, slices, tokenizer, alignment, path.

use serde::{Deserialize, Serialize};

use super::{Param, Parameters, Values};

/// One model that is merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// `zoo:ja`, a folder, or `org/name[@revision]`; `+adapter` at the end adds a `LoRA` adapter.
    pub model: String,
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// Weight and density of a source that gives none.
static ONE: Values = Values::All(1.0);

impl Source {
    /// A source with no parameters of its own.
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

    /// Its own weight, else 1.
    #[must_use]
    pub fn weight(&self) -> &Values {
        self.parameters.get(Param::Weight).unwrap_or(&ONE)
    }

    /// Its own weight, for changing.
    pub fn weight_mut(&mut self) -> &mut Values {
        self.parameters.entry(Param::Weight, 1.0)
    }

    /// Its own density, else 1.
    #[must_use]
    pub fn density(&self) -> &Values {
        self.parameters.get(Param::Density).unwrap_or(&ONE)
    }

    /// Its own density, for changing.
    pub fn density_mut(&mut self) -> &mut Values {
        self.parameters.entry(Param::Density, 1.0)
    }
}

/// A run of output blocks made from a run of blocks of each of its sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    pub sources: Vec<SliceSource>,
    /// Replaces the recipe's base. A base that is merged is among the sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    #[serde(flatten)]
    pub parameters: Parameters,
}

impl Slice {
    /// Number of output blocks, by the first source.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.first().map_or(0, |s| s.layers.1.saturating_sub(s.layers.0))
    }

    /// Whether it makes no block at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Blocks of one model in a slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceSource {
    pub model: String,
    /// First block, and the one after the last.
    pub layers: (usize, usize),
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// A module of the model, by mergekit's name, with parameters of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Module {
    pub name: String,
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// The type of tensors' elements.
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

    /// torch's name, without `torch.`.
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

/// Which vocabulary the merge has, and where each token's embedding comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizerSpec {
    pub source: TokenizerSource,
    /// Tokens with a rule of their own, in the order in which new ones are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<(String, TokenSpec)>,
    /// The embeddings are padded with rows up to a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_to_multiple_of: Option<usize>,
}

/// Where the vocabulary comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerSource {
    /// Every token that any model has.
    Union,
    /// The base's.
    Base,
    /// That model's.
    Model(String),
}

/// A rule for one token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSpec {
    /// Where its embedding comes from; `None` for the default rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<TokenOrigin>,
    /// Replaces the embedding in models that have the token too.
    #[serde(default)]
    pub force: bool,
}

/// Where a token's embedding comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenOrigin {
    /// All zeros.
    Zero,
    /// The same token in that model.
    Model(String),
    /// Another token of that model.
    ModelToken { model: String, token: TokenName },
}

/// A token, by its text or its place in the vocabulary.
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
    /// Texts whose activations are compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<String>,
}

/// What units are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlignBy {
    Weights,
    Activations,
}

/// One block on a path of data flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub model: String,
    /// Block of that model, from 0.
    pub layer: usize,
    /// Factor on the hidden state that goes into the block.
    #[serde(default = "one")]
    pub scale: f64,
}

impl super::Recipe {
    /// Renames models, here and in the recipes before it, where `change` gives a name.
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
