//! Is a recipe in order, as far as that can be said without reading a model?

use super::read::{density_problem, weight_problem};
use super::{LayerGroup, Method, PerGroup, Recipe, RecipeError, Source};

impl Recipe {
    /// The same weight for every source and layer group, nothing dropped.
    #[must_use]
    pub fn uniform(base: &str, sources: &[String], method: Method, weight: f64) -> Self {
        let source = |model: &String| Source {
            model: model.clone(),
            weight: PerGroup::All(weight),
            density: PerGroup::All(1.0),
        };
        Self {
            method,
            base: base.to_owned(),
            sources: sources.iter().map(source).collect(),
            lambda: 1.0,
            normalize: None,
            mask: super::MaskStream::Counter,
            seed: 0,
        }
    }

    /// Whether the sum is divided by the sum of weights: as asked, else the method's default.
    #[must_use]
    pub fn normalizes(&self) -> bool {
        self.normalize.unwrap_or(self.method.normalizes())
    }

    /// Checks every value, for models of `layers` decoder blocks.
    pub fn check(&self, layers: usize) -> Result<(), RecipeError> {
        let bad = |(key, problem)| RecipeError::Value { place: "recipe".to_owned(), key, problem };
        self.check_values().map_err(bad)?;
        for (i, source) in self.sources.iter().enumerate() {
            for (name, values) in [("weight", &source.weight), ("density", &source.density)] {
                if let PerGroup::Each { layers: list, .. } = values
                    && list.len() != layers
                {
                    return Err(bad((
                        format!("source[{i}].{name}.layers"),
                        format!("has {} values, but the models have {layers} layers", list.len()),
                    )));
                }
            }
        }
        Ok(())
    }

    /// Checks all but the number of layers; gives the key path and what is wrong with it.
    pub(super) fn check_values(&self) -> Result<(), (String, String)> {
        if self.base.is_empty() {
            return Err(("base".into(), "is missing; name a checkpoint".into()));
        }
        if !self.lambda.is_finite() {
            return Err(("lambda".into(), format!("is {}; it must be a finite number", self.lambda)));
        }
        if self.sources.is_empty() {
            return Err(("source".into(), "is missing; a merge needs at least one [[source]]".into()));
        }
        for (i, source) in self.sources.iter().enumerate() {
            if source.model.is_empty() {
                return Err((format!("source[{i}].model"), "is missing; name a checkpoint".into()));
            }
            if let Some(first) = self.sources[..i].iter().position(|s| s.model == source.model) {
                let problem = format!("is {} again, as in source[{first}]; name each once", source.model);
                return Err((format!("source[{i}].model"), problem));
            }
            let weights = (&source.weight, "weight", weight_problem as fn(f64) -> Option<String>);
            let densities = (&source.density, "density", density_problem as fn(f64) -> Option<String>);
            for (values, name, problem) in [weights, densities] {
                let layers = values.values().len().saturating_sub(2);
                for (position, value) in values.values().into_iter().enumerate() {
                    if let Some(problem) = problem(value) {
                        let part = match (values, LayerGroup::from_index(position, layers)) {
                            (PerGroup::All(_), _) => String::new(),
                            (_, LayerGroup::Block(layer)) => format!(".layers[{layer}]"),
                            (_, group) => format!(".{group}"),
                        };
                        return Err((format!("source[{i}].{name}{part}"), problem));
                    }
                }
            }
        }
        Ok(())
    }
}
