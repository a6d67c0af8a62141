//! `[space]`: what is searched. Every parameter of the merge method is a key: a number or a flag fixes the parameter, a
//! table of bounds makes genes of it. The keys come in; a [`Space`] of the search and the baselines' recipes go out.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Config;
use super::bounds::in_reach;
use super::path_space::PathKeys;
use super::search::Start;
use crate::error::BadInput;
use crate::limits::LAYERS;
use crate::recipe::{Kind, MaskStream, Method, Param, ParamSpec, Recipe, Scope, Source};
use crate::search::{GeneRange, Groups, SearchedParam, Space, SpaceConfig};

/// `[space]`: what is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpaceKeys {
    /// The method of the searched merge. If paths are searched: the method of the uniform merge in the baselines.
    #[serde(default = "task_arithmetic")]
    pub method: Method,
    /// Search paths through layers instead of the parameters of a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathKeys>,
    /// `"layer"`, `"global"`, `"halves"`, `{ bands = 3 }`, `{ smooth = 4 }` or
    /// `{ filters = ["mlp", "self_attn", "*"] }`.
    #[serde(default)]
    pub groups: Groups,
    /// One gene for the embedding and the final norm with the head, as in the paper.
    #[serde(default = "yes")]
    pub tie_ends: bool,
    #[serde(default)]
    pub mask: MaskStream,
    /// The method's parameters that are searched or fixed. A missing weight is searched from 0 to 1, a missing density
    /// is 1, and any other missing parameter has the method's default.
    #[serde(flatten)]
    pub parameters: BTreeMap<Param, Knob>,
}

/// A parameter's fixed value, or the bounds within which it is searched.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Knob {
    Flag(bool),
    Number(f64),
    Range(Range),
}

/// Bounds of one kind of gene.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The lower bound. A missing `min` or `max` takes the method's usual bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The start of genes of this kind, in place of `[search] start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// The first step size of this kind, in place of `[search] sigma`. If it is missing, parameters other than weights
    /// and densities take a sixth of the distance between the bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
    /// The layer groups of this kind, in place of the space's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
}

impl Default for SpaceKeys {
    fn default() -> Self {
        Self {
            method: task_arithmetic(),
            path: None,
            groups: Groups::default(),
            tie_ends: true,
            mask: MaskStream::default(),
            parameters: BTreeMap::new(),
        }
    }
}

const fn yes() -> bool {
    true
}
const fn task_arithmetic() -> Method {
    Method::TaskArithmetic
}

impl SpaceKeys {
    /// The fewest decoder blocks that this space can be laid over.
    pub(super) fn least_layers(&self) -> usize {
        let own = self.parameters.values().filter_map(|knob| match knob {
            Knob::Range(range) => range.groups.as_ref(),
            Knob::Flag(_) | Knob::Number(_) => None,
        });
        own.chain([&self.groups]).map(Groups::least_layers).max().unwrap_or(1).clamp(1, LAYERS)
    }

    /// The value that a parameter is fixed to, if it is.
    fn fixed(&self, param: Param) -> Option<f64> {
        match self.parameters.get(&param)? {
            Knob::Flag(flag) => Some(f64::from(*flag)),
            Knob::Number(value) => Some(*value),
            Knob::Range(_) => None,
        }
    }
}

impl Config {
    /// The space of a merge's parameters, for models of `layers` decoder blocks.
    ///
    /// # Errors
    /// The method does not have a parameter, or does not allow its bounds.
    pub fn space(&self, layers: usize) -> anyhow::Result<Space> {
        let keys = &self.space;
        let mut parameters = BTreeMap::new();
        for (param, knob) in &keys.parameters {
            parameters.insert(*param, self.searched(*param, knob)?);
        }
        if keys.method.uses(Param::Weight) && !keys.parameters.contains_key(&Param::Weight) {
            let usual = Range { min: Some(0.0), max: Some(1.0), ..Range::default() };
            parameters.insert(Param::Weight, self.searched(Param::Weight, &Knob::Range(usual))?);
        }
        if keys.method.uses_density() {
            parameters.entry(Param::Density).or_insert_with(|| GeneRange::fixed(1.0).into());
        }
        Space::new(SpaceConfig {
            method: keys.method,
            groups: keys.groups.clone(),
            tie_ends: keys.tie_ends,
            parameters,
            base: self.pool.base.clone(),
            sources: self.pool.sources.clone(),
            layers,
            mask: keys.mask,
            seed: self.seed,
        })
        .map_err(BadInput::error)
    }

