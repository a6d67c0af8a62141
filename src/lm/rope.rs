//! Rotary positions: how fast each pair of features turns.

use serde_json::Value;

use super::LmError;
use crate::checkpoint::ModelConfig;

const KINDS: &str = "default, linear, dynamic, yarn, longrope, llama3";

/// How positions turn a head's features: angular frequencies of the pairs, half of them as many as
/// features turn. Feature d turns with feature d + half (the "rotate half" order of Hugging Face
/// checkpoints); features past the turning ones stay.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    frequencies: Vec<f32>,
    /// Factor on cosines and sines (`YaRN` and `LongRoPE`).
    factor: f32,
}

impl Rope {
    /// Frequencies by `rope_theta` and `rope_scaling`, in the arithmetic of transformers'
    /// `modeling_rope_utils`.
    pub fn new(config: &ModelConfig) -> Result<Self, LmError> {
        let mut rope = Self::plain(config, config.rope_theta)?;
        if let Some(scaling) = &config.rope_scaling {
            let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
            Scaling { config, scaling }.apply(kind.unwrap_or("default"), &mut rope)?;
        }
        Ok(rope)
    }

    /// Of blocks with a window, where they turn otherwise.
    pub fn local(config: &ModelConfig) -> Result<Option<Self>, LmError> {
        config.rope_local_theta.map(|theta| Self::plain(config, theta)).transpose()
    }

    fn plain(config: &ModelConfig, theta: f64) -> Result<Self, LmError> {
        if theta.is_nan() || theta <= 0.0 {
            return Err(LmError::Config(format!("rope_theta is {theta}")));
        }
        let turning = (config.head_dim as f64 * config.partial_rotary_factor) as usize;
        if turning == 0 || turning > config.head_dim || !turning.is_multiple_of(2) {
            return Err(LmError::Config(format!(
                "partial_rotary_factor = {} leaves {turning} of {} features to turn, which must be pairs",
                config.partial_rotary_factor, config.head_dim
            )));
        }
        let dim = turning as f32;
        let frequencies = (0..turning / 2).map(|i| 1.0 / (theta as f32).powf((2 * i) as f32 / dim)).collect();
        Ok(Self { frequencies, factor: 1.0 })
    }

    /// Pairs that turn.
    pub fn half(&self) -> usize {
        self.frequencies.len()
    }

    /// Cosines and sines for positions `0..capacity`, each `[capacity, half]`.
    pub fn tables(&self, capacity: usize) -> (Vec<f32>, Vec<f32>) {
        let angles =
            || (0..capacity).flat_map(|p| self.frequencies.iter().map(move |f| f64::from(p as f32 * f)));
        let table = |turn: fn(f64) -> f64| angles().map(|a| turn(a) as f32 * self.factor).collect();
        (table(f64::cos), table(f64::sin))
    }
}

/// Positions that a model's rotation holds for: `LongRoPE`'s short factors end at
/// `original_max_position_embeddings`. Beyond, its keys would have to turn by other factors than
/// those already cached, and an answer would depend on how long it gets.
pub(crate) fn positions(config: &ModelConfig) -> usize {
    let most = config.max_position_embeddings;
    let Some(scaling) = config.rope_scaling.as_ref().filter(|s| is_long(s)) else { return most };
    let original = original_positions(config, scaling);
    most.min(original.map_or(most, |n| n as usize)).max(1)
}

fn is_long(scaling: &Value) -> bool {
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
    matches!(kind, Some("longrope" | "su"))
}

/// `original_max_position_embeddings`, which Phi-3 keeps beside the scaling.
fn original_positions(config: &ModelConfig, scaling: &Value) -> Option<f64> {
    let key = "original_max_position_embeddings";
    scaling.get(key).or_else(|| config.raw.get(key)).and_then(Value::as_f64).filter(|n| *n >= 1.0)
}

/// A `rope_scaling` and the config around it.
struct Scaling<'a> {
    config: &'a ModelConfig,
    scaling: &'a Value,
}

