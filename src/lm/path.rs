//! Data flow through layers of several models: any sequence of (model, layer, input scale).
//!
//! At a step with scale w the residual stream x enters as w · x (Akiba et al. 2024, arXiv 2403.13187, "data flow
//! space"). Embedding, final norm, head and tokenizer are the first model's. A layer is loaded when a path first names
//! it and is then kept, so that another path over the same layers only costs a list of steps. A layer that occurs twice
//! has one set of weights and two places in the cache.

use super::{
    Decoder, Device, LmError,
    backend::Backend,
    engine::{make_engine, with_model},
    model::{HostWeights, Model, Step},
    rope::Rope,
    shape::DecoderShape,
};
use crate::checkpoint::{ModelConfig, Weights};

/// Most steps of a path; each has its own keys and values.
const STEP_LIMIT: usize = 4096;

/// A model from which a path can take layers.
#[derive(Clone, Copy)]
pub struct PathModel<'a> {
    /// The model's name in errors.
    pub name: &'a str,
    pub config: &'a ModelConfig,
    pub weights: &'a dyn Weights,
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathStep {
    /// Index of the model, from 0.
    pub model: usize,
    /// Index of the layer in that model, from 0.
    pub layer: usize,
    /// Factor on the layer's input; 1 changes nothing.
    pub scale: f32,
}

impl PathStep {
    /// The path of an ordinary model: every layer once, in order, unscaled.
    #[must_use]
    pub fn all_of(model: usize, layers: usize) -> Vec<Self> {
        (0..layers).map(|layer| Self { model, layer, scale: 1.0 }).collect()
    }
}

impl Decoder {
    /// Loads the layers of a path over `models`. The models must have the same hidden size and heads; each step keeps
    /// the rotary positions, sliding window, MLP size, biases and norm ε of its own model.
    ///
    /// # Errors
    /// [`LmError::Path`] if models do not fit together or a step does not exist; otherwise as [`Self::load`].
    pub fn load_path(models: &[PathModel<'_>], steps: &[PathStep], device: &Device) -> Result<Self, LmError> {
        let (shapes, ropes) = shapes(models)?;
        check(&shapes, models, steps)?;
        let engine = make_engine!(device, &shapes[0], backend => {
            Model::load_path(backend, shapes, ropes, models, steps)?
        });
        Ok(Self { engine })
    }

    /// Switches to another path, starting with the next run. `models` are those of [`Self::load_path`]; only layers
    /// that no earlier path has named are read.
    ///
    /// # Errors
    /// As [`Self::load_path`]. On an error the old path stays.
    pub fn set_path(&mut self, models: &[PathModel<'_>], steps: &[PathStep]) -> Result<(), LmError> {
        with_model!(&mut self.engine, model => model.set_path(models, steps))
    }

    /// The model and the layer of each block in memory. A path over other layers has to load them.
    #[must_use]
    pub fn loaded_layers(&self) -> Vec<(usize, usize)> {
        with_model!(&self.engine, model => model.blocks.iter().map(|b| (b.model, b.layer)).collect())
    }

    /// The current path.
    #[must_use]
    pub fn path(&self) -> Vec<PathStep> {
        with_model!(&self.engine, model => model.path())
    }
}

impl<B: Backend> Model<B> {
    fn load_path(
        backend: B,
        shapes: Vec<DecoderShape>,
        ropes: Vec<Rope>,
        models: &[PathModel<'_>],
        steps: &[PathStep],
    ) -> Result<Self, LmError> {
        let mut ends = HostWeights::all(models[0].weights, "");
        let mut model = Self::with_ends(backend, shapes, ropes, &mut ends)?;
        model.set_path(models, steps)?;
        Ok(model)
    }

    fn set_path(&mut self, models: &[PathModel<'_>], steps: &[PathStep]) -> Result<(), LmError> {
        if models.len() != self.shapes.len() {
            let (loaded, found) = (self.shapes.len(), models.len());
            return Err(LmError::Path(format!("{found} models are given where {loaded} are loaded")));
        }
        check(&self.shapes, models, steps)?;
        let mut path = Vec::with_capacity(steps.len());
        for step in steps {
            let here = self.blocks.iter().position(|b| (b.model, b.layer) == (step.model, step.layer));
            let block = if let Some(block) = here {
                block
            } else {
                let from = &models[step.model];
                self.load_block(step.model, step.layer, &mut HostWeights::all(from.weights, from.name))?
            };
            path.push(Step { block, scale: step.scale });
        }
        self.steps = path;
        Ok(())
    }

    fn path(&self) -> Vec<PathStep> {
        let place = |step: &Step| {
            let block = &self.blocks[step.block];
            PathStep { model: block.model, layer: block.layer, scale: step.scale }
        };
        self.steps.iter().map(place).collect()
    }
}

/// Shapes of models that run together, and their rotations without duplicates.
fn shapes(models: &[PathModel<'_>]) -> Result<(Vec<DecoderShape>, Vec<Rope>), LmError> {
    let mut shapes: Vec<DecoderShape> = Vec::with_capacity(models.len());
    let mut ropes: Vec<Rope> = Vec::new();
    for model in models {
        let mut shape = DecoderShape::new(model.config)
            .map_err(|error| LmError::Path(format!("{}: {error}", model.name)))?;
        if let Some(first) = shapes.first() {
            for (key, mine, theirs) in [
                ("hidden_size", shape.hidden, first.hidden),
                ("num_attention_heads", shape.heads, first.heads),
                ("num_key_value_heads", shape.kv_heads, first.kv_heads),
                ("head_dim", shape.head_dim, first.head_dim),
            ] {
                if mine != theirs {
                    return Err(LmError::Path(format!(
                        "{} has {key} = {mine} where {} has {theirs}: layers of the two cannot follow one another",
                        model.name, models[0].name
                    )));
                }
            }
        }
        let mut place = |rope: &Rope| {
            ropes.iter().position(|r| r == rope).unwrap_or_else(|| {
                ropes.push(rope.clone());
                ropes.len() - 1
            })
        };
        let places: Vec<usize> = shape.ropes.iter().map(&mut place).collect();
        for view in &mut shape.attention {
            view.rotation = places[view.rotation];
        }
        shapes.push(shape);
    }
    if shapes.is_empty() {
        return Err(LmError::Path("there is no model to take layers from: name at least one".to_owned()));
    }
    Ok((shapes, ropes))
}

/// Checks that every step names an existing layer and a usable scale.
fn check(shapes: &[DecoderShape], models: &[PathModel<'_>], steps: &[PathStep]) -> Result<(), LmError> {
    let refuse = |why: String| Err(LmError::Path(why));
    if steps.is_empty() {
        return refuse("it has no steps: name at least one layer".to_owned());
    }
    if steps.len() > STEP_LIMIT {
        return refuse(format!("it has {} steps; at most {STEP_LIMIT} are run", steps.len()));
    }
    for (place, step) in steps.iter().enumerate() {
        let Some(shape) = shapes.get(step.model) else {
            let n = shapes.len();
            return refuse(format!(
                "step {place} names model {}, but there are {n}, counted from 0",
                step.model
            ));
        };
        if step.layer >= shape.layers {
            return refuse(format!(
                "step {place} names layer {} of {}, which has {} layers, counted from 0",
                step.layer, models[step.model].name, shape.layers
            ));
        }
        if !step.scale.is_finite() || step.scale == 0.0 {
            return refuse(format!(
                "step {place} has scale {}; a scale is a finite number other than 0",
                step.scale
            ));
        }
    }
    Ok(())
}
