//! The config of a decoder whose layers come from several models. In: the model and layer of origin of each new layer.
//! Out: a config in which per-layer settings (windows, `layer_types`) have moved with their layers. Merges of slices
//! and exported paths call it.

use serde_json::Value;

use super::family::Windows;
use super::windows::{FULL, SLIDING};
use crate::checkpoint::{CheckpointError, ModelConfig};

/// Config keys that hold one value per layer.
const PER_LAYER: [&str; 2] = [LAYER_TYPES, "no_rope_layers"];
const LAYER_TYPES: &str = "layer_types";

/// Keys about quantized weights. The weights read here are always unquantized, whatever leftover keys in a config say.
const PACKING: [&str; 2] = ["quantization_config", "compression_config"];

/// The model and layer that a new layer comes from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The model's name in errors.
    pub name: &'a str,
    pub config: &'a ModelConfig,
    /// Index from 0; the model has this layer.
    pub layer: usize,
}

impl ModelConfig {
    /// This config for a decoder made of these layers. In families whose windows differ by layer, windows move with the
    /// layers, and are written out if the new places would imply other windows. All other settings are this config's.
    pub fn of_layers(&self, layers: &[Origin<'_>]) -> Result<Self, CheckpointError> {
        let mut config = self.clone();
        config.num_hidden_layers = layers.len();
        let Value::Object(map) = &mut config.raw else { return Ok(config) };
        map.insert("num_hidden_layers".to_owned(), layers.len().into());
        for key in PER_LAYER {
            if map.get(key).is_some_and(Value::is_array) {
                let list = layers.iter().map(|origin| origin.listed(key)).collect::<Result<Vec<_>, _>>()?;
                map.insert(key.to_owned(), list.into());
            }
        }
        if !self.family.windows.are_listed() {
            config.windowed = vec![self.sliding_window.is_some(); layers.len()];
            return Ok(config);
        }
        config.windowed = layers.iter().map(Origin::is_windowed).collect();
        config.sliding_window = one_window(layers)?;
        if let Some(window) = config.sliding_window {
            map.insert("sliding_window".to_owned(), window.into());
            if self.family.windows == Windows::Upper {
                map.insert("use_sliding_window".to_owned(), true.into());
            }
        }
        let listed = map.get(LAYER_TYPES).is_some_and(Value::is_array);
        let in_place = layers.iter().enumerate().all(|(place, origin)| place == origin.layer);
        let as_read = Self::from_json("", config.raw.to_string().as_bytes());
        let as_said = as_read.is_ok_and(|read| read.windowed == config.windowed);
        if listed || !as_said || !in_place && config.sliding_window.is_some() {
            let kinds: Vec<&str> = config.windowed.iter().map(|windowed| kind(*windowed)).collect();
            config.raw[LAYER_TYPES] = kinds.into();
        }
        Ok(config)
    }
}

impl ModelConfig {
    /// The keys about quantized weights that are set in this config.
    pub fn packing(&self) -> impl Iterator<Item = &'static str> {
        PACKING.into_iter().filter(|key| self.raw.get(key).is_some_and(|value| !value.is_null()))
    }

    /// Removes the keys about quantized weights from a config.
    pub fn unpack(config: &mut serde_json::Map<String, Value>) {
        for key in PACKING {
            config.remove(key);
        }
    }
}

impl Origin<'_> {
    fn is_windowed(&self) -> bool {
        self.config.windowed.get(self.layer).copied().unwrap_or_default()
    }

    /// The value that the layer's original config lists for it.
    fn listed(&self, key: &str) -> Result<Value, CheckpointError> {
        match self.config.raw.get(key).and_then(|list| list.get(self.layer)) {
            Some(value) => Ok(value.clone()),
            None if key == LAYER_TYPES => Ok(kind(self.is_windowed()).into()),
            None => Err(self.bad(
                key,
                "is not listed for each layer, as it is where the config comes from; list it".into(),
            )),
        }
    }

    fn bad(&self, key: &str, problem: String) -> CheckpointError {
        CheckpointError::Config { file: format!("{}/config.json", self.name), key: key.to_owned(), problem }
    }
}

/// The `layer_types` name of a layer with or without a window.
fn kind(windowed: bool) -> &'static str {
    if windowed { SLIDING } else { FULL }
}

/// The common window length of the layers that have a window.
fn one_window(layers: &[Origin<'_>]) -> Result<Option<usize>, CheckpointError> {
    let mut windows = layers.iter().filter(|l| l.is_windowed());
    let Some(first) = windows.next() else { return Ok(None) };
    match windows.find(|l| l.config.sliding_window != first.config.sliding_window) {
        None => Ok(first.config.sliding_window),
        Some(odd) => {
            let [one, other] = [odd, first].map(|l| l.config.sliding_window.unwrap_or_default());
            Err(odd.bad(
                "sliding_window",
                format!(
                    "is {one} in layer {}, and {other} in layer {} of {}; one config cannot say both: take \
                     layers with one window",
                    odd.layer, first.layer, first.name
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(change: &Value) -> ModelConfig {
        let mut config = json!({
            "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 32, "sliding_window": 5,
            "use_sliding_window": true, "max_window_layers": 2,
        });
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        ModelConfig::from_json("m", config.to_string().as_bytes()).unwrap()
    }

    fn moved(of: &ModelConfig, layers: &[(&ModelConfig, usize)]) -> Result<ModelConfig, CheckpointError> {
        let origins: Vec<Origin<'_>> =
            layers.iter().map(|&(config, layer)| Origin { name: "other", config, layer }).collect();
        of.of_layers(&origins)
    }

    #[test]
    fn windows_go_with_their_layers() {
        let base = config(&json!({}));
        let made = moved(&base, &[0, 1, 2, 1, 2, 3].map(|layer| (&base, layer))).unwrap();
        assert_eq!(made.windowed, [false, false, true, false, true, true]);
        let read = ModelConfig::from_json("m", made.raw.to_string().as_bytes()).unwrap();
        assert_eq!(read, made);
        // At these places the defaults already apply, so nothing is written.
        let same = moved(&base, &[0, 1, 2, 3].map(|layer| (&base, layer))).unwrap();
        assert_eq!(same, base);
    }

    #[test]
    fn a_window_of_another_model_comes_with_it() {
        let plain = config(&json!({"use_sliding_window": false}));
        let base = config(&json!({}));
        let made = moved(&plain, &[(&plain, 3), (&base, 3), (&base, 0)]).unwrap();
        assert_eq!((made.windowed.as_slice(), made.sliding_window), (&[false, true, false][..], Some(5)));
        let read = ModelConfig::from_json("m", made.raw.to_string().as_bytes()).unwrap();
        assert_eq!(read, made);
        let other = config(&json!({"sliding_window": 7}));
        let why = moved(&base, &[(&base, 3), (&other, 2)]).unwrap_err().to_string();
        assert!(why.contains("sliding_window is 7 in layer 2") && why.contains("5 in layer 3"), "{why}");
        // None of the layers has a window, so its length does not matter.
        assert_eq!(moved(&base, &[(&base, 0), (&other, 1)]).unwrap().sliding_window, None);
    }

    #[test]
    fn a_list_that_nobody_reads_keeps_its_length() {
        let kinds = json!(["full_attention", "full_attention", "full_attention", "full_attention"]);
        let llama = config(&json!({"model_type": "llama", "layer_types": kinds}));
        let made = moved(&llama, &[0, 1, 1, 2, 3].map(|layer| (&llama, layer))).unwrap();
        assert_eq!(made.raw["layer_types"].as_array().unwrap().len(), 5);
    }
}
