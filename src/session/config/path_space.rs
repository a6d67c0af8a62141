//! `[space.path]`: the data-flow space, whose candidates are paths through layers of the pool's models. Keys in, a
//! [`PathSpace`] of the search out; a config asks for it where it has the key.

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
    /// Models that layers are taken from, of the pool or `stage:N`; empty takes the whole pool. The first gives embedding,
    /// head, tokenizer, and each path's first and last layer.
    #[serde(default)]
    pub models: Vec<String>,
    /// How often the sequence of all models' layers is repeated; each place in it can be switched on.
    #[serde(default = "one")]
    pub repeats: usize,
    /// `hop`, `matrix`, `network` or `none`.
    #[serde(default)]
    pub scales: Scales,
    /// Bounds of a scale.
    #[serde(default)]
    pub scale: ScaleRange,
    /// The probability with which the search switches the first model's layers on at its beginning.
    #[serde(default = "likely")]
    pub likely: f64,
    /// The same for every other layer.
    #[serde(default = "seldom")]
    pub seldom: f64,
    /// Most layers of a path; 0 = no bound.
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
    /// The space over a pool's models, each of so many decoder blocks.
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
