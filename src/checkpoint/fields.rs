//! The fields of a `config.json`, each checked as it is read.

use serde_json::Value;

use super::CheckpointError;
use super::family::{Family, Windows};
use crate::limits::MODEL_SIZE;

/// `{"rope_type": "default", "rope_theta": …}` says nothing beyond theta.
fn is_plain_rope(scaling: &Value) -> bool {
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type"));
    kind.is_none_or(|k| k.as_str() == Some("default"))
}

/// Token ids are a number or a list of numbers.
pub(super) fn token_ids(value: Option<&Value>) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(ids)) => ids.iter().filter_map(one).collect(),
        Some(v) => one(v).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Untrusted text for a message: no control characters, not too long.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// What a config says on rotary positions.
pub(super) struct RopeConfig {
    pub(super) theta: f64,
    pub(super) scaling: Option<Value>,
    pub(super) local_theta: Option<f64>,
    pub(super) partial: f64,
}

pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) raw: &'a Value,
}

impl Reader<'_> {
    pub(super) fn problem(&self, key: &str, problem: String) -> CheckpointError {
        CheckpointError::Config { file: self.file.to_owned(), key: key.to_owned(), problem }
    }

    /// A count of at least 1; absent or null takes the default, or is an error without one.
    pub(super) fn size(&self, key: &str, default: Option<usize>) -> Result<usize, CheckpointError> {
        match (self.raw.get(key), default) {
            (None | Some(Value::Null), Some(default)) => Ok(default),
            (None | Some(Value::Null), None) => {
                Err(self.problem(key, "is missing; a checkpoint without it cannot be read".into()))
            }
            (Some(value), _) => match value.as_u64() {
                Some(n) if (1..=MODEL_SIZE).contains(&n) => Ok(n as usize),
                _ => Err(self.problem(
                    key,
                    format!(
                        "is {}; it must be a whole number from 1 to {MODEL_SIZE}",
                        printable(&value.to_string())
                    ),
                )),
            },
        }
    }

    pub(super) fn positive(&self, key: &str, default: f64) -> Result<f64, CheckpointError> {
        match self.raw.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => match value.as_f64() {
                Some(v) if v.is_finite() && v > 0.0 => Ok(v),
                _ => Err(self.problem(
                    key,
                    format!("is {}; it must be a number above 0", printable(&value.to_string())),
                )),
            },
        }
    }

    /// A number above 0, if there is one.
    pub(super) fn optional(&self, key: &str) -> Result<Option<f64>, CheckpointError> {
        match self.raw.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.positive(key, 1.0).map(Some),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.raw.get(key).and_then(Value::as_bool)
    }

    /// How positions turn. transformers 5 moved `rope_theta`, the scaling and the share that turns
    /// into `rope_parameters`, and there keeps one set for each kind of block if they differ.
    pub(super) fn rope(&self, family: &Family) -> Result<RopeConfig, CheckpointError> {
        let new = self.raw.get("rope_parameters").filter(|v| v.is_object());
        let of = |kind: &str| new.and_then(|r| r.get(kind)).filter(|v| v.is_object());
        let (full, local) = (of("full_attention").or(new), of("sliding_attention"));
        let number = |key: &str, place: Option<&Value>, default: f64| {
            let value = self.raw.get(key).or_else(|| place.and_then(|r| r.get(key)));
            let value = value.and_then(Value::as_f64).unwrap_or(default);
            if value.is_finite() && value > 0.0 {
                Ok(value)
            } else {
                Err(self.problem(key, format!("is {value}; it must be above 0")))
            }
        };
        let scaling = self.raw.get("rope_scaling").filter(|v| v.is_object()).or(full);
        let local_theta = if family.local_rope {
            if let Some(local) = local.filter(|l| !is_plain_rope(l)) {
                let text = printable(&local.to_string());
                return Err(self.problem(
                    "rope_parameters",
                    format!("scales blocks with a window by {text}; only plain ones are read"),
                ));
            }
            let theta = local.and_then(|l| l.get("rope_theta")).and_then(Value::as_f64);
            Some(match theta {
                Some(theta) if theta.is_finite() && theta > 0.0 => theta,
                _ => number("rope_local_base_freq", None, 10_000.0)?,
            })
        } else {
            None
        };
        Ok(RopeConfig {
            theta: number("rope_theta", full, family.rope_theta)?,
            partial: number("partial_rotary_factor", full, 1.0)?,
            scaling: scaling.filter(|s| !is_plain_rope(s)).cloned(),
            local_theta,
        })
    }

    /// The window, and which blocks have it.
    pub(super) fn windows(
        &self,
        family: &Family,
        layers: usize,
    ) -> Result<(Option<usize>, Vec<bool>), CheckpointError> {
        let size = |default: Option<usize>| match (self.raw.get("sliding_window"), default) {
            (None, default) => Ok(default),
            (Some(Value::Null), _) => Ok(None),
            (Some(_), _) => self.size("sliding_window", None).map(Some),
        };
        let window = match family.windows {
            Windows::Every(default) => size(default)?,
            Windows::Upper if self.flag("use_sliding_window") == Some(true) => size(Some(4096))?,
            Windows::Never | Windows::Upper => None,
            Windows::AllBut(_) => size(Some(4096))?,
        };
        if window.is_none() {
            return Ok((None, vec![false; layers]));
        }
        let windowed = match (family.windows, self.raw.get("layer_types").and_then(Value::as_array)) {
            (Windows::Never | Windows::Every(_), _) => vec![true; layers],
            (_, Some(kinds)) => {
                let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
                let known = ["full_attention", "sliding_attention"];
                if kinds.len() != layers || kinds.iter().any(|k| !known.contains(k)) {
                    let problem = format!(
                        "must name each of the {layers} layers \"full_attention\" or \"sliding_attention\""
                    );
                    return Err(self.problem("layer_types", problem));
                }
                kinds.iter().map(|k| *k == "sliding_attention").collect()
            }
            (Windows::Upper, None) => {
                let first = self.raw.get("max_window_layers").and_then(Value::as_u64).unwrap_or(28);
                (0..layers).map(|i| i as u64 >= first).collect()
            }
            (Windows::AllBut(default), None) => {
                let n = self.size("sliding_window_pattern", Some(default))?;
                (0..layers).map(|i| !(i + 1).is_multiple_of(n)).collect()
            }
        };
        Ok((window.filter(|_| windowed.contains(&true)), windowed))
    }
}