    fn searched(&self, param: Param, knob: &Knob) -> anyhow::Result<SearchedParam> {
        let spec: Option<&ParamSpec> = self.space.method.parameter(param);
        let name = param.name();
        let range = match knob {
            Knob::Flag(_) if spec.is_some_and(|s| s.kind != Kind::Flag) => {
                return Err(BadInput::error(format!("`space.{name}` is a number: give one, or its bounds")));
            }
            Knob::Flag(flag) => return Ok(GeneRange::fixed(f64::from(*flag)).into()),
            Knob::Number(value) => return Ok(GeneRange::fixed(*value).into()),
            Knob::Range(range) => range,
        };
        let usual = spec.and_then(|s| s.gene);
        let (Some(low), Some(high)) = (range.min.or(usual.map(|u| u.0)), range.max.or(usual.map(|u| u.1)))
        else {
            return Err(BadInput::error(format!("`space.{name}` has no usual bounds: give `min` and `max`")));
        };
        let top = high.max(low);
        let middle = f64::midpoint(low, high);
        let default = spec.and_then(|s| s.default).filter(|d| (low..=high).contains(d));
        let (start, sigma) = match (param, &self.search.start) {
            (Param::Weight | Param::Density, Start::Number(x)) => (*x, self.search.sigma),
            (Param::Weight, Start::Word(_)) => {
                ((1.0 / self.pool.sources.len() as f64).clamp(low, top), self.search.sigma)
            }
            (Param::Density, Start::Word(_)) => (middle, self.search.sigma),
            _ => (default.unwrap_or(middle), (top - low) / 6.0),
        };
        let (start, sigma) = (range.start.unwrap_or(start), range.sigma.unwrap_or(sigma));
        in_reach(&format!("space.{name}"), [low, high, start, sigma])?;
        Ok(SearchedParam { range: GeneRange { low, high, start, sigma }, groups: range.groups.clone() })
    }

    /// A merge that takes as much memory as those of the first stage: its method, and half a density where densities are
    /// searched.
    #[must_use]
    pub fn typical_merge(&self) -> Recipe {
        let n = self.pool.sources.len();
        let mut recipe = self.global_recipe(&vec![1.0 / n.max(1) as f64; n]);
        if recipe.method.uses_density() && self.space.fixed(Param::Density).is_none() {
            for source in &mut recipe.sources {
                source.parameters.set(Param::Density, 0.5);
            }
        }
        recipe
    }

    /// A merge with one weight per source for all layers, and the values that the space fixes. It is task arithmetic if
    /// the space's method has no weights.
    #[must_use]
    pub fn global_recipe(&self, weights: &[f64]) -> Recipe {
        let weighs = self.space.method.uses(Param::Weight);
        let method = if weighs { self.space.method } else { Method::TaskArithmetic };
        let fixed = |scope: Scope| {
            let of = move |p: &&ParamSpec| weighs && p.scope == scope && p.param != Param::Weight;
            let specs = method.parameters().iter().filter(of);
            specs.filter_map(|p| Some((p.param, self.space.fixed(p.param)?)))
        };
        let source = |(model, &weight): (&String, &f64)| {
            let source = Source::new(model).with(Param::Weight, weight);
            fixed(Scope::PerModel).fold(source, |s, (param, value)| s.with(param, value))
        };
        let mut recipe = Recipe::new(method, Some(&self.pool.base));
        recipe.sources = self.pool.sources.iter().zip(weights).map(source).collect();
        for (param, value) in fixed(Scope::Global) {
            recipe.parameters.set(param, value);
        }
        recipe.mask = self.space.mask;
        recipe.seed = self.seed;
        recipe
    }
}

