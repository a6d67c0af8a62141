//! Turns a recipe into a plan: the output tensors with their inputs and parameters. The recipe is checked against the
//! pool's models; `merged`, the exports and `device` call [`Pool::plan`].

use serde_json::Value;

use crate::checkpoint::{Checkpoint, Dtype, ModelConfig, Origin, tensor_shapes};
use crate::recipe::{LayerGroup, Method, Outline, Param, Place, Precision, Recipe, Scope, VisionRule};

use super::planned::{ParamValues, Plan, PlannedInput, PlannedTensor};
use super::vocabulary::LM_HEAD;
use crate::merge::kernels::cast;
use crate::merge::{MergeError, Pool, methods};

impl Pool {
    /// Plans a recipe on this pool, and checks it.
    pub(crate) fn plan(&self, recipe: &Recipe) -> Result<Plan, MergeError> {
        let not_yet = |what: &str| Err(MergeError::NotYet { what: what.to_owned() });
        if !recipe.path.is_empty() {
            return not_yet("a path through layers");
        }
        if !self.retokenized && (recipe.tokenizer.is_some() || recipe.chat_template.is_some()) {
            return not_yet("a tokenizer or chat template in a session");
        }
        if let Some(module) = recipe.module.as_ref().filter(|m| m.name != "default") {
            let (name, family) = (module.name.clone(), self.base().config().model_type.clone());
            return Err(MergeError::Module { name, family });
        }
        // Alignments were already applied when the pool's sources were opened.
        let place = |model: &str| self.place(model);
        for (key, model) in named(recipe) {
            if place(model).is_none() {
                return Err(MergeError::NotLoaded {
                    key,
                    model: model.to_owned(),
                    loaded: self.models.iter().map(|m| m.reference().to_owned()).collect(),
                });
            }
        }
        let depth = |model: &str| place(model).map_or(0, |i| self.models[i].config().num_hidden_layers);
        let outline = recipe.outline(depth)?;
        recipe.check(outline.layers())?;
        let work = precision(recipe.dtype, "dtype")?;
        let stored = precision(recipe.out_dtype, "out_dtype")?;

        let last = outline.inputs(outline.slice(LayerGroup::Head).0);
        let has_head = last.iter().filter_map(|i| place(&i.model)).any(|i| self.has_head(i));
        let mut config = self.with_settings(self.config_of(recipe, &outline)?, recipe)?;
        config.tie_word_embeddings = !has_head;
        let mut tensors = Vec::new();
        for (name, shape) in tensor_shapes(&config) {
            // Every name of `tensor_shapes` has a group.
            let Some(group) = LayerGroup::of_tensor(&name) else { continue };
            let planned = self.plan_tensor(recipe, &outline, (&name, group), (work, stored))?;
            // A base that only provides config and tokenizer need not match the merged models.
            if planned.whole_shape() != shape {
                let first = planned.inputs.first().map_or(0, |f| f.model);
                return Err(self.unlike(&planned, &shape, &self.models[first]));
            }
            tensors.push(planned);
        }
        Ok(Plan {
            method: recipe.method,
            mask: recipe.mask,
            seed: recipe.seed,
            layers: outline.layers(),
            config: stored_config(config, &tensors),
            tensors,
            vision: self.plan_vision(recipe, &outline, (work, stored))?,
        })
    }

    /// The tensors of the vision part, if the recipe merges it: all that the giver has, with the values of the embedding.
    fn plan_vision(
        &self,
        recipe: &Recipe,
        outline: &Outline,
        types: (Option<Dtype>, Option<Dtype>),
    ) -> Result<Vec<PlannedTensor>, MergeError> {
        if recipe.vision == VisionRule::Keep {
            return Ok(Vec::new());
        }
        let inputs = outline.inputs(outline.slice(LayerGroup::Embedding).0);
        let models = inputs.iter().filter_map(|i| self.place(&i.model)).map(|place| &self.models[place]);
        let blind = models.into_iter().find(|model| model.vision_config().is_none());
        let (Some(giver), None) = (self.vision_giver(), blind) else {
            let model = blind.unwrap_or(self.base()).reference().to_owned();
            return Err(MergeError::NoVision { model });
        };
        let names = giver.vision_names();
        names
            .into_iter()
            .map(|name| self.plan_tensor(recipe, outline, (name, LayerGroup::Embedding), types))
            .collect()
    }

