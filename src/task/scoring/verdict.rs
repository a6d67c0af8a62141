//! What was found out about one answer. Journals and documents hold it, so its written form is stable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::task::LanguageProbability;

/// The verdict on one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What the task's scorer found in the text: a number as it is written there, or an extracted part.
    pub number: Option<String>,
    /// Its value, where it is a number.
    pub value: Option<f64>,
    /// It is right, by the task's scorer.
    pub correct: bool,
    /// The same by [`crate::task::Scorer::NumberLenient`], whichever scorer the task has.
    pub lenient_correct: bool,
    /// Code of the likeliest language (`ja`, `en`), or `other` where only letters are counted.
    pub language: String,
    #[serde(flatten)]
    pub p_language: LanguageProbability,
    /// The task's language condition holds: the probability of its language is above one half.
    /// True where the task has none.
    pub in_language: bool,
    /// The parts that not every task has.
    #[serde(flatten)]
    pub detail: Detail,
}

/// The parts of a verdict that not every task has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// The byte range of `number` in the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<(usize, usize)>,
    /// The verdict of [`crate::task::Scorer::Number`], where the task's scorer is [`crate::task::Scorer::NumberLenient`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_correct: Option<bool>,
    /// This answer's values of metrics that are means over answers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// The likeliest choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<usize>,
    /// Sum of each choice's token log-probabilities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_likelihoods: Vec<f64>,
}

impl std::ops::Deref for Verdict {
    type Target = Detail;

    fn deref(&self) -> &Detail {
        &self.detail
    }
}
