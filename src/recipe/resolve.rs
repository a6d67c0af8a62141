//! Finds the value of a parameter for a tensor. A recipe and a tensor come in, one number goes out; merge plans call
//! it. Precedence: source, slice, module, whole recipe, the method's default. Filters and gradients work as in mergekit
//! 0.1.5 (`parameter_resolver` and `plan`).

use super::{
    BaseNeed, Kind, LayerGroup, Param, Parameters, Recipe, RecipeError, Slice, Source, TokenizerSource,
    Values,
};

/// The blocks of a merge's output, and the blocks of the sources from which each is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// For each output block: the index of its slice, and its index in the slice.
    blocks: Vec<(usize, usize)>,
    /// Length of each slice.
    lengths: Vec<usize>,
    /// For each slice the models in it, in mergekit's order.
    inputs: Vec<Vec<Input>>,
}

/// A model in a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub model: String,
    /// The model's block that goes into the first block of the slice.
    pub first: usize,
    /// Index of the model among the sources of the recipe or slice; `None` for a base that is not listed.
    pub source: Option<usize>,
    /// Whether this is the base with which the other models are compared.
    pub is_base: bool,
}

/// The position of a tensor in the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place<'a> {
    /// The tensor's name in the output.
    pub tensor: &'a str,
    pub group: LayerGroup,
    /// The slice whose parameters apply.
    pub slice: usize,
    /// The tensor's position on the slice's gradients, from 0 to 1.
    pub t: f64,
}

impl Outline {
    /// Number of output blocks.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.blocks.len()
    }

    /// The models of a slice.
    #[must_use]
    pub fn inputs(&self, slice: usize) -> &[Input] {
        &self.inputs[slice]
    }

    /// The slice of an output group; for a block also its index in the slice. The embedding belongs to the first slice,
    /// final norm and head to the last.
    #[must_use]
    pub fn slice(&self, group: LayerGroup) -> (usize, usize) {
        match group {
            LayerGroup::Embedding => (0, 0),
            LayerGroup::Block(i) => self.blocks[i],
            LayerGroup::Head => (self.inputs.len() - 1, 0),
        }
    }

    /// The position of a tensor of an output group. On gradients, block `i` of a slice of `n` blocks is at i / (n − 1)
    /// and the only block of a slice at 1. Embedding, final norm and head are at 0.
    #[must_use]
    pub fn place<'a>(&self, tensor: &'a str, group: LayerGroup) -> Place<'a> {
        let (slice, offset) = self.slice(group);
        let t = match (group, self.lengths[slice]) {
            (LayerGroup::Block(_), 0 | 1) => 1.0,
            (LayerGroup::Block(_), n) => offset as f64 / (n - 1) as f64,
            _ => 0.0,
        };
        Place { tensor, group, slice, t }
    }
}

impl Recipe {
    /// The outline of the merge in blocks. `depth` gives the number of blocks of a model.
    ///
    /// # Errors
    /// Whole models of unequal depth, or a slice that ends after its model's last block.
    pub fn outline(&self, depth: impl Fn(&str) -> usize) -> Result<Outline, RecipeError> {
        let mut inputs = Vec::new();
        let mut lengths = Vec::new();
        let measured = self.method.spec().base != BaseNeed::Unused;
        let is_base = |model: &str, base: Option<&String>| measured && base.is_some_and(|b| b == model);
        if self.slices.is_empty() {
            let base = self.base.as_ref();
            let mut whole: Vec<Input> = Vec::new();
            for (i, s) in self.sources.iter().enumerate() {
                let is_base = is_base(&s.model, base);
                whole.push(Input { model: s.model.clone(), first: 0, source: Some(i), is_base });
            }
            if let Some(base) = base.filter(|b| measured && !whole.iter().any(|i| i.model == **b)) {
                whole.push(Input { model: base.clone(), first: 0, source: None, is_base: true });
            }
            let layers = whole.first().map_or(0, |first| depth(&first.model));
            if let Some(odd) = whole.iter().find(|i| depth(&i.model) != layers) {
                let problem = format!(
                    "{} has {} layers, but {} has {layers}; write slices to merge models of different depth",
                    odd.model,
                    depth(&odd.model),
                    whole[0].model
                );
                return Err(RecipeError::in_memory("source", &problem));
            }
            lengths.push(layers);
            inputs.push(whole);
        }
        for (k, slice) in self.slices.iter().enumerate() {
            let base = slice.base.as_ref().or(self.base.as_ref());
            let length = slice.sources.first().map_or(0, |s| s.layers.1.saturating_sub(s.layers.0));
            let mut models = Vec::new();
            for (i, s) in slice.sources.iter().enumerate() {
                let (first, end) = s.layers;
                if end > first && end > depth(&s.model) {
                    let problem = format!("ends at {end}, but {} has {} layers", s.model, depth(&s.model));
                    return Err(RecipeError::in_memory(&format!("slice[{k}].source[{i}].layers"), &problem));
                }
                let is_base = is_base(&s.model, base);
                models.push(Input { model: s.model.clone(), first, source: Some(i), is_base });
            }
            lengths.push(length);
            inputs.push(models);
        }
        let each = lengths.iter().enumerate();
        let blocks = each.flat_map(|(slice, n)| (0..*n).map(move |offset| (slice, offset))).collect();
        Ok(Outline { blocks, lengths, inputs })
    }

