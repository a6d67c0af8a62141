//! The plain data of an evaluation: what is asked ([`EvalSetup`], [`Target`], [`SplitQuestions`]), what is told meanwhile
//! ([`Progress`]), what comes out ([`SetupFacts`], [`StoredQuestion`], [`SplitResult`]). A session's jobs carry them
//! between processes and its journal keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::score::{Answer, Score, TaskScore};
use crate::checkpoint::Fingerprint;
use crate::recipe::Recipe;
use crate::task::Split;

/// Models, the tasks that they answer, and the device. Two jobs with equal setups share what is loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalSetup {
    /// The common ancestor; empty where each target names models of its own.
    pub base: String,
    /// Its fine-tunes, in recipe order.
    pub sources: Vec<String>,
    /// Their questions stand one task behind another under one index for each split: those of the first task come
    /// first, and the index counts on through the next.
    pub tasks: Vec<TaskSpec>,
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    pub device: String,
    /// 0 takes one a core.
    pub threads: usize,
    /// Recipes whose results are models here, each under its own name (`stage:1`). They are merged in memory when a
    /// target names them; one may use those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Recipe>,
    /// Tasks are read as in sessions from before tasks stated the language they ask for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier: bool,
    /// Accepts NaN and infinities, in models and in merges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_non_finite: bool,
    /// Fingerprints that models and tasks must have when they are opened; empty accepts any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<Fingerprint>,
}

impl EvalSetup {
    /// Tasks alone: each target names models of its own.
    #[must_use]
    pub fn of_tasks(tasks: Vec<TaskSpec>, device: &str, threads: usize) -> Self {
        Self {
            base: String::new(),
            sources: Vec::new(),
            tasks,
            device: device.to_owned(),
            threads,
            made: Vec::new(),
            earlier: false,
            allow_non_finite: false,
            prints: Vec::new(),
        }
    }
}

/// A task with what is asked of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// A built-in task's name, or the path of a task file.
    pub task: String,
    /// The fitness expression.
    pub fitness: String,
    /// How much it counts beside the other tasks; the task file's own weight where it is left out.
    pub weight: Option<f64>,
    /// Training questions taken; 0 = all.
    pub train_limit: usize,
    /// Held-out questions taken; 0 = all.
    pub test_limit: usize,
}

impl TaskSpec {
    /// All of a task's questions; an answer counts where it is right and in the task's language.
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

/// What answers: a model as it is, or a merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `zoo:ja`, a folder, `org/name[@revision]`.
    Model(String),
    /// A merge, or a path through the layers of several models.
    Recipe(Box<Recipe>),
}

/// What an evaluation tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More text of a watched question's answer.
    Token { question: usize, text: String },
    /// How far a download has come, or what was done in another way than asked.
    Note(String),
    /// Questions done so far.
    Done { done: u64, of: u64 },
}

/// What a setup's models and tasks are like, known once they are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupFacts {
    /// Decoder blocks.
    pub layers: usize,
    /// Of all tasks together, within their limits.
    pub train_questions: usize,
    /// Held-out questions, counted alike.
    pub test_questions: usize,
    /// The device's name for people.
    pub device: String,
    /// Why it is not the GPU that `auto` looked for, if it is not.
    pub device_note: String,
    /// The type in which the decoder computes.
    pub dtype: String,
    /// What tells languages apart (`lid.176` or the fallback's name).
    pub language_by: String,
    /// The code of the language that each task asks for, [`crate::task::NO_LANGUAGE`] for none.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Fingerprints of everything that was read: the models' files, tasks, questions and examples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<Fingerprint>,
}

/// A question as a journal keeps it, once for all candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredQuestion {
    pub split: Split,
    /// In the list of all tasks' questions of this split.
    pub index: usize,
    /// The question's id in the data.
    pub id: String,
    pub question: String,
    pub gold: String,
}

/// Answers to one split's questions, with their verdicts and scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitResult {
    pub split: Split,
    pub score: Score,
    /// Metrics by name, shares in [0, 1]; empty for several tasks.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Each task's own score, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskScore>,
    pub answers: Vec<Answer>,
    /// For each answer the time from the start of its batch until it was complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<f64>,
    /// The fitness of each answer by itself, in their order; empty for several tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
}

impl SplitResult {
    /// Why candidates cannot be ranked by it, if they cannot: a number in it is not finite.
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
