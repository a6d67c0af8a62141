//! `[baselines]`: reference points that are measured before the search. Keys in, the weights of the global merges out; the
//! evolve loop asks for them.

use serde::{Deserialize, Serialize};

use crate::limits::GRID;

/// `[baselines]`: what is measured before the search besides the base, the sources and the uniform merge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baselines {
    /// Every combination of these global weights over the sources.
    #[serde(default)]
    pub grid: Vec<f64>,
}

impl Baselines {
    /// What can be wrong with the grid over so many sources.
    pub(super) fn check(&self, sources: usize) -> Result<(), String> {
        if let Some(bad) = self.grid.iter().find(|w| !w.is_finite()) {
            return Err(format!("`baselines.grid` holds {bad}: give finite weights"));
        }
        let points = self.grid.len().checked_pow(sources as u32);
        if points.is_none_or(|n| n > GRID) {
            return Err(format!(
                "`baselines.grid` with {} weights for {sources} sources makes over {GRID} merges: give fewer weights",
                self.grid.len(),
            ));
        }
        Ok(())
    }

    /// Every combination of the grid's weights over so many sources, the last source's changing fastest.
    #[must_use]
    pub fn points(&self, sources: usize) -> Vec<Vec<f64>> {
        let mut points = vec![Vec::new()];
        for _ in 0..sources {
            let longer =
                |point: Vec<f64>| self.grid.iter().map(move |&weight| [point.as_slice(), &[weight]].concat());
            points = points.into_iter().flat_map(longer).collect();
        }
        points
    }
}
