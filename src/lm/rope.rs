//! Rotary positions: how fast each pair of features turns.

use serde_json::Value;

use super::LmError;
use crate::checkpoint::ModelConfig;

const KINDS: &str = "default, linear, llama3";

/// Angular frequencies of a head's pairs, `head_dim / 2` of them. Feature d turns with feature
/// d + `head_dim / 2` (the "rotate half" order of Hugging Face checkpoints).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    frequencies: Vec<f32>,
}

impl Rope {
    /// Frequencies by `rope_theta` and `rope_scaling` (or `rope_parameters`, where newer
    /// checkpoints keep both), in the arithmetic of transformers' `modeling_rope_utils`.
    pub fn new(config: &ModelConfig) -> Result<Self, LmError> {
        let parameters = config.raw.get("rope_parameters").filter(|v| v.is_object());
        let scaling = config.rope_scaling.as_ref().filter(|v| v.is_object()).or(parameters);
        let theta = parameters.and_then(|p| p.get("rope_theta")).and_then(Value::as_f64);
        let theta = theta.unwrap_or(config.rope_theta);
        if theta.is_nan() || theta <= 0.0 {
            return Err(LmError::Config(format!("rope_theta is {theta}")));
        }
        let dim = config.head_dim as f32;
        let mut frequencies: Vec<f32> =
            (0..config.head_dim / 2).map(|i| 1.0 / (theta as f32).powf((2 * i) as f32 / dim)).collect();
        if let Some(scaling) = scaling {
            scale(&mut frequencies, scaling)?;
        }
        Ok(Self { frequencies })
    }

    /// Cosines and sines for positions `0..capacity`, each `[capacity, head_dim / 2]`.
    pub fn tables(&self, capacity: usize) -> (Vec<f32>, Vec<f32>) {
        let angles =
            || (0..capacity).flat_map(|p| self.frequencies.iter().map(move |f| f64::from(p as f32 * f)));
        (angles().map(|a| a.cos() as f32).collect(), angles().map(|a| a.sin() as f32).collect())
    }
}

fn scale(frequencies: &mut [f32], scaling: &Value) -> Result<(), LmError> {
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
    let number = |key: &str| {
        scaling
            .get(key)
            .and_then(Value::as_f64)
            .filter(|x| *x > 0.0)
            .ok_or_else(|| LmError::Config(format!("rope_scaling lacks a positive number {key}")))
    };
    match kind.unwrap_or("default") {
        "default" => {}
        "linear" => {
            let factor = number("factor")? as f32;
            for f in frequencies {
                *f /= factor;
            }
        }
        // Llama 3.1: slow pairs are slowed by `factor`, fast ones kept, with a ramp between.
        "llama3" => {
            let (factor, original) = (number("factor")?, number("original_max_position_embeddings")?);
            let (low, high) = (number("low_freq_factor")?, number("high_freq_factor")?);
            for f in frequencies {
                let wavelength = std::f64::consts::TAU / f64::from(*f);
                let slowed = f64::from(*f) / factor;
                if wavelength > original / low {
                    *f = slowed as f32;
                } else if wavelength >= original / high {
                    let smooth = (original / wavelength - low) / (high - low);
                    *f = ((1.0 - smooth) * slowed + smooth * f64::from(*f)) as f32;
                }
            }
        }
        other => {
            return Err(LmError::Unsupported {
                key: "rope_scaling type".to_owned(),
                value: other.to_owned(),
                supported: KINDS,
            });
        }
    }
    Ok(())
}