    /// An equal merge of models with `layers` blocks, written with whole models if possible. The module `default`, a
    /// single slice of all blocks of each model, and the base's own vocabulary have no effect, so they are removed.
    #[must_use]
    pub fn as_whole_models(&self, layers: usize) -> Self {
        let mut out = self.clone();
        let simple = out.slices.len() < 2;
        if let Some(module) = out.module.take_if(|m| m.name == "default" && simple) {
            out.parameters = module.parameters.over(&out.parameters);
        }
        out.tokenizer.take_if(|t| {
            t.source == TokenizerSource::Base && t.tokens.is_empty() && t.pad_to_multiple_of.is_none()
        });
        let whole = |slice: &Slice| slice.sources.iter().all(|s| s.layers == (0, layers));
        if let [slice] = out.slices.as_slice()
            && whole(slice)
            && slice.base.as_ref().is_none_or(|base| self.base.is_none() || self.base.as_ref() == Some(base))
        {
            let slice = slice.clone();
            out.slices.clear();
            out.base = out.base.or(slice.base);
            out.parameters = slice.parameters.over(&out.parameters);
            let measured = self.method.spec().base != BaseNeed::Unused;
            let base = out.base.clone().filter(|_| measured);
            let others = slice.sources.into_iter().filter(|s| Some(&s.model) != base.as_ref());
            out.sources = others.map(|s| Source { model: s.model, parameters: s.parameters }).collect();
        }
        out
    }

    /// The value, for one tensor, of a parameter that applies to the whole merge.
    ///
    /// # Errors
    /// A parameter that has no default and is not given for this tensor.
    pub fn shared_value(&self, param: Param, place: &Place<'_>) -> Result<f64, RecipeError> {
        self.find(param, None, place.tensor, place)
    }

    /// The value, for one tensor, of a source's parameter. `source` is the source's index in the recipe or the slice;
    /// `input` is the tensor's name in that source, which filters match.
    ///
    /// # Errors
    /// The same as for [`Self::shared_value`].
    pub fn source_value(
        &self,
        param: Param,
        source: usize,
        input: &str,
        place: &Place<'_>,
    ) -> Result<f64, RecipeError> {
        self.find(param, Some(source), input, place)
    }

    fn find(
        &self,
        param: Param,
        source: Option<usize>,
        name: &str,
        place: &Place<'_>,
    ) -> Result<f64, RecipeError> {
        let spec = self.method.parameter(param);
        let stepped = spec.is_some_and(|s| s.kind == Kind::Flag);
        let slice = self.slices.get(place.slice);
        let own = source.and_then(|i| match slice {
            Some(slice) => slice.sources.get(i).map(|s| &s.parameters),
            None => self.sources.get(i).map(|s| &s.parameters),
        });
        let module = self.module.as_ref().map(|m| &m.parameters);
        let scopes = [own, slice.map(|s| &s.parameters), module, Some(&self.parameters)];
        let value = |given: &Parameters| -> Option<f64> {
            given.get(param).and_then(|v: &Values| v.resolve(name, place.group, place.t, stepped))
        };
        let found = scopes.into_iter().flatten().find_map(value);
        found.or_else(|| spec.and_then(|s| s.default)).ok_or_else(|| {
            let key = source.map_or_else(|| param.name().into(), |i| format!("source[{i}].{}", param.name()));
            let problem = format!("is not given for {}; {} needs one", place.tensor, self.method.name());
            RecipeError::in_memory(&key, &problem)
        })
    }
}
