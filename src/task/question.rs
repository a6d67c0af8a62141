//! One question of a task, and a solved example in the form that a model sees. `data/questions.rs` makes both.

use serde::{Deserialize, Serialize};

use super::template::Variables;
use crate::picture::PictureSource;

/// A question with the answer that counts as right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The value of the data's `id` column, else the row's number from 1.
    pub id: String,
    /// The question as a person sees it.
    pub question: String,
    /// The right answer. In a worked solution it is the text after the last `####`.
    pub gold: String,
    /// All accepted answers; empty if `gold` is the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub golds: Vec<String>,
    /// The choices, if the task has choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Index of the right choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold_choice: Option<usize>,
    /// The facts that an answer must name, in order, each by its spellings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Vec<String>>,
    /// The pictures that the question is about, in the order of the marks `<image>` in its prompt.
    #[serde(skip)]
    pub images: Vec<PictureSource>,
    /// The data's columns, the variables of the task's templates.
    #[serde(skip)]
    pub row: Variables,
    /// The examples that precede the question, by their index in the task.
    #[serde(skip)]
    pub shots: Vec<usize>,
}

/// A solved example: the question and the answer as a model sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub prompt: String,
    pub answer: String,
    /// The pictures that the prompt is about.
    pub images: Vec<PictureSource>,
}

impl Question {
    /// All answers that count as right.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        let one = self.golds.is_empty().then_some(self.gold.as_str());
        one.into_iter().chain(self.golds.iter().map(String::as_str))
    }
}
