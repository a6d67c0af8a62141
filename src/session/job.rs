//! What the engine and a worker say to each other, one JSON document a line. A job carries all
//! that is needed to do it, so that a fresh worker can take the place of one that died.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evolve::Facts;
use super::journal::StoredQuestion;
use super::protocol::{Answer, Cost, Score, Split, Target, TaskScore};
use crate::checkpoint::FilePrint;
use crate::recipe::Recipe;

/// Models and the task they answer. Two jobs with equal benches share what is loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    pub base: String,
    pub sources: Vec<String>,
    pub task: String,
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    pub device: String,
    /// 0 takes one a core.
    pub threads: usize,
    /// Recipes of models that are merged on the spot, each under its own name (`stage:1`); one may
    /// use those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Recipe>,
    /// Tasks are read as in sessions that did not say which language they ask for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier: bool,
    /// Takes values that are not finite, in models and in what is made of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_non_finite: bool,
    /// What models and tasks must be like when they are opened; empty takes them as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<FilePrint>,
}

impl Bench {
    /// A task alone: each target is of models of its own.
    #[must_use]
    pub fn of_task(task: &str, device: &str, threads: usize) -> Self {
        Self {
            base: String::new(),
            sources: Vec::new(),
            task: task.to_owned(),
            device: device.to_owned(),
            threads,
            made: Vec::new(),
            earlier: false,
            allow_non_finite: false,
            prints: Vec::new(),
        }
    }
}

/// Something for a worker to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Open models and task anew and say what they are like. Limits of 0 mean all questions. A file among
    /// `known` that nobody has touched since need not be read for its print.
    Open {
        id: u64,
        bench: Bench,
        fitness: String,
        train_limit: usize,
        test_limit: usize,
        parts: Vec<Part>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        known: Vec<FilePrint>,
    },
    /// Answer questions and score the answers.
    Run {
        id: u64,
        bench: Bench,
        fitness: String,
        target: Target,
        ask: Vec<Ask>,
        watch: Vec<usize>,
        /// The tasks that the questions are of, where there are several: those of the first come
        /// first, and an index counts on through the next.
        parts: Vec<Part>,
    },
    /// Forget the job with this number if it is still running.
    Cancel { id: u64 },
}

/// One of several tasks in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub task: String,
    /// The fitness expression.
    pub fitness: String,
    /// The task file's own where it is left out.
    pub weight: Option<f64>,
    /// Questions taken of each split; 0 = all.
    pub train_limit: usize,
    pub test_limit: usize,
}

/// Questions of a split, by their index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub split: Split,
    pub questions: Vec<usize>,
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The answer to [`Job::Open`].
    Opened { id: u64, facts: Facts, questions: Vec<StoredQuestion> },
    /// More text of a watched question's answer.
    Token { id: u64, question: usize, text: String },
    /// News while models are fetched.
    Note { id: u64, text: String },
    /// Questions done so far.
    Progress { id: u64, done: u64, of: u64 },
    /// The answer to [`Job::Run`], split by split.
    Done { id: u64, device: String, splits: Vec<Measured>, cost: Cost },
    /// The job could not be done, in one sentence.
    Failed { id: u64, why: String },
    /// It was done, and what came out is no fitness: another worker would find the same.
    Unfit { id: u64, why: String },
    /// Models or task are not what the bench's prints say: whatever is measured now does not go with what was
    /// measured before.
    Changed { id: u64, why: String },
}

/// Answers to one split's questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub split: Split,
    pub score: Score,
    /// The task's metrics by name, shares in [0, 1].
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Each task's part, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskScore>,
    pub answers: Vec<Answer>,
    /// For each answer the time from the start of its batch until it was complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<f64>,
    /// What each answer brings to the fitness, in their order; empty for several tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
}

impl Measured {
    /// Why it is no fitness, if it is none.
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

impl Job {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> u64 {
        match self {
            Self::Open { id, .. } | Self::Run { id, .. } | Self::Cancel { id } => *id,
        }
    }
}

impl Report {
    /// Number of the job that it is about.
    #[must_use]
    pub const fn id(&self) -> u64 {
        match self {
            Self::Opened { id, .. }
            | Self::Token { id, .. }
            | Self::Note { id, .. }
            | Self::Progress { id, .. }
            | Self::Done { id, .. }
            | Self::Failed { id, .. }
            | Self::Unfit { id, .. }
            | Self::Changed { id, .. } => *id,
        }
    }
}
