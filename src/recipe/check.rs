//! Checks a recipe without reading a model: missing models, values out of range, slices of unequal length. A recipe
//! comes in, the first mistake goes out. The readers call it, and so does code that changes a recipe in memory.

use std::collections::{HashMap, HashSet};

use super::{
    BaseNeed, Kind, LayerGroup, Method, Param, Parameters, Recipe, RecipeError, Scope, Slice, Source, Step,
    TokenizerSource, Values,
};

use crate::limits::{FILTERS, LAYERS, MODELS};

/// A key path and the mistake found there.
type Problem = (String, String);

impl Recipe {
    /// Checks every value, for models of `layers` decoder blocks. A parameter that the method does not have is ignored:
    /// it has no effect now, and it stays for a later change of the method.
    ///
    /// # Errors
    /// The first value that is wrong, by its key.
    pub fn check(&self, layers: usize) -> Result<(), RecipeError> {
        let bad = |(key, problem): Problem| RecipeError::in_memory(&key, &problem);
        self.check_values().map_err(bad)?;
        let layers = match self.slices.as_slice() {
            [] => layers,
            slices => slices.iter().map(Slice::len).sum(),
        };
        for (path, parameters) in self.all_parameters() {
            for (param, values) in parameters.iter() {
                for (part, values) in values.parts() {
                    if let Values::Each { layers: list, .. } = values
                        && list.len() != layers
                    {
                        return Err(bad((
                            format!("{path}{}{part}.layers", param.name()),
                            format!("has {} values, but the models have {layers} layers", list.len()),
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// The parameters of the recipe, its module, sources and slices, each with the start of its key path.
    pub(super) fn all_parameters(&self) -> Vec<(String, &Parameters)> {
        let mut out = vec![(String::new(), &self.parameters)];
        out.extend(self.module.iter().map(|m| ("module.".to_owned(), &m.parameters)));
        for (i, source) in self.sources.iter().enumerate() {
            out.push((format!("source[{i}]."), &source.parameters));
        }
        for (k, slice) in self.slices.iter().enumerate() {
            out.push((format!("slice[{k}]."), &slice.parameters));
            for (i, source) in slice.sources.iter().enumerate() {
                out.push((format!("slice[{k}].source[{i}]."), &source.parameters));
            }
        }
        out
    }

    /// Checks everything but the number of layers.
    pub(super) fn check_values(&self) -> Result<(), Problem> {
        let missing = |key: String| Err((key, "is missing; name a checkpoint".to_owned()));
        if self.base.as_deref().is_some_and(str::is_empty) {
            return missing("base".into());
        }
        let bounded = |key: &str, what: &str, count: usize, most: usize| {
            let problem = || format!("gives {count} {what}; {most} are the most");
            if count <= most { Ok(()) } else { Err((key.to_owned(), problem())) }
        };
        bounded("source", "models", self.sources.len(), MODELS)?;
        bounded("slice", "slices", self.slices.len(), LAYERS)?;
        if !self.path.is_empty() {
            bounded("path", "models", self.models().len(), MODELS)?;
            self.check_settings()?;
            return self.check_path();
        }
        if self.method.spec().base == BaseNeed::Required && self.base.is_none() && self.slices.is_empty() {
            let problem = format!("is missing; {} measures the sources against one", self.method.name());
            return Err(("base".into(), problem));
        }
        if self.slices.is_empty() {
            self.check_sources(&self.sources)?;
        } else if !self.sources.is_empty() {
            return Err((
                "slice".into(),
                "stands beside [[source]]; name whole models or slices, not both".into(),
            ));
        }
        let mut blocks = 0_usize;
        for (k, slice) in self.slices.iter().enumerate() {
            self.check_slice(k, slice)?;
            blocks = blocks.saturating_add(slice.len());
        }
        if blocks > LAYERS {
            return Err((
                "slice".into(),
                format!("makes {blocks} blocks in all; {LAYERS} are merged at most"),
            ));
        }
        bounded("slice", "models", self.models().len(), MODELS)?;
        // A slice may be empty: the first slice still gives the embeddings, the last one the head.
        if !self.slices.is_empty() && self.slices.iter().all(Slice::is_empty) {
            return Err(("slice".into(), "makes no layer at all; give some a range of layers".into()));
        }
        self.check_settings()?;
        for (path, parameters) in self.all_parameters() {
            check_parameters(self.method, &path, parameters)?;
            let global = |p: &Param| self.method.parameter(*p).is_some_and(|s| s.scope == Scope::Global);
            if path.contains("source[")
                && let Some(param) = parameters.iter().map(|(p, _)| p).find(global)
            {
                let problem = "is one value for all models; give it outside of the sources";
                return Err((format!("{path}{}", param.name()), problem.into()));
            }
        }
        self.check_required()
    }

    fn check_sources(&self, sources: &[Source]) -> Result<(), Problem> {
        if sources.is_empty() {
            return Err(("source".into(), "is missing; a merge needs at least one [[source]]".into()));
        }
        let mut places = HashMap::new();
        for (i, source) in sources.iter().enumerate() {
            let key = || format!("source[{i}].model");
            if source.model.is_empty() {
                return Err((key(), "is missing; name a checkpoint".into()));
            }
            if let Some(first) = places.insert(source.model.as_str(), i) {
                let problem = format!("is {} again, as in source[{first}]; name each once", source.model);
                return Err((key(), problem));
            }
        }
        let base = self.base.as_deref().filter(|_| self.method.spec().base != BaseNeed::Unused);
        self.check_count("source", sources.iter().filter(|s| Some(s.model.as_str()) != base).count())
    }

    /// Checks that the method can merge this number of models, the base not counted.
    fn check_count(&self, key: &str, count: usize) -> Result<(), Problem> {
        let spec = self.method.spec();
        let (least, most) = spec.sources;
        if count >= least && most.is_none_or(|most| count <= most) {
            return Ok(());
        }
        let wanted = match most {
            Some(most) if most == least => format!("exactly {least}"),
            Some(most) => format!("{least} to {most}"),
            None => format!("at least {least}"),
        };
        let beside = if spec.base == BaseNeed::Required { " besides the base" } else { "" };
        Err((key.into(), format!("gives {count} models, but {} merges {wanted}{beside}", spec.name)))
    }

    fn check_slice(&self, k: usize, slice: &Slice) -> Result<(), Problem> {
        let path = format!("slice[{k}]");
        if slice.sources.is_empty() {
            return Err((format!("{path}.source"), "is missing; name a model and its layers".into()));
        }
        let need = self.method.spec().base;
        let base = slice.base.as_deref().or(self.base.as_deref()).filter(|_| need != BaseNeed::Unused);
        if slice.sources.len() > MODELS {
            let problem = format!("gives {} models; {MODELS} are the most", slice.sources.len());
            return Err((format!("{path}.source"), problem));
        }
        let mut seen = HashSet::new();
        for (i, source) in slice.sources.iter().enumerate() {
            let key = |name: &str| format!("{path}.source[{i}].{name}");
            let (first, end) = source.layers;
            if source.model.is_empty() {
                return Err((key("model"), "is missing; name a checkpoint".into()));
            }
            if !seen.insert(source.model.as_str()) {
                return Err((key("model"), format!("is {} again; name each once in a slice", source.model)));
            }
            if end < first {
                let problem = format!(
                    "is [{first}, {end}]; the second number is the block after the last, and not before the first"
                );
                return Err((key("layers"), problem));
            }
            if end > LAYERS {
                let problem = format!("ends at {end}; models of over {LAYERS} layers are not read");
                return Err((key("layers"), problem));
            }
            if end - first != slice.len() {
                let problem = format!(
                    "has {} blocks, the first source has {}; give all as many",
                    end - first,
                    slice.len()
                );
                return Err((key("layers"), problem));
            }
        }
        let listed = base.filter(|b| slice.sources.iter().any(|s| s.model == **b));
        if need == BaseNeed::Required && listed.is_none() {
            let problem = match base {
                Some(base) => format!("leaves out the base {base}; give its layers too"),
                None => format!("has no base; {} measures the sources against one", self.method.name()),
            };
            return Err((path, problem));
        }
        self.check_count(&path, slice.sources.len() - usize::from(listed.is_some()))
    }

    fn check_path(&self) -> Result<(), Problem> {
        if self.method != Method::Passthrough {
            let problem = format!(
                "runs layers one after the other, but the method is {}; use method = \"passthrough\"",
                self.method.name()
            );
            return Err(("path".into(), problem));
        }
        if self.base.is_none() {
            return Err(("base".into(), "is missing; it gives a path its embeddings and its head".into()));
        }
        if !self.sources.is_empty() || !self.slices.is_empty() {
            let problem = "stands beside [[source]] or [[slice]]; a path names its models in its steps";
            return Err(("path".into(), problem.into()));
        }
        if self.tokenizer.as_ref().is_some_and(|t| {
            t.source != TokenizerSource::Base || !t.tokens.is_empty() || t.pad_to_multiple_of.is_some()
        }) {
            return Err((
                "tokenizer".into(),
                "has no meaning for a path, whose vocabulary is its base's".into(),
            ));
        }
        if let Some((param, _)) = self.parameters.iter().next() {
            let problem = "has no meaning for a path; give a step its scale instead";
            return Err((param.name().into(), problem.into()));
        }
        if self.path.len() > LAYERS {
            let problem = format!("has {} steps; {LAYERS} are run at most", self.path.len());
            return Err(("path".into(), problem));
        }
        for (i, Step { model, scale, .. }) in self.path.iter().enumerate() {
            if model.is_empty() {
                return Err((format!("path[{i}].model"), "is missing; name a checkpoint".into()));
            }
            // The hidden state has at most float32 precision.
            if !(*scale as f32).is_finite() {
                return Err((
                    format!("path[{i}].scale"),
                    format!("is {scale}; it must be a number that float32 can hold"),
                ));
            }
        }
        Ok(())
    }

    /// Checks that each parameter without a default is given somewhere.
    fn check_required(&self) -> Result<(), Problem> {
        let module = self.module.as_ref().map(|m| &m.parameters);
        for spec in self.method.parameters().iter().filter(|p| p.default.is_none()) {
            let param = spec.param;
            let given = |p: &Parameters| p.get(param).is_some();
            if given(&self.parameters) || module.is_some_and(given) {
                continue;
            }
            let problem = || match spec.scope {
                Scope::PerModel => "is missing; write a number or one a layer group".to_owned(),
                Scope::Global => format!("is missing; {} needs it: {}", self.method.name(), spec.about),
            };
            let whole =
                |s: &&str| Some(*s) != self.base.as_deref() || self.method.spec().base == BaseNeed::Unused;
            if spec.scope == Scope::Global {
                if self.slices.is_empty() || !self.slices.iter().all(|s| given(&s.parameters)) {
                    return Err((param.name().into(), problem()));
                }
                continue;
            }
            for (i, source) in self.sources.iter().enumerate() {
                if whole(&source.model.as_str()) && !given(&source.parameters) {
                    return Err((format!("source[{i}].{}", param.name()), problem()));
                }
            }
            for (k, slice) in self.slices.iter().enumerate().filter(|(_, s)| !given(&s.parameters)) {
                let base = slice.base.as_ref().or(self.base.as_ref());
                let measured =
                    |m: &String| self.method.spec().base == BaseNeed::Unused || base.is_none_or(|b| b != m);
                for (i, source) in slice.sources.iter().enumerate() {
                    if measured(&source.model) && !given(&source.parameters) {
                        return Err((format!("slice[{k}].source[{i}].{}", param.name()), problem()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Checks the values of the parameters that the method has.
fn check_parameters(method: Method, path: &str, parameters: &Parameters) -> Result<(), Problem> {
    for (param, values) in parameters.iter() {
        let Some(spec) = method.parameter(param) else { continue };
        for (part, values) in values.parts() {
            let path = format!("{path}{}{part}", param.name());
            if spec.kind == Kind::Count && matches!(values, Values::Gradient(_)) {
                return Err((path, "is a whole number; a gradient would lie between two".into()));
            }
            if let Values::Gradient(points) = values
                && points.is_empty()
            {
                return Err((path, "is an empty list; give at least one number".into()));
            }
            let (each, blocks) = match values {
                Values::Filters(list) if list.is_empty() => {
                    return Err((path, "is an empty list; give at least one value".into()));
                }
                Values::Filters(list) if list.len() > FILTERS => {
                    return Err((path, format!("has {} filters; {FILTERS} are the most", list.len())));
                }
                Values::Filters(_) => continue,
                plain => (plain.values(), plain.values().len().saturating_sub(2)),
            };
            for (position, value) in each.into_iter().enumerate() {
                if let Some(problem) = spec.problem(value) {
                    let part = match (values, LayerGroup::from_index(position, blocks)) {
                        (Values::All(_), _) => String::new(),
                        (Values::Gradient(_), _) => format!("[{position}]"),
                        (_, LayerGroup::Block(layer)) => format!(".layers[{layer}]"),
                        (_, group) => format!(".{group}"),
                    };
                    return Err((format!("{path}{part}"), problem));
                }
            }
        }
    }
    Ok(())
}
