//! Sliding windows of a `config.json`. In: the config's keys and the family's rule. Out: the window's length, and for
//! each block whether it has a window.

use serde_json::Value;

use super::family::{Family, Windows};
use super::fields::{ConfigReader, Given};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::untrusted::printable;

/// Names of the kinds of layers in `layer_types`.
pub(super) const FULL: &str = "full_attention";
pub(super) const SLIDING: &str = "sliding_attention";
/// Default of `sliding_window` in families that list their layers.
const WINDOW: usize = 4096;

impl ConfigReader<'_> {
    /// The window length, and which blocks have a window.
    pub(super) fn windows(
        &self,
        family: &Family,
        layers: usize,
    ) -> Result<(Option<usize>, Vec<bool>), CheckpointError> {
        let kinds = self.layer_types(layers)?;
        let window = |default: Option<usize>| match self.count("sliding_window")? {
            Given::Value(window) => Ok(Some(window)),
            Given::Absent => Ok(default),
            Given::Null => Ok(None),
        };
        let (window, by_rule): (_, Vec<bool>) = match family.windows {
            Windows::Never => {
                self.whole("sliding_window")?;
                if kinds.is_some_and(|kinds| kinds.contains(&true)) {
                    return Err(self.problem(
                        "layer_types",
                        format!("gives layers a window, which a {} model does not have", family.model_type),
                    ));
                }
                return Ok((None, vec![false; layers]));
            }
            Windows::Every(default) => {
                if family.model_type == "mistral" && self.raw.get("layer_types").is_some() {
                    let problem = "makes a mistral model a ministral one, which is not supported; take it out \
                                   if all layers are alike";
                    return Err(self.problem("layer_types", problem.to_owned()));
                }
                if kinds.is_some_and(|kinds| kinds.contains(&true) && kinds.contains(&false)) {
                    let problem = "names layers of two kinds; those of this family are all alike".to_owned();
                    return Err(self.problem("layer_types", problem));
                }
                let window = window(default)?;
                return Ok((window, vec![window.is_some(); layers]));
            }
            Windows::Upper => {
                let used = self.flag("use_sliding_window", false)?;
                let window = window(Some(WINDOW))?.filter(|_| used);
                let first = match self.whole("max_window_layers")? {
                    Given::Value(first) => first,
                    Given::Absent => 28,
                    Given::Null => {
                        return Err(self.unfit("max_window_layers", &Value::Null, "a whole number"));
                    }
                };
                (window, (0..layers).map(|i| window.is_some() && i as i64 >= first).collect())
            }
            // transformers requires a number here even if no layer has a window.
            Windows::ButSecond | Windows::ButEvery(_) if window(Some(WINDOW))?.is_none() => {
                return Err(self.unfit("sliding_window", &Value::Null, "a whole number of at least 1"));
            }
            Windows::ButSecond => (window(Some(WINDOW))?, (0..layers).map(|i| i % 2 == 0).collect()),
            Windows::ButEvery(default) => {
                let every = if kinds.is_some() { f64::from(default) } else { self.pattern(default)? };
                (window(Some(WINDOW))?, (0..layers).map(|i| (i + 1) as f64 % every != 0.0).collect())
            }
        };
        let windowed = kinds.unwrap_or(by_rule);
        if window.is_none() && windowed.contains(&true) {
            return Err(self.problem(
                "sliding_window",
                "is none, but there are layers with a window (layer_types); say how long it is".to_owned(),
            ));
        }
        Ok((window.filter(|_| windowed.contains(&true)), windowed))
    }

    /// The period of layers without a window.
    fn pattern(&self, default: u32) -> Result<f64, CheckpointError> {
        let key = "sliding_window_pattern";
        match self.raw.get(key) {
            None => Ok(default.into()),
            Some(value) => match value.as_f64() {
                Some(every) if every != 0.0 => Ok(every),
                _ => Err(self.unfit(key, value, "a whole number other than 0")),
            },
        }
    }

    /// Which layers have a window, if the config lists them.
    fn layer_types(&self, layers: usize) -> Result<Option<Vec<bool>>, CheckpointError> {
        let key = "layer_types";
        let list = match self.raw.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(value) => return Err(self.unfit(key, value, "a list with a name for each layer")),
        };
        if list.len() != layers {
            return Err(self.problem(
                key,
                format!("lists {} layers, but num_hidden_layers is {layers}; name each layer", list.len()),
            ));
        }
        let one = |kind: &Value| match kind.as_str() {
            // Older configs use the name `attention`.
            Some(FULL | "attention") => Ok(false),
            Some(SLIDING) => Ok(true),
            _ => Err(self.problem(
                key,
                format!(
                    "names a layer {}; \"{FULL}\" and \"{SLIDING}\" are read",
                    printable(&kind.to_string())
                ),
            )),
        };
        list.iter().map(one).collect::<Result<_, _>>().map(Some)
    }
}
