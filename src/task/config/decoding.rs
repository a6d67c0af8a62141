//! How an answer's tokens are chosen: greedy decoding, sampling, or beam search. `[decoding]` of a task file, or flags,
//! come in; a checked [`Decoding`] goes out.

use serde::{Deserialize, Serialize};

use crate::limits::TOP_K;

/// `[decoding]` of a task file. The defaults are plain greedy decoding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decoding {
    /// Penalty for tokens of the prompt and the answer: a logit above zero is divided by it, a logit below zero is
    /// multiplied by it (Keskar et al. 2019, arXiv 1909.05858). 1 has no effect.
    pub repetition_penalty: f32,
    /// Above 0, tokens are drawn from the logits divided by this temperature. 0 takes the likeliest token.
    pub temperature: f32,
    /// Draws from this many of the likeliest tokens; 0 draws from all tokens.
    pub top_k: usize,
    /// Draws from the fewest likeliest tokens whose probabilities sum to at least this (Holtzman et al. 2020, arXiv
    /// 1904.09751).
    pub top_p: f64,
    /// Seed of the draws. Apart from the seed they depend on the prompt alone.
    pub seed: u64,
    /// Above 1, beam search with this many beams.
    pub num_beams: usize,
    /// A beam's score is divided by its length to this power.
    pub length_penalty: f64,
    pub early_stopping: EarlyStopping,
}

/// When beam search ends. The values are transformers' `early_stopping`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TrueFalseOrNever", into = "TrueFalseOrNever")]
pub enum EarlyStopping {
    /// Once no beam of the present length could score better than the worst complete answer.
    #[default]
    No,
    /// Once the number of complete answers equals the number of beams.
    Yes,
    /// Once no beam of any length could score better.
    Never,
}

/// The form in a file or a flag: true, false or "never".
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected true, false or \"never\"")]
enum TrueFalseOrNever {
    Truth(bool),
    Text(String),
}

impl TryFrom<TrueFalseOrNever> for EarlyStopping {
    type Error = String;

    fn try_from(word: TrueFalseOrNever) -> Result<Self, String> {
        match word {
            TrueFalseOrNever::Truth(true) => Ok(Self::Yes),
            TrueFalseOrNever::Truth(false) => Ok(Self::No),
            TrueFalseOrNever::Text(text) => text.parse(),
        }
    }
}

impl From<EarlyStopping> for TrueFalseOrNever {
    fn from(stopping: EarlyStopping) -> Self {
        match stopping {
            EarlyStopping::No => Self::Truth(false),
            EarlyStopping::Yes => Self::Truth(true),
            EarlyStopping::Never => Self::Text("never".to_owned()),
        }
    }
}

impl std::str::FromStr for EarlyStopping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self::Yes),
            "false" => Ok(Self::No),
            "never" => Ok(Self::Never),
            other => Err(format!("{other:?} is none of true, false, \"never\"")),
        }
    }
}

impl Default for Decoding {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            seed: 0,
            num_beams: 1,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::No,
        }
    }
}

/// Maximum number of beams.
const MAX_BEAMS: usize = 64;

impl Decoding {
    /// Keys of the table in a task file.
    pub const KEYS: [&'static str; 8] = [
        "repetition_penalty",
        "temperature",
        "top_k",
        "top_p",
        "seed",
        "num_beams",
        "length_penalty",
        "early_stopping",
    ];

    /// Whether these values mean plain greedy decoding.
    #[must_use]
    #[allow(clippy::float_cmp)] // Exactly one is meant.
    pub fn is_plain(&self) -> bool {
        self.repetition_penalty == 1.0 && self.temperature == 0.0 && self.num_beams == 1
    }

    /// Whether the values can be used together.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |key, why: &str| Err((key, why.to_owned()));
        if !(self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0) {
            return wrong("repetition_penalty", "must be a number above 0: 1 is no penalty");
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return wrong("temperature", "must be 0 (the likeliest token) or above");
        }
        if self.top_k > TOP_K {
            return Err(("top_k", format!("must be {TOP_K} at most")));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong("top_p", "must be above 0 and at most 1");
        }
        if !(1..=MAX_BEAMS).contains(&self.num_beams) {
            return Err(("num_beams", format!("must be from 1 to {MAX_BEAMS}")));
        }
        if !self.length_penalty.is_finite() {
            return wrong("length_penalty", "must be a number");
        }
        if self.num_beams > 1 && self.temperature > 0.0 {
            return wrong("num_beams", "and temperature exclude each other: take one of them out");
        }
        if self.temperature == 0.0 && (self.top_k > 0 || self.top_p < 1.0) {
            return wrong("temperature", "is 0, so that top_k and top_p do nothing: give one above 0");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_as_written() {
        let all: Decoding = toml::from_str("num_beams = 5\nearly_stopping = \"never\"\ntop_k = 0").unwrap();
        assert_eq!((all.num_beams, all.early_stopping), (5, EarlyStopping::Never));
        assert_eq!(toml::from_str::<Decoding>(&toml::to_string(&all).unwrap()).unwrap(), all);
        assert!(toml::from_str::<Decoding>("early_stopping = \"soon\"").is_err());
        assert!(Decoding::default().is_plain() && Decoding::default().check().is_ok());
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, key) in [
            ("repetition_penalty = 0.0", "repetition_penalty"),
            ("temperature = -1.0", "temperature"),
            ("temperature = 1.0\ntop_p = 1.5", "top_p"),
            ("num_beams = 0", "num_beams"),
            ("num_beams = 3\ntemperature = 0.5", "num_beams"),
            ("top_k = 5", "temperature"),
            ("length_penalty = nan", "length_penalty"),
        ] {
            assert_eq!(toml::from_str::<Decoding>(text).unwrap().check().unwrap_err().0, key);
        }
    }
}
