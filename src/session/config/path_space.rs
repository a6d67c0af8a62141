//! `[space.path]`: the data-flow space, whose candidates are paths through layers of the pool's models. The keys come
//! in, a [`PathSpace`] of the search goes out. A config with this table uses it as its space.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::bounds::in_reach;
use super::pool::PoolConfig;
use crate::error::BadInput;
use crate::limits::MODELS;
use crate::search::{GeneRange, PathSpace, PathSpaceConfig, Scales};

/// `[space.path]`: paths through layers are searched in place of a merge's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathKeys {
    /// The models that layers are taken from, named as in the pool or `stage:N`; empty for the whole pool. The first
    /// model provides embedding, head, tokenizer, and each path's first and last layer.
    #[serde(default)]
    pub models: Vec<String>,
    /// How often the sequence of all models' layers is repeated. The search can switch each layer in it on or off.
    #[serde(default = "one")]
    pub repeats: usize,
    /// `hop`, `matrix`, `network` or `none`.
    #[serde(default)]
    pub scales: Scales,
    /// Bounds of a scale.
    #[serde(default)]
    pub scale: ScaleRange,
    /// The initial probability that a layer of the first model is switched on.
    #[serde(default = "likely")]
    pub likely: f64,
    /// The same for the other models' layers.
    #[serde(default = "seldom")]
    pub seldom: f64,
    /// The most layers of a path; 0 means no bound.
    #[serde(default)]
    pub longest: usize,
}

/// Bounds and first step size of a scale; the search begins at 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleRange {
    pub min: f64,
    pub max: f64,
    #[serde(default = "step")]
    pub sigma: f64,
}

impl Default for ScaleRange {
    fn default() -> Self {
        Self { min: 0.5, max: 1.5, sigma: step() }
    }
}

const fn one() -> usize {
    1
}
const fn likely() -> f64 {
    0.9
}
const fn seldom() -> f64 {
    0.1
}
const fn step() -> f64 {
    0.1
}

impl PathKeys {
    /// The space for a pool's models with the given numbers of decoder blocks.
    pub(super) fn space(&self, pool: &PoolConfig, layers: usize) -> anyhow::Result<PathSpace> {
        let here = || std::iter::once(&pool.base).chain(&pool.sources);
        let models: Vec<String> =
            if self.models.is_empty() { here().cloned().collect() } else { self.models.clone() };
        if models.len() > MODELS {
            let n = models.len();
            return Err(BadInput::error(format!(
                "`space.path.models` names {n} models: {MODELS} are the most"
            )));
        }
        let known: HashSet<&String> = here().collect();
        if let Some(other) = models.iter().find(|m| !known.contains(m)) {
            let known: Vec<&str> = here().map(String::as_str).collect();
            return Err(BadInput::error(format!(
                "`space.path.models` names {other}, which is not in the pool here ({})",
                known.join(", ")
            )));
        }
        let ScaleRange { min, max, sigma } = self.scale;
        in_reach("space.path.scale", [min, max, 1.0, sigma])?;
        let scale = GeneRange { low: min, high: max, start: 1.0_f64.max(min).min(max), sigma };
        PathSpace::new(PathSpaceConfig {
            layers: vec![layers; models.len()],
            models,
            repeats: self.repeats,
            scales: self.scales,
            scale,
            likely: self.likely,
            seldom: self.seldom,
            longest: self.longest,
        })
        .map_err(BadInput::error)
    }
}
