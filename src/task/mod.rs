//! What good means: a [`Task`] is questions, a prompt template and a scorer. A task file or the
//! name of a built-in task comes in; prompts, stop strings and verdicts on answers go out, and a
//! [`Fitness`] turns the verdicts' means into the one number that the search climbs. No models here.

mod bootstrap;
mod builtin;
mod data;
mod decoding;
mod emoji;
mod error;
mod file;
mod fitness;
pub(crate) mod jinja;
mod judge;
mod language;
mod lattice;
mod lenient;
mod lid;
mod load;
mod mecab;
mod metric;
mod neologdn;
mod number;
mod parquet;
mod place;
mod prints;
mod python_random;
mod rouge;
mod segment;
mod shots;
mod significance;
mod squad;
mod suite;
mod table;
mod template;

use std::collections::HashMap;

use regex::Regex;
use serde::{Deserialize, Serialize};

pub use bootstrap::bootstrap_medians;
pub use builtin::{BUILTIN, SUITES};
pub use decoding::{Decoding, EarlyStopping};
pub use error::TaskError;
pub use file::{Encode, Length, LengthRule};
pub use fitness::{Fitness, Means};
pub use judge::{Detail, Verdict};
pub use language::{Detector, Language};
pub use lid::Lid;
pub use metric::Metric;
pub use place::Places;
pub use prints::printed_questions;
pub use rouge::{Rouge, rouge};
pub use segment::Segmenter;
pub use shots::Example;
pub use significance::{McNemar, Test, mcnemar};
pub use squad::{Squad, squad};
pub use suite::Suite;

use template::Variables;

/// A question with the answer that counts as right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// From the data's `id` column, else the row's number from 1.
    pub id: String,
    /// What a person is shown.
    pub question: String,
    /// The right answer as the data gives it; of a worked solution what follows the last `####`.
    pub gold: String,
    /// All accepted answers; `gold` alone where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub golds: Vec<String>,
    /// Of a task of choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The right one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold_choice: Option<usize>,
    /// The data's columns, the variables of the task's templates.
    #[serde(skip)]
    pub row: Variables,
    /// Examples before it, by their index.
    #[serde(skip)]
    pub shots: Vec<usize>,
}

/// Which questions of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The questions that fitness is measured on.
    #[default]
    Train,
    /// Held out: never used by the search.
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
    /// Takes the likeliest of some whole sentences.
    Sentence,
}

/// What makes a written answer right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scorer {
    /// The published evaluation's rule: the last match of `\d*\.?\d+`, whatever it may be.
    #[default]
    Number,
    /// Reads numbers as a person would: thousands commas, signs, full-width digits, kanji numerals.
    NumberLenient,
    /// lm-evaluation-harness's rule for MGSM: the last match of `(\-?[0-9\.\,]+)`, if whole.
    Mgsm,
    /// The text, or what is extracted from it, is one of the accepted answers.
    ExactMatch,
}

/// Questions, how they are put to a model, and how its answers are judged.
#[derive(Clone, Debug)]
pub struct Task {
    pub name: String,
    /// As the task file gives it, for reports.
    pub version: Option<String>,
    pub kind: Kind,
    /// Empty where only the other split was loaded.
    pub train: Vec<Question>,
    pub test: Vec<Question>,
    /// An answer ends after so many tokens at the latest.
    pub length: Length,
    /// An answer ends before the first of these strings.
    pub stop: Vec<String>,
    /// How an answer's tokens are chosen.
    pub decoding: Decoding,
    pub scorer: Scorer,
    /// What it reports; the first is its score.
    pub metrics: Vec<Metric>,
    /// Language that an answer must be written in; none where any will do.
    pub language: Option<String>,
    /// Its file says nothing of a language, nor of metrics.
    open_language: bool,
    /// Its share in a fitness of several tasks.
    pub weight: f64,
    /// The prompt goes through the model's chat template.
    pub chat: bool,
    /// How choices are joined to prompts as tokens.
    pub encode: Encode,
    /// Stands once before the examples.
    pub description: String,
    /// One question's template, in minijinja, with the row's columns as variables.
    pub template: String,
    /// Between examples.
    pub separator: String,
    /// Files that the questions and examples came from: `train`, `test`, `shots`.
    pub sources: HashMap<&'static str, String>,
    examples: Vec<Example>,
    extract: file::Extract,
    pattern: Option<Regex>,
    /// Words of texts, where a metric compares words.
    segmenter: Option<&'static Segmenter>,
    detector: &'static Detector,
}

impl Question {
    /// All answers that count as right.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        let one = self.golds.is_empty().then_some(self.gold.as_str());
        one.into_iter().chain(self.golds.iter().map(String::as_str))
    }
}

impl Task {
    /// The text that a model is given for a question: description, examples, question.
    pub fn prompt(&self, question: &Question) -> Result<String, TaskError> {
        let mut out = self.description.clone();
        for example in self.examples(question) {
            out.push_str(&example.prompt);
            out.push_str(&example.answer);
            out.push_str(&self.separator);
        }
        out.push_str(&self.ask(question)?);
        Ok(out)
    }

    /// The question's own part of the prompt.
    pub fn ask(&self, question: &Question) -> Result<String, TaskError> {
        let mut variables = question.row.clone();
        variables.entry("question").or_insert_with(|| question.question.clone().into());
        variables.entry("id").or_insert_with(|| question.id.clone().into());
        template::render(&self.template, &variables)
            .map_err(|e| TaskError::template(&self.name, "prompt", &e, &variables))
    }

    /// The solved examples before a question.
    pub fn examples<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a Example> {
        question.shots.iter().filter_map(|i| self.examples.get(*i))
    }

    /// The questions of a split.
    #[must_use]
    pub fn questions(&self, split: Split) -> &[Question] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// How language is judged: `lid.176`, or the fallback's name.
    #[must_use]
    pub fn language_by(&self) -> &'static str {
        self.detector.name()
    }

    /// A metric's name in reports, which says so where words were not cut as the published scores
    /// have it.
    #[must_use]
    pub fn label(&self, metric: Metric) -> String {
        match self.segmenter.filter(|_| metric.needs_words()) {
            Some(segmenter) => segmenter.label(metric.name()),
            None => metric.name().to_owned(),
        }
    }

    /// Means over the verdicts on some answers.
    #[must_use]
    pub fn means(&self, judged: &[(&Question, &Verdict)]) -> Means {
        let verdicts: Vec<_> = judged.iter().map(|(q, v)| (*v, q.gold_choice)).collect();
        metric::means(&self.metrics, &verdicts)
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

/// The known name nearest to a mistyped one.
fn nearest<'a>(name: &str, known: &[&'a str]) -> &'a str {
    known.iter().min_by_key(|k| strsim::damerau_levenshtein(name, k)).copied().unwrap_or("")
}
