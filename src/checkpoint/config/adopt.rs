//! A config with rotary positions or a window of another model, or given as numbers. In: the config and the other one.
//! Out: the config that says so in its own family's keys, read again; what its family can't say is refused. Merge plans
//! call it for what a recipe says of a merge's config.

use serde_json::{Map, Value, json};

use super::family::Windows;
use crate::checkpoint::{CheckpointError, ModelConfig};

/// Keys that rotary positions depend on.
const ROPE: [&str; 6] = [
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "rope_local_base_freq",
    "partial_rotary_factor",
    "original_max_position_embeddings",
];
/// Keys that windows depend on.
const WINDOW: [&str; 5] =
    ["sliding_window", "use_sliding_window", "max_window_layers", "sliding_window_pattern", "layer_types"];

impl ModelConfig {
    /// This config with the rotary positions of `other`. `reference` names this model in errors, `name` the other one.
    pub fn with_rope_of(&self, reference: &str, name: &str, other: &Self) -> Result<Self, CheckpointError> {
        let made = self.changed(reference, &ROPE, |map| take(map, &ROPE, &other.raw))?;
        if (&made.rope, &made.rope_local) == (&other.rope, &other.rope_local) {
            return Ok(made);
        }
        Err(self.cannot(reference, "rope_parameters", &format!("take the rotary positions of {name}")))
    }

    /// This config with plain rotary positions of base `theta`.
    pub fn with_rope_theta(&self, reference: &str, theta: f64) -> Result<Self, CheckpointError> {
        let made = self.changed(reference, &ROPE[..3], |map| {
            if self.raw.get("rope_parameters").is_some_and(Value::is_object) {
                let plain = json!({"rope_type": "default", "rope_theta": theta});
                map.insert("rope_parameters".to_owned(), plain);
            } else {
                map.insert("rope_theta".to_owned(), theta.into());
            }
        })?;
        if made.rope.kind == "default"
            && made.rope.theta.to_bits() == theta.to_bits()
            && made.rope_local.is_none()
        {
            return Ok(made);
        }
        Err(self.cannot(reference, "rope_theta", &format!("be the one number {theta}")))
    }

    /// This config with the window of `other`, in the same blocks.
    pub fn with_window_of(&self, reference: &str, name: &str, other: &Self) -> Result<Self, CheckpointError> {
        let what = || format!("take the window of {name}");
        let made = if self.family.windows == other.family.windows {
            self.changed(reference, &WINDOW, |map| take(map, &WINDOW, &other.raw))
        } else if other.windowed.iter().all(|windowed| *windowed == other.sliding_window.is_some()) {
            // Families that say it in other ways: every block has the window, or none.
            self.with_window(reference, other.sliding_window)
        } else {
            return Err(self.cannot(reference, "sliding_window", &what()));
        }?;
        if (made.sliding_window, &made.windowed) == (other.sliding_window, &other.windowed) {
            return Ok(made);
        }
        Err(self.cannot(reference, "sliding_window", &what()))
    }

    /// This config with one window for every block, or without one.
    pub fn with_window(&self, reference: &str, window: Option<usize>) -> Result<Self, CheckpointError> {
        let made = self.changed(reference, &WINDOW, |map| {
            map.insert("sliding_window".to_owned(), window.into());
            if self.family.windows == Windows::Upper {
                map.insert("use_sliding_window".to_owned(), window.is_some().into());
                map.insert("max_window_layers".to_owned(), 0.into());
            }
        });
        let what = || window.map_or_else(|| "be left out".to_owned(), |window| format!("be {window}"));
        match made {
            Ok(made)
                if made.sliding_window == window && made.windowed.iter().all(|w| *w == window.is_some()) =>
            {
                Ok(made)
            }
            _ => Err(self.cannot(reference, "sliding_window", &what())),
        }
    }

    /// This config without `keys` and with a change, read again.
    fn changed(
        &self,
        reference: &str,
        keys: &[&str],
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Self, CheckpointError> {
        let mut raw = self.raw.clone();
        if let Value::Object(map) = &mut raw {
            for key in keys {
                map.remove(*key);
            }
            change(map);
        }
        let read = Self::from_json(reference, raw.to_string().as_bytes())?;
        // The LM head was decided from the tensors, and the vision part stands outside of these keys.
        Ok(Self { tie_word_embeddings: self.tie_word_embeddings, vision: self.vision.clone(), ..read })
    }

    fn cannot(&self, reference: &str, key: &str, what: &str) -> CheckpointError {
        CheckpointError::Config {
            file: format!("{reference}/config.json"),
            key: key.to_owned(),
            problem: format!("of a {} model cannot {what}; leave it out of the recipe", self.model_type),
        }
    }
}

fn take(map: &mut Map<String, Value>, keys: &[&str], other: &Value) {
    for key in keys {
        if let Some(value) = other.get(key) {
            map.insert((*key).to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(family: &str, change: &Value) -> ModelConfig {
        let mut config = json!({"model_type": family, "hidden_size": 64, "intermediate_size": 128,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 32});
        config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ModelConfig::from_json("m", config.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn rotary_positions_are_taken_with_their_scaling() {
        let scaled = json!({"rope_type": "linear", "factor": 2.0, "rope_theta": 500_000.0});
        let other = config("llama", &json!({"rope_parameters": scaled}));
        for base in [config("mistral", &json!({})), config("qwen2", &json!({"rope_theta": 7.0}))] {
            let made = base.with_rope_of("m", "other", &other).unwrap();
            assert_eq!((&made.rope, made.model_type.as_str()), (&other.rope, base.model_type.as_str()));
            let plain = made.with_rope_theta("m", 10_000.0).unwrap();
            assert_eq!(plain.rope, super::super::rotary::Rotary::plain(10_000.0));
            let back = plain.with_rope_of("m", "base", &base).unwrap();
            assert_eq!(back.rope, base.rope);
        }
        let odd = config("gemma3_text", &json!({"head_dim": 16}));
        let why = odd.with_rope_theta("g", 10_000.0).unwrap_err().to_string();
        assert!(why.contains("g/config.json") && why.contains("gemma3_text"), "{why}");
    }

    #[test]
    fn a_window_is_taken_where_the_family_has_one() {
        let (mistral, llama) = (config("mistral", &json!({})), config("llama", &json!({})));
        let qwen = config(
            "qwen2",
            &json!({"use_sliding_window": true, "sliding_window": 9, "max_window_layers": 1}),
        );
        assert_eq!(mistral.sliding_window, Some(4096));
        let none = mistral.with_window("m", None).unwrap();
        assert_eq!((none.sliding_window, none.windowed.as_slice()), (None, &[false; 3][..]));
        assert_eq!(none.with_window_of("m", "other", &mistral).unwrap().windowed, [true; 3]);
        assert_eq!(mistral.with_window_of("m", "other", &llama).unwrap().sliding_window, None);
        assert_eq!(qwen.with_window_of("m", "other", &mistral).unwrap().windowed, [true; 3]);
        assert_eq!(qwen.with_window("m", Some(5)).unwrap().sliding_window, Some(5));
        let plain = config("qwen2", &json!({}));
        assert_eq!(plain.with_window_of("m", "other", &qwen).unwrap().windowed, qwen.windowed);
        for refused in [
            llama.with_window("l", Some(5)),
            llama.with_window_of("l", "other", &mistral),
            mistral.with_window_of("l", "other", &qwen),
        ] {
            let why = refused.unwrap_err().to_string();
            assert!(why.contains("l/config.json: sliding_window") && why.contains("recipe"), "{why}");
        }
    }
}
