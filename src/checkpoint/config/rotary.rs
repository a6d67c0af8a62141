//! Rotary position embeddings of a `config.json`. In: the config's keys. Out: a [`Rotary`] for all blocks, and a second
//! one for blocks with a window if the family has one.
//!
//! transformers 5 stores everything in `rope_parameters`; older files use `rope_theta`, `rope_scaling` and others. If a
//! file has both, the precedence follows `convert_rope_params_to_dict` and `standardize_rope_params` of transformers
//! 5.24.

use serde_json::{Map, Value};

use super::family::Family;
use super::fields::ConfigReader;
use super::windows::{FULL, SLIDING};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::untrusted::printable;

const ORIGINAL: &str = "original_max_position_embeddings";
const PARTIAL: &str = "partial_rotary_factor";

/// The supported types, and the parameters that each requires.
const KINDS: [(&str, &[&str]); 7] = [
    ("default", &[]),
    ("linear", &["factor"]),
    ("dynamic", &["factor"]),
    ("proportional", &[]),
    ("yarn", &["factor"]),
    ("llama3", &["factor", "low_freq_factor", "high_freq_factor"]),
    ("longrope", &["short_factor", "long_factor"]),
];

/// Rotary position embeddings of some blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// `default`, `linear`, `dynamic`, `proportional`, `yarn`, `llama3` or `longrope`.
    pub kind: &'static str,
    /// Rotary base, above 0.
    pub theta: f64,
    /// Share of a head's features that are rotated; 1 if the family rotates all.
    pub partial: f64,
    /// Positions that the model was trained on, if the type depends on them.
    pub original: Option<f64>,
    /// The other parameters of this type, as written in the file.
    pub parameters: Map<String, Value>,
}

impl Rotary {
    /// Plain rotation with one base.
    #[must_use]
    pub fn plain(theta: f64) -> Self {
        Self { kind: "default", theta, partial: 1.0, original: None, parameters: Map::new() }
    }
}

/// A number as Python reads it: true counts as 1.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(|yes| if yes { 1.0 } else { 0.0 }))
}

/// Whether the value is true in Python.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// The model settings that rotary embeddings depend on.
pub(super) struct RotaryContext<'a> {
    pub(super) family: &'a Family,
    pub(super) max_positions: usize,
    pub(super) windowed: &'a [bool],
}

