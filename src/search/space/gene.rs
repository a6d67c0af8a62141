//! The genes of a search space: the meaning of each number of a genome, its bounds, and the reflection of numbers
//! beyond a bound. The spaces make genes; the optimisers read them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::recipe::Param;

/// A point in the search space, one number a gene, in the order of [`Space::genes`](super::Space::genes).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Genome(pub Vec<f64>);

/// Tells which genes a genome uses, one flag for each gene. For example, a path's scale is used only while its hop is
/// on the path.
pub type ActiveGenes = Arc<dyn Fn(&[f64]) -> Vec<bool> + Send + Sync>;

/// Bounds, start and first step size of one kind of gene. Equal bounds make a constant, not a gene.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneRange {
    pub low: f64,
    pub high: f64,
    /// The value at which the search begins.
    pub start: f64,
    /// Standard deviation of the first generation.
    pub sigma: f64,
}

impl GeneInfo {
    /// A gene between bounds that sets no parameter of a recipe.
    #[must_use]
    pub fn number(name: impl Into<String>, bounds: (f64, f64), start: f64, sigma: f64) -> Self {
        let (low, high) = bounds;
        Self { name: name.into(), param: None, source: None, low, high, start, sigma }
    }
}

impl GeneRange {
    /// A number that is fixed and not searched.
    #[must_use]
    pub const fn fixed(value: f64) -> Self {
        Self { low: value, high: value, start: value, sigma: 0.0 }
    }

    pub(in crate::search) fn is_fixed(self) -> bool {
        self.low >= self.high
    }
}

/// One dimension of the space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneInfo {
    /// `ja.weight[3]`, `ja.density[embed]`, `ja.weight` for a global gene, `lambda` for a gene without a source.
    pub name: String,
    /// The parameter of the recipe that the gene sets; `None` if it sets none.
    pub param: Option<Param>,
    /// Index of the source in the recipe.
    pub source: Option<usize>,
    pub low: f64,
    pub high: f64,
    pub start: f64,
    pub sigma: f64,
}

/// Reflects `x` into the gene's bounds, if needed several times. Each bound acts as a mirror, so the map is continuous
/// and has period 2 (high − low). A number inside the bounds does not change, to the bit. A number that is not finite
/// becomes the gene's start.
#[must_use]
pub fn reflect(x: f64, gene: &GeneInfo) -> f64 {
    let GeneInfo { low, high, .. } = *gene;
    let width = high - low;
    if !x.is_finite() || width <= 0.0 {
        return gene.start;
    }
    if (low..=high).contains(&x) {
        return x;
    }
    let phase = (x - low).rem_euclid(2.0 * width);
    let inside = if phase <= width { low + phase } else { low + (2.0 * width - phase) };
    if inside.is_finite() { inside.clamp(low, high) } else { gene.start }
}

/// Of all points that [`reflect`] maps to `x`, the one nearest to `mean`.
pub(in crate::search) fn nearest_image(x: f64, mean: f64, low: f64, high: f64) -> f64 {
    let period = 2.0 * (high - low);
    if !(period.is_finite() && period > 0.0 && mean.is_finite()) {
        return x;
    }
    let shifted = |x: f64| x + period * ((mean - x) / period).round();
    let (same, mirrored) = (shifted(x), shifted(2.0 * low - x));
    if (same - mean).abs() <= (mirrored - mean).abs() { same } else { mirrored }
}

/// The number inside the gene's bounds that is nearest to `x`.
pub(in crate::search) fn nearest(x: f64, gene: &GeneInfo) -> f64 {
    x.clamp(gene.low, gene.high)
}

/// Short names for genes: `zoo:ja` → `ja`, `augmxnt/shisa-gamma-7b-v1@main` → `shisa-gamma-7b-v1`. Names whose short
/// forms would be equal stay whole.
pub(in crate::search) fn short_names(sources: &[String]) -> Vec<String> {
    let short = |s: &str| {
        // This is the name of an earlier stage's merge, not a path.
        if s.starts_with("stage:") {
            return s.to_owned();
        }
        let tail = s.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(s);
        tail.split('@').next().unwrap_or(tail).to_owned()
    };
    let shorts: Vec<String> = sources.iter().map(|s| short(s)).collect();
    let alone = |name: &String| shorts.iter().filter(|s| *s == name).count() == 1 && !name.is_empty();
    sources.iter().zip(&shorts).map(|(whole, name)| if alone(name) { name } else { whole }.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest_image;

    #[test]
    fn the_nearest_image_folds_back_to_the_same_point() {
        for (x, mean, image) in
            [(0.4, 0.5, 0.4), (0.9, 1.2, 1.1), (0.2, -0.15, -0.2), (0.9, 2.7, 2.9), (0.9, 3.3, 3.1)]
        {
            assert!((nearest_image(x, mean, 0.0, 1.0) - image).abs() < 1e-12, "{x} near {mean}");
        }
        assert!((nearest_image(0.4, 0.5, 0.4, 0.4) - 0.4).abs() < 1e-12);
    }
}
