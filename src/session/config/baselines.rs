//! `[baselines]`: reference points that are measured before the search. The keys come in, the weights of the global
//! merges go out. The evolve loop asks for them.

use serde::{Deserialize, Serialize};

use crate::limits::GRID;

/// `[baselines]`: what is measured before the search besides the base, the sources and the uniform merge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baselines {
    /// The weights of the grid: every combination of them over the sources is measured.
    #[serde(default)]
    pub grid: Vec<f64>,
}

impl Baselines {
    /// Checks the grid for this number of sources.
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

    /// Every combination of the grid's weights over this number of sources; the last source's weight changes fastest.
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
