//! The plain data of an evaluation: the request ([`EvalSetup`], [`Target`], [`SplitQuestions`]), progress reports
//! ([`Progress`]) and results ([`SetupFacts`], [`StoredQuestion`], [`SplitResult`]). A session's jobs carry these types
//! between processes, and its journal stores them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::score::{Answer, ImageRef, Score, TaskScore};
use crate::checkpoint::Fingerprint;
use crate::lm::Precision;
use crate::progress::{Headway, Observer};
use crate::recipe::{Method, Recipe};
use crate::task::Split;

/// Models, the tasks that they answer, and the device. Jobs with equal setups share the loaded models and tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalSetup {
    /// The common ancestor; empty if each target names its own models.
    pub base: String,
    /// Its fine-tunes, in recipe order.
    pub sources: Vec<String>,
    /// Each split has one index over the questions of all tasks: the first task's questions come first, and the index
    /// continues through the following tasks.
    pub tasks: Vec<TaskSpec>,
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    pub device: String,
    /// What the device computes in; `None` is its own: float32 on the CPU, bfloat16 on a card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Number of threads; 0 = one for each core.
    pub threads: usize,
    /// How a session's candidates are merged: what they take in memory depends on it. `None` is as little as any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Recipes whose results are models here, each under the recipe's name (`stage:1`). They are merged in memory when
    /// a target names them. A recipe may use the recipes before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Recipe>,
    /// Reads tasks as in earlier sessions, when tasks did not yet state the language that they ask for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier: bool,
    /// Accepts NaN and infinities, in models and in merges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_non_finite: bool,
    /// The folder of a session: copies of pictures and their features lie there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<PathBuf>,
    /// Fingerprints that models and tasks must have when they are opened; empty accepts any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<Fingerprint>,
}

impl EvalSetup {
    /// A setup with tasks only: each target names its own models.
    #[must_use]
    pub fn of_tasks(tasks: Vec<TaskSpec>, device: &str, threads: usize) -> Self {
        Self {
            base: String::new(),
            sources: Vec::new(),
            tasks,
            device: device.to_owned(),
            precision: None,
            threads,
            method: None,
            made: Vec::new(),
            earlier: false,
            allow_non_finite: false,
            session: None,
            prints: Vec::new(),
        }
    }
}

/// A task with its fitness, weight and limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// A built-in task's name, or the path of a task file.
    pub task: String,
    /// The fitness expression.
    pub fitness: String,
    /// The task's weight relative to the other tasks; `None` means the weight in the task file.
    pub weight: Option<f64>,
    /// Training questions taken; 0 = all.
    pub train_limit: usize,
    /// Held-out questions taken; 0 = all.
    pub test_limit: usize,
}

impl TaskSpec {
    /// All questions of a task; an answer counts if it is right and in the task's language.
    #[must_use]
    pub fn whole(task: &str) -> Self {
        Self {
            task: task.to_owned(),
            fitness: "both".to_owned(),
            weight: None,
            train_limit: 0,
            test_limit: 0,
        }
    }
}

/// Questions to answer, all of one split, by their index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitQuestions {
    pub split: Split,
    pub questions: Vec<usize>,
}

/// What is evaluated: an unchanged model, or a merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `zoo:ja`, a folder, `org/name[@revision]`.
    Model(String),
    /// A merge, or a path through the layers of several models.
    Recipe(Box<Recipe>),
}

/// What an evaluation reports while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More text of a watched question's answer.
    Token { question: usize, text: String },
    /// Something that was done differently from the request.
    Note(String),
    /// How far the reading, merging or loading of models has come.
    Headway(Headway),
    /// Questions done so far.
    Done { done: u64, of: u64 },
}

/// Who is told of an evaluation's progress, and the flag that ends it.
#[derive(Clone, Copy)]
pub struct Listener<'a> {
    pub tell: &'a (dyn Fn(Progress) + Sync),
    pub cancel: &'a AtomicBool,
}

impl Listener<'_> {
    /// Tells of something that was done differently from the request.
    pub(super) fn note(&self, text: String) {
        (self.tell)(Progress::Note(text));
    }

    /// Runs work that takes long, and passes on how far it has come.
    pub fn observe<T>(&self, run: impl FnOnce(&Observer<'_>) -> T) -> T {
        run(&Observer::new(&|headway| (self.tell)(Progress::Headway(headway)), self.cancel))
    }
}

/// Facts about a setup's models and tasks, known once they are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupFacts {
    /// Number of decoder blocks.
    pub layers: usize,
    /// Number of training questions of all tasks together, within their limits.
    pub train_questions: usize,
    /// Number of held-out questions of all tasks together, within their limits.
    pub test_questions: usize,
    /// The device's readable name.
    pub device: String,
    /// Why `auto` did not pick a GPU, if it did not.
    pub device_note: String,
    /// The type in which the decoder computes.
    pub dtype: String,
    /// The language identification in use (`lid.176` or the fallback's name).
    pub language_by: String,
    /// The code of the language that each task asks for, [`crate::task::NO_LANGUAGE`] for none.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Fingerprints of everything that was read: the models' files, tasks, questions and examples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<Fingerprint>,
}

/// A question as a journal stores it, once for all candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredQuestion {
    pub split: Split,
    /// Index in the list of all tasks' questions of this split.
    pub index: usize,
    /// The question's id in the data.
    pub id: String,
    pub question: String,
    pub gold: String,
    /// Its pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageRef>,
}

/// Answers to one split's questions, with their verdicts and scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitResult {
    pub split: Split,
    pub score: Score,
    /// Metrics by name, shares in [0, 1]; empty for several tasks.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Each task's own score, if there are several tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskScore>,
    pub answers: Vec<Answer>,
    /// For each answer, the time from the start of its batch until the answer was complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<f64>,
    /// The fitness of each single answer, in order; empty for several tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
}

impl SplitResult {
    /// Why candidates cannot be ranked by this result, if they cannot: one of its numbers is not finite.
    #[must_use]
    pub fn unfit(&self) -> Option<String> {
        let of_tasks = || self.tasks.iter().find_map(|t| Some(format!("{}: {}", t.task, t.score.unfit()?)));
        let likely = |a: &Answer| a.detail.log_likelihoods.iter().all(|l| l.is_finite());
        let of_answers = || {
            let odd = self.answers.iter().find(|a| !likely(a))?;
            Some(format!("a likelihood of {} question {} is not finite", self.split.name(), odd.index + 1))
        };
        of_tasks().or_else(|| self.score.unfit()).or_else(of_answers)
    }
}
