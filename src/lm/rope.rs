//! Rotary positions: how fast each pair of features turns, by transformers' `modeling_rope_utils`.
//!
//! In: a config's rotary parameters. Out: a [`Rope`] for each kind of layer; backends turn it into tables of cosines
//! and sines. `shape` and the backends' caches call it.

use serde_json::Value;

use super::LmError;
use crate::checkpoint::{ModelConfig, Rotary};

/// How positions rotate a head's features: an angular frequency for each pair. Feature d is paired with
/// feature d + half, where half is the number of pairs (the "rotate half" order of Hugging Face
/// checkpoints). Features beyond the pairs are left alone (partial rotary positions).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    frequencies: Vec<f32>,
    /// Factor on cosines and sines (`YaRN` and `LongRoPE`).
    factor: f32,
}

impl Rope {
    /// The rotation of layers with full attention, then the rotation of layers with a sliding window if it differs.
    ///
    /// # Errors
    /// [`LmError::Config`] if a parameter is missing, is not a number above 0, or leaves no pair.
    pub fn of(config: &ModelConfig) -> Result<Vec<Self>, LmError> {
        std::iter::once(&config.rope)
            .chain(&config.rope_local)
            .map(|rotary| Self::new(config, rotary))
            .collect()
    }

    fn new(config: &ModelConfig, rotary: &Rotary) -> Result<Self, LmError> {
        let head = config.head_dim;
        // An odd number of features is rounded up to whole pairs; their frequencies follow from the odd number.
        let turning = (head as f64 * rotary.partial) as usize;
        let proportional = rotary.kind == "proportional";
        let half = if proportional { head / 2 } else { turning.div_ceil(2) };
        let all = !config.family.partial_rope;
        if half == 0 || 2 * half > head || all && 2 * half != head {
            return Err(LmError::Config(format!(
                "partial_rotary_factor = {} leaves {turning} of {head} features to turn; a {} model turns {}",
                rotary.partial,
                config.model_type,
                if all { "all of them" } else { "at least two, and no more than there are" }
            )));
        }
        let dim = if proportional { head } else { turning } as f32;
        let theta = rotary.theta as f32;
        let frequencies = (0..half).map(|i| 1.0 / theta.powf((2 * i) as f32 / dim)).collect();
        let mut rope = Self { frequencies, factor: 1.0 };
        Scaling { config, rotary, turning }.apply(&mut rope)?;
        Ok(rope)
    }

    /// Number of rotated pairs.
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

/// The longest sequence for which a model's rotation holds: `LongRoPE`'s short factors end at
/// `original_max_position_embeddings`. Beyond it, keys would rotate by other factors than those already
/// cached, and an answer would depend on its length.
pub(crate) fn positions(config: &ModelConfig) -> usize {
    let most = config.max_position_embeddings;
    let long = std::iter::once(&config.rope).chain(&config.rope_local).filter(|r| r.kind == "longrope");
    long.filter_map(|rotary| rotary.original).fold(most, |most, n| most.min(n as usize)).max(1)
}

/// Rotary scaling (`rope_scaling`), and its config.
struct Scaling<'a> {
    config: &'a ModelConfig,
    rotary: &'a Rotary,
    /// Number of rotated features.
    turning: usize,
}

