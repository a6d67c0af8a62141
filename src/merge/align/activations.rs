//! The outputs of a model's units on some tokens. `evaluate` runs the model and fills [`Activations`]; `align` compares
//! them.

use crate::checkpoint::ModelConfig;
use crate::merge::MergeError;

use super::units::Units;

/// Outputs of a model's units on the same tokens in every layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activations {
    pub layers: Vec<LayerActivations>,
}

/// Outputs in one decoder block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerActivations {
    /// Gated MLP neurons, `[tokens, intermediate_size]`.
    pub neurons: Vec<f32>,
    /// Heads before the output projection, `[tokens, num_attention_heads · head_dim]`.
    pub heads: Vec<f32>,
}

impl Activations {
    /// Whether the shapes match a model with this config.
    pub(super) fn check(&self, config: &ModelConfig, model: &str) -> Result<(), MergeError> {
        let queries = config.num_attention_heads * config.head_dim;
        let tokens = self.layers.first().map_or(0, |l| l.heads.len() / queries);
        let fits = |l: &LayerActivations| {
            l.heads.len() == tokens * queries && l.neurons.len() == tokens * config.intermediate_size
        };
        if tokens > 1 && self.layers.len() == config.num_hidden_layers && self.layers.iter().all(fits) {
            return Ok(());
        }
        Err(MergeError::Align {
            model: model.to_owned(),
            base: model.to_owned(),
            why: "its activations are not one row a token in every layer, for two tokens or more".to_owned(),
        })
    }
}

impl LayerActivations {
    /// One row per neuron, one column per token.
    pub(super) fn neuron_units(&self, config: &ModelConfig) -> Units {
        units(&self.neurons, config.intermediate_size, 1)
    }

    /// One row per query head, `head_dim` columns per token.
    pub(super) fn head_units(&self, config: &ModelConfig) -> Units {
        units(&self.heads, config.num_attention_heads, config.head_dim)
    }
}

/// Rearranges `[tokens, count · each]` into `[count, tokens · each]`.
fn units(values: &[f32], count: usize, each: usize) -> Units {
    let tokens = values.len() / (count * each);
    let width = tokens * each;
    let mut out = vec![0.0; count * width];
    for (token, row) in values.chunks(count * each).enumerate() {
        for (unit, part) in row.chunks(each).enumerate() {
            out[unit * width + token * each..][..each].copy_from_slice(part);
        }
    }
    Units { count, width, values: out }
}
