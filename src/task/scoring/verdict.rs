//! The verdict on one answer. The judge makes it; journals and documents store it, so its written form is stable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::task::LanguageProbability;

/// The verdict on one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The part of the text that the task's scorer found: a number as it is written there, or an extracted part.
    pub number: Option<String>,
    /// The value of `number`, if it is a number.
    pub value: Option<f64>,
    /// The answer is right by the task's scorer.
    pub correct: bool,
    /// The answer is right by [`crate::task::Scorer::NumberLenient`], whatever the task's scorer is.
    pub lenient_correct: bool,
    /// Code of the likeliest language (`ja`, `en`). The detector that only counts letters gives `ja` or `other`.
    pub language: String,
    #[serde(flatten)]
    pub p_language: LanguageProbability,
    /// The answer meets the task's language condition: the probability of the language is above one half. True if the
    /// task has no such condition.
    pub in_language: bool,
    /// The parts that only some tasks have.
    #[serde(flatten)]
    pub detail: Detail,
}

/// The parts of a verdict that only some tasks have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// The byte range of `number` in the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<(usize, usize)>,
    /// The verdict of [`crate::task::Scorer::Number`], if the task's scorer is [`crate::task::Scorer::NumberLenient`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_correct: Option<bool>,
    /// This answer's values, by name, for metrics that are means over answers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// The likeliest choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<usize>,
    /// For each choice the sum of its tokens' log-probabilities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_likelihoods: Vec<f64>,
}

impl std::ops::Deref for Verdict {
    type Target = Detail;

    fn deref(&self) -> &Detail {
        &self.detail
    }
}