impl Scaling<'_> {
    fn number(&self, key: &str) -> Result<f64, LmError> {
        self.optional(key)
            .ok_or_else(|| LmError::Config(format!("rope_scaling lacks a positive number {key}")))
    }

    fn optional(&self, key: &str) -> Option<f64> {
        self.scaling.get(key).and_then(Value::as_f64).filter(|x| *x > 0.0)
    }

    fn original(&self) -> Result<f64, LmError> {
        original_positions(self.config, self.scaling)
            .ok_or_else(|| LmError::Config("rope_scaling lacks original_max_position_embeddings".to_owned()))
    }

    fn apply(&self, kind: &str, rope: &mut Rope) -> Result<(), LmError> {
        match kind {
            // The dynamic kind grows its base only beyond max_position_embeddings, where sequences end.
            "default" | "dynamic" => Ok(()),
            "linear" => {
                let factor = self.number("factor")? as f32;
                rope.frequencies.iter_mut().for_each(|f| *f /= factor);
                Ok(())
            }
            "llama3" => self.llama3(rope),
            "yarn" => self.yarn(rope),
            "longrope" | "su" => self.long(rope),
            other => Err(LmError::Unsupported {
                key: "rope_scaling type".to_owned(),
                value: other.to_owned(),
                supported: KINDS,
            }),
        }
    }

    /// Llama 3.1: slow pairs are slowed by `factor`, fast ones kept, with a ramp between.
    fn llama3(&self, rope: &mut Rope) -> Result<(), LmError> {
        let (factor, original) = (self.number("factor")?, self.original()?);
        let (low, high) = (self.number("low_freq_factor")?, self.number("high_freq_factor")?);
        for f in &mut rope.frequencies {
            let wavelength = std::f64::consts::TAU / f64::from(*f);
            let slowed = f64::from(*f) / factor;
            if wavelength > original / low {
                *f = slowed as f32;
            } else if wavelength >= original / high {
                let smooth = (original / wavelength - low) / (high - low);
                *f = ((1.0 - smooth) * slowed + smooth * f64::from(*f)) as f32;
            }
        }
        Ok(())
    }

    /// `YaRN` (Peng et al., arXiv 2309.00071): slowed and kept frequencies blended by how often a pair
    /// turns within the original length, and a factor on cosines and sines.
    fn yarn(&self, rope: &mut Rope) -> Result<(), LmError> {
        let original = self.original()?;
        let factor = match self.optional("factor") {
            Some(factor) => factor,
            None => self.config.max_position_embeddings as f64 / original,
        };
        let scale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
        rope.factor = match (
            self.optional("attention_factor"),
            self.optional("mscale"),
            self.optional("mscale_all_dim"),
        ) {
            (Some(given), ..) => given,
            (None, Some(m), Some(all)) => scale(m) / scale(all),
            _ => scale(1.0),
        } as f32;
        let dim = 2 * rope.half();
        let theta = self.config.rope_theta;
        let pair =
            |turns: f64| dim as f64 * (original / (turns * std::f64::consts::TAU)).ln() / (2.0 * theta.ln());
        let (low, high) = (
            pair(self.optional("beta_fast").unwrap_or(32.0)),
            pair(self.optional("beta_slow").unwrap_or(1.0)),
        );
        let whole = self.scaling.get("truncate").and_then(Value::as_bool).unwrap_or(true);
        let (low, high) = if whole { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min(dim as f64 - 1.0));
        let width = if low >= high { 0.001 } else { high - low };
        for (i, f) in rope.frequencies.iter_mut().enumerate() {
            let slowed = ((i as f64 - low) / width).clamp(0.0, 1.0) as f32;
            *f = *f / factor as f32 * slowed + *f * (1.0 - slowed);
        }
        Ok(())
    }

    /// `LongRoPE` (Ding et al., arXiv 2402.13753), the short factors: see [`positions`].
    fn long(&self, rope: &mut Rope) -> Result<(), LmError> {
        let original = self.original()?;
        let factors = self.scaling.get("short_factor").and_then(Value::as_array);
        let factors: Vec<f64> = factors.into_iter().flatten().filter_map(Value::as_f64).collect();
        if factors.len() != rope.half() || factors.iter().any(|f| f.is_nan() || *f <= 0.0) {
            return Err(LmError::Config(format!(
                "rope_scaling's short_factor must hold {} numbers above 0",
                rope.half()
            )));
        }
        let factor = match self.optional("factor") {
            Some(factor) => factor,
            None => self.config.max_position_embeddings as f64 / original,
        };
        rope.factor = match self.optional("attention_factor") {
            Some(given) => given as f32,
            None if factor <= 1.0 => 1.0,
            None => (1.0 + factor.ln() / original.ln()).sqrt() as f32,
        };
        for (f, by) in rope.frequencies.iter_mut().zip(factors) {
            *f /= by as f32;
        }
        Ok(())
    }
}
