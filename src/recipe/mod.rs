//! A merge as data: which checkpoints, which method, which parameters for each tensor. TOML or mergekit's YAML comes
//! in; a checked [`Recipe`] goes out, and can be written as text again. No tensors here; merging, search and user
//! interface use it.

mod check;
mod error;
mod group;
mod method;
pub mod model_paths;
mod param;
mod parameters;
mod parts;
mod read;
mod recipe_file;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;
mod values;
mod write;
mod yaml;

pub use error::RecipeError;
pub use group::LayerGroup;
pub use method::{BaseNeed, MaskStream, Method, MethodSpec};
pub use param::{Kind, Param, ParamSpec, Range, Scope};
pub use parameters::Parameters;
pub use parts::{
    Align, AlignBy, Module, Precision, Slice, SliceSource, Source, Step, TokenName, TokenOrigin, TokenSpec,
    TokenizerSource, TokenizerSpec,
};
pub use recipe_file::RecipeFile;
pub use resolve::{Input, Outline, Place};
pub use settings::{ConfigSettings, Rope, VisionRule, Window};
pub use values::{Filter, Values};

use serde::{Deserialize, Serialize};

/// A complete merge as data: it can be read from TOML or YAML, edited, saved and compared.
///
/// One of three fields says what is merged: whole models (`sources`), runs of layers (`slices`), or a path of data flow
/// through layers (`path`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The recipes whose results this recipe uses by name, in an order in which each follows the recipes that it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Recipe>,
    /// The name that other recipes of the same file use for this recipe's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the models are combined.
    pub method: Method,
    /// The common ancestor whose weights the task vectors are measured against
    /// (`zoo:base`, a folder, `org/name[@revision]`); it also gives config and tokenizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The models to merge; mask stream and sums follow this order. A base is in the list only if the method does not
    /// use one ([`BaseNeed::Unused`]).
    pub sources: Vec<Source>,
    /// Output blocks from first to last; empty if whole models are merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<Slice>,
    /// Blocks in the order in which data flows through them; the base gives embeddings, final
    /// norm and head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
    /// Parameters of the whole merge.
    #[serde(flatten)]
    pub parameters: Parameters,
    /// The module that the recipe names, one of mergekit's `modules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<Module>,
    /// Element type in which tensors are read and merged; by default the models' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Precision>,
    /// Element type of the written result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_dtype: Option<Precision>,
    /// The vocabulary; by default the base's files, unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerSpec>,
    /// Rotary base and window; by default the base's.
    #[serde(default, skip_serializing_if = "ConfigSettings::is_empty")]
    pub config: ConfigSettings,
    /// The vision part of a merge with LLaVA models.
    #[serde(default, skip_serializing_if = "VisionRule::is_keep")]
    pub vision: VisionRule,
    /// The chat template: `auto`, a template's name, or a Jinja template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// Aligns the sources' units with the base's before the merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub align: Option<Align>,
    /// The source of DARE's and DELLA's random numbers.
    pub mask: MaskStream,
    /// Seed of the mask stream.
    pub seed: u64,
}

impl Recipe {
    /// An empty recipe.
    #[must_use]
    pub fn new(method: Method, base: Option<&str>) -> Self {
        Self {
            before: Vec::new(),
            name: None,
            method,
            base: base.map(str::to_owned),
            sources: Vec::new(),
            slices: Vec::new(),
            path: Vec::new(),
            parameters: Parameters::new(),
            module: None,
            dtype: None,
            out_dtype: None,
            tokenizer: None,
            config: ConfigSettings::default(),
            vision: VisionRule::Keep,
            chat_template: None,
            align: None,
            mask: MaskStream::Counter,
            seed: 0,
        }
    }

    /// A recipe with the same weight for every source and layer group, without dropped elements.
    #[must_use]
    pub fn uniform(base: &str, sources: &[String], method: Method, weight: f64) -> Self {
        let source = |model: &String| Source::new(model).with(Param::Weight, weight);
        Self { sources: sources.iter().map(source).collect(), ..Self::new(method, Some(base)) }
    }

    /// The model that gives config and tokenizer: the base, else the first model named; empty if no model is named.
    #[must_use]
    pub fn donor(&self) -> &str {
        self.base.as_deref().or_else(|| self.models().first().copied()).unwrap_or_default()
    }

    /// Every model whose tensors are merged, without the base, each once, in the order of naming.
    #[must_use]
    pub fn models(&self) -> Vec<&str> {
        let sources = self.sources.iter().map(|s| &s.model);
        let sliced = self.slices.iter().flat_map(|s| s.sources.iter().map(|s| &s.model));
        let mut seen = std::collections::HashSet::new();
        let base = self.base.as_deref().filter(|_| self.method.spec().base != BaseNeed::Unused);
        let all = sources.chain(sliced).chain(self.path.iter().map(|s| &s.model)).map(String::as_str);
        all.filter(|model| Some(*model) != base && seen.insert(*model)).collect()
    }

    /// The model that gives only the vocabulary.
    #[must_use]
    pub fn vocabulary_giver(&self) -> Option<&str> {
        let TokenizerSource::Model(model) = &self.tokenizer.as_ref()?.source else { return None };
        let part = self.base.as_ref() == Some(model) || self.models().contains(&model.as_str());
        (!part).then_some(model)
    }

    /// Every model that the recipe names anywhere, each once: merged models, bases, and models that give only tokens.
    #[must_use]
    pub fn references(&self) -> Vec<&str> {
        let mut out = self.models();
        out.extend(self.base.as_deref());
        out.extend(self.slices.iter().filter_map(|s| s.base.as_deref()));
        if let Some(tokenizer) = &self.tokenizer {
            if let TokenizerSource::Model(model) = &tokenizer.source {
                out.push(model);
            }
            for (_, token) in &tokenizer.tokens {
                match &token.source {
                    Some(TokenOrigin::Model(model) | TokenOrigin::ModelToken { model, .. }) => {
                        out.push(model);
                    }
                    Some(TokenOrigin::Zero) | None => {}
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        out.retain(|model| seen.insert(*model));
        out
    }

    /// A parameter of the whole merge as one number: the given value, else the method's default, else 1.
    #[must_use]
    pub fn global(&self, param: Param) -> f64 {
        let given = match self.parameters.get(param) {
            Some(Values::All(value)) => Some(*value),
            _ => None,
        };
        let default = || self.method.parameter(param).and_then(|p| p.default);
        given.or_else(default).unwrap_or(1.0)
    }

    /// The factor on the summed task vectors, if it is one number.
    #[must_use]
    pub fn lambda(&self) -> f64 {
        self.global(Param::Lambda)
    }

    /// Whether the sum is divided by the sum of weights: the given value, else the method's default.
    #[must_use]
    pub fn normalizes(&self) -> bool {
        match self.parameters.get(Param::Normalize) {
            Some(Values::All(value)) => *value != 0.0,
            _ => self.method.normalizes(),
        }
    }
}