impl ConfigReader<'_> {
    /// The embeddings of all blocks, and of blocks with a window if they differ.
    pub(super) fn rope(
        &self,
        context: &RotaryContext<'_>,
    ) -> Result<(Rotary, Option<Rotary>), CheckpointError> {
        let object = |key: &'static str, value: &Value| match value {
            Value::Object(map) => Ok(map.clone()),
            other => Err(self.unfit(key, other, "an object or null")),
        };
        let parameters = match self.raw.get("rope_parameters").filter(|v| !v.is_null()) {
            Some(value) => Some(object("rope_parameters", value)?),
            None => None,
        };
        let scaling = self.raw.get("rope_scaling");
        if context.family.local_rope {
            let scaling = scaling.filter(|v| !v.is_null());
            let scaling = scaling.map(|value| object("rope_scaling", value)).transpose()?;
            return self.by_kind(context, parameters, scaling);
        }
        // The older key wins if it has a value.
        let (key, map) = match scaling.filter(|v| is_something(v)) {
            Some(value) => ("rope_scaling", object("rope_scaling", value)?),
            None => ("rope_parameters", parameters.unwrap_or_default()),
        };
        if context.family.windows.are_listed() && [FULL, SLIDING].iter().any(|kind| map.contains_key(*kind)) {
            return Err(self.problem(
                key,
                format!(
                    "has one set for each kind of layer; all layers of a {} model turn alike",
                    context.family.model_type
                ),
            ));
        }
        Ok((self.rotary(context, (key, map), ("rope_theta", context.family.rope_theta))?, None))
    }

    /// One set of parameters per kind of layer; the older `rope_scaling` changes the set of full attention.
    fn by_kind(
        &self,
        context: &RotaryContext<'_>,
        parameters: Option<Map<String, Value>>,
        scaling: Option<Map<String, Value>>,
    ) -> Result<(Rotary, Option<Rotary>), CheckpointError> {
        let key = "rope_parameters";
        let found = parameters.is_some();
        let mut sets = parameters.unwrap_or_default();
        let whole = sets.get("truncate").cloned();
        let mut set = |kind: &str| match sets.remove(kind) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(self.unfit(&format!("{key}.{kind}"), &other, "an object or null")),
        };
        let (mut full, local) = (set(FULL)?, set(SLIDING)?);
        if let Some(scaling) = scaling {
            if found && full.is_none() {
                let problem =
                    format!("stands beside {key} without {FULL}, which it would change; leave it out");
                return Err(self.problem("rope_scaling", problem));
            }
            // Without parameters, only `rope_type` changes the type.
            let plain = || Map::from_iter([("rope_type".to_owned(), "default".into())]);
            full.get_or_insert_with(plain).extend(scaling);
        }
        let rotary = |map: Option<Map<String, Value>>, outer: (&str, f64)| {
            let mut map = map.unwrap_or_default();
            map.remove("truncate");
            map.extend(whole.clone().map(|whole| ("truncate".to_owned(), whole)));
            self.rotary(context, (key, map), outer)
        };
        // The set of an unused kind of layer is not read.
        let full = if context.windowed.contains(&false) {
            rotary(full, ("rope_theta", context.family.rope_theta))?
        } else {
            Rotary::plain(context.family.rope_theta)
        };
        let local = if context.windowed.contains(&true) {
            rotary(local, ("rope_local_base_freq", 10_000.0))?
        } else {
            Rotary::plain(10_000.0)
        };
        Ok((full, Some(local)))
    }

    /// One set of parameters, completed by keys next to it.
    fn rotary(
        &self,
        context: &RotaryContext<'_>,
        (place, mut map): (&str, Map<String, Value>),
        (theta_key, default): (&str, f64),
    ) -> Result<Rotary, CheckpointError> {
        let inner = |key: &str| format!("{place}.{key}");
        let positive = |key: &str, value: &Value| match number(value) {
            Some(n) if n.is_finite() && n > 0.0 => Ok(n),
            _ => Err(self.unfit(key, value, "a number above 0")),
        };
        let theta = match (map.get("rope_theta"), self.raw.get(theta_key)) {
            (Some(value), _) => positive(&inner("rope_theta"), value)?,
            (None, Some(value)) => positive(theta_key, value)?,
            (None, None) => default,
        };
        let named = map.get("rope_type").or_else(|| map.get("type"));
        let (kind, needed) = self.kind(context.family, &inner("rope_type"), named)?;
        if let Some(lost) = needed.iter().find(|key| !map.contains_key(**key)) {
            return Err(self.problem(place, format!("of type {kind} lacks {lost}; add it")));
        }
        let original = self.original(context, (place, &map), kind, named)?;
        let partial = match map.get(PARTIAL).or_else(|| self.raw.get(PARTIAL)) {
            None => 1.0,
            // Ignored if all features are rotated plainly.
            Some(_) if kind == "default" && !context.family.partial_rope => 1.0,
            Some(Value::Null) if !map.contains_key(PARTIAL) && !context.family.partial_rope => 1.0,
            Some(value) => positive(PARTIAL, value)?,
        };
        for key in ["rope_theta", "rope_type", "type", PARTIAL, ORIGINAL, FULL, SLIDING] {
            map.remove(key);
        }
        if kind == "default" {
            map.clear();
        }
        Ok(Rotary { kind, theta, partial, original, parameters: map })
    }

    /// The type of a set, and the parameters that the type requires.
    fn kind(
        &self,
        family: &Family,
        key: &str,
        named: Option<&Value>,
    ) -> Result<(&'static str, &'static [&'static str]), CheckpointError> {
        let (plain, long) = (KINDS[0], KINDS[6]);
        let Some(named) = named else { return Ok(plain) };
        let found = KINDS.into_iter().find(|(kind, _)| named.as_str() == Some(*kind));
        let found = match (named.as_str(), found) {
            // Older names of longrope in Phi-3's configs.
            (Some("su" | "yarn"), _) if family.partial_rope => Some(long),
            (_, Some((kind, _))) if family.partial_rope && kind != plain.0 && kind != long.0 => None,
            (_, found) => found,
        };
        found.ok_or_else(|| {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            let known = if family.partial_rope { vec![plain.0, long.0] } else { known };
            let (named, name) = (printable(&named.to_string()), family.model_type);
            self.problem(key, format!("is {named}; a {name} model may have {}", known.join(", ")))
        })
    }

    /// Positions that the model was trained on: given next to the parameters, inside them, or by the model's own key.
    fn original(
        &self,
        context: &RotaryContext<'_>,
        (place, map): (&str, &Map<String, Value>),
        kind: &str,
        named: Option<&Value>,
    ) -> Result<Option<f64>, CheckpointError> {
        if !matches!(kind, "yarn" | "llama3" | "longrope") {
            return Ok(None);
        }
        let read = |key: &str, value: &Value| match number(value) {
            Some(n) if n.is_finite() && n >= 1.0 => Ok(n),
            _ => Err(self.unfit(key, value, "a number of at least 1")),
        };
        let within = map.get(ORIGINAL);
        if within.is_none() && named.and_then(Value::as_str) == Some("su") {
            return Err(self.problem(place, format!("of type su lacks {ORIGINAL}; add it")));
        }
        let beside = self.raw.get(ORIGINAL).filter(|_| !context.family.local_rope);
        let within = match within {
            Some(value) if beside.is_none() || kind != "longrope" => {
                Some(read(&format!("{place}.{ORIGINAL}"), value)?)
            }
            _ => None,
        };
        Ok(Some(match (beside, context.family.original_positions) {
            (Some(value), _) => read(ORIGINAL, value)?,
            (None, Some(default)) => default as f64,
            (None, None) => within.unwrap_or(context.max_positions as f64),
        }))
    }
}