impl Scaling<'_> {
    fn bad(&self, key: &str, must: &str) -> LmError {
        let found = self.rotary.parameters.get(key).map_or("missing".to_owned(), Value::to_string);
        let found: String = found.chars().filter(|c| !c.is_control()).take(60).collect();
        LmError::Config(format!(
            "{key} of its {} rotary positions is {found}; it must be {must}",
            self.rotary.kind
        ))
    }

    /// A number above 0.
    fn number(&self, key: &str) -> Result<f64, LmError> {
        self.optional(key)?.ok_or_else(|| self.bad(key, "a number above 0"))
    }

    /// A number above 0, unless it is absent or null.
    fn optional(&self, key: &str) -> Result<Option<f64>, LmError> {
        match self.rotary.parameters.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(n) if n.is_finite() && n > 0.0 => Ok(Some(n)),
                _ => Err(self.bad(key, "a number above 0")),
            },
        }
    }

    /// A number above 0; 0 counts as absent.
    fn unless_zero(&self, key: &str) -> Result<Option<f64>, LmError> {
        let zero = self.rotary.parameters.get(key).and_then(Value::as_f64) == Some(0.0);
        if zero { Ok(None) } else { self.optional(key) }
    }

    fn original(&self) -> f64 {
        self.rotary.original.unwrap_or(self.config.max_position_embeddings as f64)
    }

    /// The ratio of the longest sequence to the training length.
    fn longer(&self) -> Result<f64, LmError> {
        let ratio = self.config.max_position_embeddings as f64 / self.original();
        Ok(self.optional("factor")?.unwrap_or(ratio))
    }

    fn apply(&self, rope: &mut Rope) -> Result<(), LmError> {
        match self.rotary.kind {
            "linear" => {
                let factor = self.number("factor")? as f32;
                rope.frequencies.iter_mut().for_each(|f| *f /= factor);
                Ok(())
            }
            // Its base grows only beyond max_position_embeddings, and sequences end there.
            "dynamic" => self.number("factor").map(|_| ()),
            "proportional" => {
                let factor = self.optional("factor")?.unwrap_or(1.0) as f32;
                let turning = (self.rotary.partial * self.config.head_dim as f64 / 2.0) as usize;
                for (i, f) in rope.frequencies.iter_mut().enumerate() {
                    *f = if i < turning { *f / factor } else { 0.0 };
                }
                Ok(())
            }
            "llama3" => self.llama3(rope),
            "yarn" => self.yarn(rope),
            "longrope" => self.long(rope),
            _ => Ok(()),
        }
    }

    /// Llama 3.1: slow pairs are slowed by `factor`, fast pairs kept, with a ramp in between.
    fn llama3(&self, rope: &mut Rope) -> Result<(), LmError> {
        let (factor, original) = (self.number("factor")?, self.original());
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
        if !self.turning.is_multiple_of(2) {
            let turning = self.turning;
            return Err(LmError::Config(format!(
                "partial_rotary_factor leaves {turning} features to yarn, which takes pairs"
            )));
        }
        let (original, factor) = (self.original(), self.longer()?);
        let scale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
        let both = (self.unless_zero("mscale")?, self.unless_zero("mscale_all_dim")?);
        rope.factor = match (self.optional("attention_factor")?, both) {
            (Some(given), _) => given,
            (None, (Some(m), Some(all))) => scale(m) / scale(all),
            _ => scale(1.0),
        } as f32;
        let dim = 2 * rope.half();
        let theta = self.rotary.theta;
        let pair =
            |turns: f64| dim as f64 * (original / (turns * std::f64::consts::TAU)).ln() / (2.0 * theta.ln());
        let (low, high) = (
            pair(self.unless_zero("beta_fast")?.unwrap_or(32.0)),
            pair(self.unless_zero("beta_slow")?.unwrap_or(1.0)),
        );
        // Null counts as false, as in Python.
        let whole = self
            .rotary
            .parameters
            .get("truncate")
            .is_none_or(|v| !matches!(v, Value::Null | Value::Bool(false)));
        let (low, high) = if whole { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min(dim as f64 - 1.0));
        let width = if low.to_bits() == high.to_bits() { 0.001 } else { high - low };
        for (i, f) in rope.frequencies.iter_mut().enumerate() {
            let slowed = ((i as f64 - low) / width).clamp(0.0, 1.0) as f32;
            *f = *f / factor as f32 * slowed + *f * (1.0 - slowed);
        }
        Ok(())
    }

    /// `LongRoPE` (Ding et al., arXiv 2402.13753), the short factors: see [`positions`].
    fn long(&self, rope: &mut Rope) -> Result<(), LmError> {
        let (original, factor) = (self.original(), self.longer()?);
        rope.factor = match self.optional("attention_factor")? {
            Some(given) => given as f32,
            None if factor <= 1.0 => 1.0,
            None => (1.0 + factor.ln() / original.ln()).sqrt() as f32,
        };
        // The long factors are not used, but a file with wrong ones is damaged.
        self.factors("long_factor", rope.half())?;
        let factors = self.factors("short_factor", rope.half())?;
        for (f, by) in rope.frequencies.iter_mut().zip(factors) {
            *f /= by as f32;
        }
        Ok(())
    }

    /// A number above 0 for each pair.
    fn factors(&self, key: &str, half: usize) -> Result<Vec<f64>, LmError> {
        let list = self.rotary.parameters.get(key).and_then(Value::as_array);
        let above = |v: &Value| v.as_f64().filter(|n| n.is_finite() && *n > 0.0);
        let found: Option<Vec<f64>> = list.and_then(|list| list.iter().map(above).collect());
        let found = found.filter(|found| found.len() == half);
        found.ok_or_else(|| self.bad(key, &format!("a list of {half} numbers above 0")))
    }
}