impl<'de> Deserialize<'de> for Knob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOfThree;

        impl<'de> Visitor<'de> for OneOfThree {
            type Value = Knob;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number, true or false, or bounds such as { min = 0.0, max = 1.0 }")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Knob, E> {
                Ok(Knob::Flag(flag))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Knob, E> {
                Ok(Knob::Number(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Knob, E> {
                Ok(Knob::Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Knob, E> {
                Ok(Knob::Number(value as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Knob, A::Error> {
                Range::deserialize(MapAccessDeserializer::new(map)).map(Knob::Range)
            }
        }

        deserializer.deserialize_any(OneOfThree)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ZOO;
    use super::*;

    fn zoo(keys: &str) -> anyhow::Result<Space> {
        let text = ZOO.replace("groups = \"layer\"", keys);
        let without = |text: String, line: &str, so: bool| if so { text.replace(line, "") } else { text };
        let text = without(text, "method = \"task_arithmetic\"\n", keys.contains("method"));
        let own = keys.contains("weight") || keys.contains("slerp");
        let text = without(text, "weight = { min = -0.3, max = 1.8 }", own);
        Config::parse(&text, "x")?.space(5)
    }

    fn names(keys: &str) -> Vec<String> {
        zoo(keys).unwrap().genes().iter().map(|g| g.name.clone()).collect()
    }

    #[test]
    fn each_way_to_group_is_a_config_key() {
        for (keys, genes, name) in [
            ("groups = \"layer\"", 18, "ja.weight[0]"),
            ("groups = \"global\"", 3, "math-add.weight"),
            ("groups = \"halves\"", 33, "ja.weight[4.mlp]"),
            ("groups = { bands = 2 }", 9, "ja.weight[0-2]"),
            ("groups = { smooth = 3 }", 12, "ja.weight[point 2]"),
            ("groups = { filters = [\"mlp\", \"*\"] }", 6, "ja.weight[mlp]"),
            ("tie_ends = false", 21, "ja.weight[head]"),
        ] {
            let names = names(keys);
            assert_eq!(names.len(), genes, "{keys}: {names:?}");
            assert!(names.contains(&name.to_owned()), "{keys}: {names:?}");
        }
    }

    #[test]
    fn any_parameter_of_the_method_is_a_key() {
        let keys = "method = \"della\"\ngroups = \"global\"\nweight = 0.5\ndensity = { max = 0.8 }\nepsilon = {}\n\
                    lambda = { min = 0.5, max = 1.5, sigma = 0.1 }\nrescale = false";
        let space = zoo(keys).unwrap();
        assert_eq!(space.dim(), 3 * 2 + 1);
        let genes = space.genes();
        assert_eq!((genes[0].low, genes[0].high), (0.01, 0.8));
        assert_eq!((genes[1].name.as_str(), genes[1].start), ("ja.epsilon", 0.15));
        assert!((genes[1].sigma - 0.05).abs() < 1e-12);
        assert_eq!((genes[6].name.as_str(), genes[6].start, genes[6].sigma), ("lambda", 1.0, 0.1));
        let recipe = space.to_recipe(&space.start());
        assert_eq!(recipe.parameters.get(Param::Rescale).unwrap().values(), [0.0]);
        // A method with one number per layer and no weights has task arithmetic as its baseline.
        let text = ZOO
            .replace("\"task_arithmetic\"", "\"slerp\"")
            .replace("weight = { min = -0.3, max = 1.8 }", "t = { min = 0, max = 1 }")
            .replace("\"zoo:ja\", \"zoo:math-add\", \"zoo:math-mul\"", "\"zoo:ja\"");
        let config = Config::parse(&text, "x").unwrap();
        assert_eq!(config.space(5).unwrap().dim(), 6);
        assert_eq!(config.global_recipe(&[1.0]).method, Method::TaskArithmetic);
    }

    #[test]
    fn mistakes_in_a_space_are_sentences() {
        let says = |keys: &str| zoo(keys).unwrap_err().to_string();
        assert!(says("density = { min = 0.1, max = 1.0 }").contains("task_arithmetic has no density"));
        assert!(says("lambda = {}").contains("give `min` and `max`"));
        assert!(says("lambda = true").contains("is a number"));
        assert!(says("lambda = \"x\"").contains("a number, true or false, or bounds"));
        let unknown = says("lamda = 0.5");
        assert!(unknown.contains("`lamda`") && unknown.contains("did you mean `lambda`"), "{unknown}");
        assert!(says("lambda = { min = 0.1, mx = 1.0 }").contains("`mx`"));
        assert!(zoo("groups = { bands = 9 }").unwrap_err().to_string().contains("9 numbers over 5 blocks"));
        assert!(says("groups = { filters = [\"mlp\"] }").contains("must be \"*\""));
        assert!(says("method = \"slerp\"").contains("slerp needs t"));
    }
}