    /// Config of the merge: that of the pool. If layers are moved, per-layer settings come from the slice's base, or without
    /// a base from the slice's first model.
    fn config_of(&self, recipe: &Recipe, outline: &Outline) -> Result<ModelConfig, MergeError> {
        let donor = self.config();
        if recipe.slices.is_empty() && donor.num_hidden_layers == outline.layers() {
            return Ok(donor.clone());
        }
        let mut origins = Vec::with_capacity(outline.layers());
        for layer in 0..outline.layers() {
            let (slice, offset) = outline.slice(LayerGroup::Block(layer));
            let inputs = outline.inputs(slice);
            let input = inputs.iter().find(|i| i.is_base).or(inputs.first()).ok_or(MergeError::Empty)?;
            let model = &self.models[self.place(&input.model).unwrap_or_default()];
            let layer = input.first + offset;
            origins.push(Origin { name: model.reference(), config: model.config(), layer });
        }
        Ok(donor.of_layers(&origins)?)
    }

    /// Why a tensor of `model` does not fit a model with the donor's config.
    fn unlike(&self, planned: &PlannedTensor, expected: &[usize], model: &Checkpoint) -> MergeError {
        let donor = self.base().reference();
        if only_rows_differ(planned.group, &planned.shape, expected) {
            return vocabulary(model.reference(), &planned.shape, donor, expected);
        }
        MergeError::Shapes {
            tensor: planned.name.clone(),
            first: donor.to_owned(),
            first_shape: expected.to_vec(),
            model: model.reference().to_owned(),
            shape: planned.shape.clone(),
        }
    }

    fn plan_tensor(
        &self,
        recipe: &Recipe,
        outline: &Outline,
        (name, group): (&str, LayerGroup),
        (work, stored): (Option<Dtype>, Option<Dtype>),
    ) -> Result<PlannedTensor, MergeError> {
        let (slice, offset) = outline.slice(group);
        let inputs = outline.inputs(slice);
        let place = outline.place(name, group);
        let mut planned_inputs = Vec::with_capacity(inputs.len());
        for input in inputs {
            let model = self.place(&input.model).unwrap_or_default();
            let tensor = match group {
                LayerGroup::Block(layer) => in_layer(name, layer, input.first + offset),
                _ => name.to_owned(),
            };
            planned_inputs.push(PlannedInput { model, tensor });
        }
        let views = planned_inputs.iter().map(|input| self.find(input)).collect::<Result<Vec<_>, _>>()?;
        let first = views.first().ok_or(MergeError::Empty)?;
        if let Some(odd) = views.iter().position(|v| v.shape != first.shape) {
            if only_rows_differ(group, views[odd].shape, first.shape) {
                return Err(vocabulary(&inputs[odd].model, views[odd].shape, &inputs[0].model, first.shape));
            }
            return Err(MergeError::Shapes {
                tensor: name.to_owned(),
                first: inputs[0].model.clone(),
                first_shape: first.shape.to_vec(),
                model: inputs[odd].model.clone(),
                shape: views[odd].shape.to_vec(),
            });
        }
        let promoted = views.iter().map(|v| v.dtype).reduce(cast::promote).unwrap_or(Dtype::F32);
        let work = work.unwrap_or(promoted);
        let computed = methods::computed(recipe.method, work);
        let shape = first.shape.to_vec();
        let values = values(recipe, outline, slice, &planned_inputs, &place)?;
        if recipe.method == Method::Linear && values.flag(Param::Normalize) {
            let sum = values.each(Param::Weight).iter().fold(0.0_f32, |sum, w| sum + *w as f32);
            if sum == 0.0 {
                let group = group.to_string();
                return Err(MergeError::ZeroSum { group, method: recipe.method.name() });
            }
        }
        Ok(PlannedTensor {
            name: name.to_owned(),
            rest: self.planned_rest(name, &shape),
            shape,
            group,
            base: inputs.iter().position(|i| i.is_base),
            inputs: planned_inputs,
            work,
            computed,
            stored: stored.unwrap_or(computed),
            values,
        })
    }
}

