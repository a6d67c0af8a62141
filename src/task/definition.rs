//! A [`Task`]: its questions, their prompts, and the rules that judge answers. `load.rs` makes one from a task file,
//! `scoring/judge.rs` judges answers with it.

use std::collections::HashMap;

use regex::Regex;

use crate::picture::PictureSource;

use super::config::{Encode, Extract, Length};
use super::pictures;
use super::question::Example;
use super::scoring::FactWords;
use super::{Decoding, Detector, Kind, Metric, Question, Scorer, Segmenter, Split, TaskError, template};

/// The questions of a task, the parts of their prompts, and the rules that judge answers.
#[derive(Clone, Debug)]
pub struct Task {
    pub name: String,
    /// The task file's version, for reports.
    pub version: Option<String>,
    pub kind: Kind,
    /// Questions for training; empty if only the other split was loaded.
    pub train: Vec<Question>,
    pub test: Vec<Question>,
    /// Maximum number of tokens of an answer.
    pub length: Length,
    /// An answer ends before the first of these strings.
    pub stop: Vec<String>,
    /// How an answer's tokens are chosen.
    pub decoding: Decoding,
    pub scorer: Scorer,
    /// The metrics to report; the first is the task's score.
    pub metrics: Vec<Metric>,
    /// The language that an answer must be in; `None` for any.
    pub language: Option<String>,
    /// Whether the task file gives neither a language nor metrics.
    pub(super) open_language: bool,
    /// The task's weight in a fitness over several tasks.
    pub weight: f64,
    /// Whether prompts are wrapped in the model's chat template.
    pub chat: bool,
    /// Whether questions are about pictures; `<image>` in the template then stands for one.
    pub pictures: bool,
    /// How choices are joined to prompts as tokens.
    pub encode: Encode,
    /// The text before the examples.
    pub description: String,
    /// The template of one question in minijinja; its variables are the row's columns.
    pub template: String,
    /// The text between examples.
    pub separator: String,
    /// The files of the questions and examples, under `train`, `test` and `shots`.
    pub sources: HashMap<&'static str, String>,
    pub(super) examples: Vec<Example>,
    pub(super) extract: Extract,
    pub(super) pattern: Option<Regex>,
    /// The words that name facts, for the scorer `facts`.
    pub(super) facts: FactWords,
    /// Cuts texts into words; set if a metric compares words.
    pub(super) segmenter: Option<&'static Segmenter>,
    pub(super) detector: &'static Detector,
}

impl Task {
    /// The text that a model gets for a question: description, examples, question.
    ///
    /// # Errors
    /// A prompt template that fails on this question.
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

    /// The part of the prompt for this question alone, without description and examples.
    ///
    /// # Errors
    /// The same as for [`Self::prompt`].
    pub fn ask(&self, question: &Question) -> Result<String, TaskError> {
        let mut variables = question.row.clone();
        variables.entry("question").or_insert_with(|| question.question.clone().into());
        variables.entry("id").or_insert_with(|| question.id.clone().into());
        let broken = |why: &str| TaskError::template(&self.name, "prompt", why, &variables);
        if !self.pictures {
            return template::render(&self.template, &variables).map_err(|why| broken(&why));
        }
        pictures::render(&self.template, &variables, question.images.len()).map_err(|problem| match problem {
            pictures::Problem::Template(why) => broken(&why),
            pictures::Problem::Marks(what) => TaskError::marks(&self.name, &question.id, what),
        })
    }

    /// The pictures of a question's prompt, in the order of its marks: those of its examples, then its own.
    pub fn images<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a PictureSource> {
        self.examples(question).flat_map(|example| &example.images).chain(&question.images)
    }

    /// The solved examples that precede a question.
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

    /// The name of the language detector: `lid.176`, or the fallback's name.
    #[must_use]
    pub fn language_by(&self) -> &'static str {
        self.detector.name()
    }

    /// A metric's name in reports. It includes the segmentation if that differs from the one of the published scores.
    #[must_use]
    pub fn label(&self, metric: Metric) -> String {
        match self.segmenter.filter(|_| metric.needs_words()) {
            Some(segmenter) => segmenter.label(metric.name()),
            None => metric.name().to_owned(),
        }
    }
}
