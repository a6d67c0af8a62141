//! A merge as data: which checkpoints, which method, which parameters for each tensor. TOML or mergekit's YAML comes
//! in, a checked [`Recipe`] goes out, and text again; no tensors here. Everything above calls it.

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
pub use values::{Filter, Values};

use serde::{Deserialize, Serialize};

/// A whole merge as data: read it from TOML or YAML, edit it, save it, compare it.
///
/// What is merged is given in one of three ways: whole models (`sources`), runs of layers (`slices`), or a path of data
/// flow through layers (`path`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The recipes whose results this one uses by name, each after those that it uses itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Recipe>,
    /// The name by which other recipes of the same file use its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the models are combined.
    pub method: Method,
    /// The common ancestor whose weights the task vectors are measured against
    /// (`zoo:base`, a folder, `org/name[@revision]`); it also gives config and tokenizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The models that are merged; mask stream and sums follow this order. A base is among them only where the method
    /// uses none ([`BaseNeed::Unused`]).
    pub sources: Vec<Source>,
    /// Output blocks from the first to the last; empty for whole models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<Slice>,
    /// Blocks in the order in which data flows through them; the base gives embeddings, final
    /// norm and head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
    /// Parameters for the whole merge.
    #[serde(flatten)]
    pub parameters: Parameters,
    /// The module that the recipe names, as one of mergekit's `modules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<Module>,
    /// Type in which tensors are read and merged; the models' own where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Precision>,
    /// Type in which the result is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_dtype: Option<Precision>,
    /// The vocabulary; the base's files as they are where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerSpec>,
    /// `auto`, a template's name, or a Jinja template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// Aligns the sources' units with the base's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub align: Option<Align>,
    /// Where DARE's and DELLA's random numbers come from.
    pub mask: MaskStream,
    /// Seed of the mask stream.
    pub seed: u64,
}

impl Recipe {
    /// A recipe with nothing in it yet.
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
            chat_template: None,
            align: None,
            mask: MaskStream::Counter,
            seed: 0,
        }
    }

    /// The same weight for every source and layer group, nothing dropped.
    #[must_use]
    pub fn uniform(base: &str, sources: &[String], method: Method, weight: f64) -> Self {
        let source = |model: &String| Source::new(model).with(Param::Weight, weight);
        Self { sources: sources.iter().map(source).collect(), ..Self::new(method, Some(base)) }
    }

    /// The model that gives config and tokenizer: the base, else the first model named; empty where none is.
    #[must_use]
    pub fn donor(&self) -> &str {
        self.base.as_deref().or_else(|| self.models().first().copied()).unwrap_or_default()
    }

    /// Every model whose tensors are merged besides the base, each once, in the order of naming.
    #[must_use]
    pub fn models(&self) -> Vec<&str> {
        let sources = self.sources.iter().map(|s| &s.model);
        let sliced = self.slices.iter().flat_map(|s| s.sources.iter().map(|s| &s.model));
        let mut seen = std::collections::HashSet::new();
        let base = self.base.as_deref().filter(|_| self.method.spec().base != BaseNeed::Unused);
        let all = sources.chain(sliced).chain(self.path.iter().map(|s| &s.model)).map(String::as_str);
        all.filter(|model| Some(*model) != base && seen.insert(*model)).collect()
    }

    /// The model that only gives the vocabulary.
    #[must_use]
    pub fn vocabulary_giver(&self) -> Option<&str> {
        let TokenizerSource::Model(model) = &self.tokenizer.as_ref()?.source else { return None };
        let part = self.base.as_ref() == Some(model) || self.models().contains(&model.as_str());
        (!part).then_some(model)
    }

    /// Every model that the recipe names anywhere, each once: those that are merged, bases, and those that only give
    /// tokens.
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

    /// A parameter of the whole merge as one number: as given, else the method's default, else 1.
    #[must_use]
    pub fn global(&self, param: Param) -> f64 {
        let given = match self.parameters.get(param) {
            Some(Values::All(value)) => Some(*value),
            _ => None,
        };
        let default = || self.method.parameter(param).and_then(|p| p.default);
        given.or_else(default).unwrap_or(1.0)
    }

    /// Factor on the summed task vectors, where it is one number.
    #[must_use]
    pub fn lambda(&self) -> f64 {
        self.global(Param::Lambda)
    }

    /// Whether the sum is divided by the sum of weights: as asked, else the method's default.
    #[must_use]
    pub fn normalizes(&self) -> bool {
        match self.parameters.get(Param::Normalize) {
            Some(Values::All(value)) => *value != 0.0,
            _ => self.method.normalizes(),
        }
    }
}