/// Whether two shapes of a tensor outside the blocks differ only in the vocabulary size.
fn only_rows_differ(group: LayerGroup, one: &[usize], other: &[usize]) -> bool {
    let outside = !matches!(group, LayerGroup::Block(_));
    outside && one.len() == 2 && other.len() == 2 && one[1] == other[1]
}

fn vocabulary(model: &str, shape: &[usize], other: &str, expected: &[usize]) -> MergeError {
    MergeError::Vocabulary {
        model: model.to_owned(),
        problem: format!(
            "its vocabulary of {} is not the {} of {other}; a recipe merges them by token with tokenizer = \"union\"",
            shape[0], expected[0]
        ),
    }
}

/// Every model that a recipe names, with the key that names it.
fn named(recipe: &Recipe) -> Vec<(String, &str)> {
    let mut out = Vec::new();
    out.extend(recipe.base.iter().map(|model| ("base".to_owned(), model.as_str())));
    out.extend(recipe.config.models().map(|(key, model)| (key.to_owned(), model)));
    let sources = recipe.sources.iter().enumerate();
    out.extend(sources.map(|(i, s)| (format!("source[{i}].model"), s.model.as_str())));
    for (k, slice) in recipe.slices.iter().enumerate() {
        out.extend(slice.base.iter().map(|model| (format!("slice[{k}].base"), model.as_str())));
        let sources = slice.sources.iter().enumerate();
        out.extend(sources.map(|(i, s)| (format!("slice[{k}].source[{i}].model"), s.model.as_str())));
    }
    out
}

fn values(
    recipe: &Recipe,
    outline: &Outline,
    slice: usize,
    planned_inputs: &[PlannedInput],
    place: &Place<'_>,
) -> Result<ParamValues, MergeError> {
    let mut values = ParamValues::default();
    for spec in recipe.method.parameters().iter().filter(|spec| !spec.ignored) {
        match spec.scope {
            Scope::Global => values.set_shared(spec.param, recipe.shared_value(spec.param, place)?),
            Scope::PerModel => {
                let mut each = Vec::with_capacity(planned_inputs.len());
                for (input, planned) in outline.inputs(slice).iter().zip(planned_inputs) {
                    each.push(match input.source {
                        Some(source) if !input.is_base => {
                            Some(recipe.source_value(spec.param, source, &planned.tensor, place)?)
                        }
                        _ => None,
                    });
                }
                values.set_each(spec.param, &each);
            }
        }
    }
    Ok(values)
}

/// The name of a block's tensor with another block number.
fn in_layer(name: &str, from: usize, to: usize) -> String {
    if from == to {
        return name.to_owned();
    }
    name.replacen(&format!("layers.{from}."), &format!("layers.{to}."), 1)
}

fn precision(given: Option<Precision>, key: &'static str) -> Result<Option<Dtype>, MergeError> {
    match given {
        None => Ok(None),
        Some(Precision::BFloat16) => Ok(Some(Dtype::BF16)),
        Some(Precision::Float16) => Ok(Some(Dtype::F16)),
        Some(Precision::Float32) => Ok(Some(Dtype::F32)),
        Some(Precision::Float64) => Err(MergeError::Double { key }),
    }
}

/// The config, updated to the type and LM head of the tensors.
fn stored_config(mut config: ModelConfig, tensors: &[PlannedTensor]) -> ModelConfig {
    config.tie_word_embeddings = !tensors.iter().any(|t| t.name == LM_HEAD);
    let stored = tensors.first().map_or(Dtype::BF16, |t| t.stored);
    let dtype = match stored {
        Dtype::F32 => "float32",
        Dtype::F16 => "float16",
        Dtype::BF16 => "bfloat16",
    };
    if let Value::Object(map) = &mut config.raw {
        ModelConfig::unpack(map);
        map.insert("num_hidden_layers".to_owned(), config.num_hidden_layers.into());
        map.insert("tie_word_embeddings".to_owned(), config.tie_word_embeddings.into());
        // transformers 5 writes `dtype`, earlier ones `torch_dtype`.
        let key = if map.contains_key("dtype") { "dtype" } else { "torch_dtype" };
        map.insert(key.to_owned(), dtype.into());
    }
    config
}
