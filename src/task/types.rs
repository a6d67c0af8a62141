//! The types of a task file's choices: its kind, its scorer, and its splits. The loader, the judge and the commands use
//! them.

use serde::{Deserialize, Serialize};

/// A split of a task's questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The questions that fitness is measured on.
    #[default]
    Train,
    /// The held-out questions: the search never uses them.
    Test,
}

/// What a model does with a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Writes an answer.
    #[default]
    Generate,
    /// Takes the choice whose text is likeliest after the prompt.
    Choice,
    /// Takes the likeliest of several complete sentences.
    Sentence,
}

/// The rule that decides whether a written answer is right. A new scorer is a variant here and an arm in
/// `scoring/judge.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scorer {
    /// The published evaluation's rule: the last match of `\d*\.?\d+`.
    #[default]
    Number,
    /// Reads numbers as a person would: thousands commas, signs, full-width digits, kanji numerals.
    NumberLenient,
    /// lm-evaluation-harness's rule for MGSM: the last match of `(\-?[0-9\.\,]+)`, if it is a whole number.
    Mgsm,
    /// The text, or the part extracted from it, equals one of the accepted answers.
    ExactMatch,
    /// The facts that the answer names are the question's, all of them and no others, in order.
    Facts,
}

impl Scorer {
    /// Whether it reads a number in the answer.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::NumberLenient | Self::Mgsm)
    }
}

impl Split {
    /// Its name in task files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}
