//! `[task]`, or several `[[task]]`: what candidates are scored on. Each task has a weight and optionally a bar: the
//! least fitness that a candidate must reach on it. The keys come in, checked tasks and shortfalls go out; the config
//! holds the tasks and the evolve loop applies the bars.
//!
//! A candidate's fitness is the weighted mean of its tasks' fitness. A candidate below a bar gets minus the sum of its
//! shortfalls instead. So it ranks behind all candidates that reach the bars, and the nearest one leads among those
//! below them (the feasibility rule of Deb 2000). Bars apply to the training questions only.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounds::within;
use crate::evaluate::{FITNESS_MAX, TaskScore, TaskSpec};
use crate::limits;
use crate::task::Fitness;

/// One `[task]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskConfig {
    /// A built-in task's name, or the path of a task file.
    #[serde(rename = "use")]
    pub name: String,
    /// A candidate's fitness, as an expression over the shares of right answers and the task's metrics.
    #[serde(default = "default_fitness")]
    pub fitness: String,
    /// Training questions that a candidate answers; 0 = all.
    #[serde(default)]
    pub train_limit: usize,
    /// Held-out questions; 0 = all.
    #[serde(default)]
    pub test_limit: usize,
    /// The training questions of the first task whose answers are streamed. The default is the first three.
    #[serde(default)]
    pub watch: Vec<usize>,
    /// The weight of this task among the others; the task file's own weight if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Allows held-out questions that are also training questions; the report says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overlap: bool,
    /// The least fitness on this task's training questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bar>,
}

/// The number of watched training questions if a config names none.
pub const UNNAMED_WATCH: std::ops::Range<usize> = 0..3;

impl TaskConfig {
    /// The indices of the training questions whose answers are streamed, if there are `questions` of them: those that
    /// `watch` names, else the first ones.
    #[must_use]
    pub fn watched(&self, questions: usize) -> Vec<usize> {
        if self.watch.is_empty() {
            return UNNAMED_WATCH.filter(|q| *q < questions).collect();
        }
        self.watch.clone()
    }
}

/// The least fitness on a task: a number, or `"base"` for the fitness of the base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bar {
    Number(f64),
    Word(String),
}

/// A session's tasks. A checked config has at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Tasks(pub Vec<TaskConfig>);

fn default_fitness() -> String {
    "acc_ja".into()
}
impl Tasks {
    /// The first task: the one that is shown if there is room for one only.
    #[must_use]
    pub fn first(&self) -> &TaskConfig {
        &self.0[0]
    }

    /// The tasks in the form that an evaluation takes.
    #[must_use]
    pub fn specs(&self) -> Vec<TaskSpec> {
        let spec = |task: &TaskConfig| TaskSpec {
            task: task.name.clone(),
            fitness: task.fitness.clone(),
            weight: task.weight,
            train_limit: task.train_limit,
            test_limit: task.test_limit,
        };
        self.0.iter().map(spec).collect()
    }

    /// Checks everything that does not depend on a task's files.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.0.is_empty() {
            return Err("`task` is empty: name at least one task".into());
        }
        within("task", self.0.len(), limits::TASKS)?;
        for (i, task) in self.0.iter().enumerate() {
            let name = &task.name;
            within("task.train_limit", task.train_limit, limits::QUESTIONS)?;
            within("task.test_limit", task.test_limit, limits::QUESTIONS)?;
            if task.watch.len() > limits::WATCHED {
                let most = limits::WATCHED;
                return Err(format!(
                    "`task.watch` names {} questions: name {most} or less",
                    task.watch.len()
                ));
            }
            task.watch.iter().try_for_each(|at| within("task.watch", *at, limits::QUESTIONS))?;
            if name.is_empty() {
                return Err("`task.use` is empty: name a task".into());
            }
            if self.0[..i].iter().any(|t| t.name == *name) {
                return Err(format!("two [[task]] use {name}: give it a larger weight instead"));
            }
            if i > 0 && !task.watch.is_empty() {
                return Err(format!("`task.watch` of {name}: only the first [[task]] can be watched"));
            }
            if let Some(weight) = task.weight.filter(|w| !(0.0..=FITNESS_MAX).contains(w)) {
                let most =
                    if weight > FITNESS_MAX { format!(" to {FITNESS_MAX:e}") } else { " up".to_owned() };
                return Err(format!("`task.weight` of {name} is {weight}: give a number from 0{most}"));
            }
            let fitness = Fitness::parse(&task.fitness).map_err(|e| format!("`task.fitness`: {e}"))?;
            let (least, most) = fitness.bounds();
            // A fitness that divides by a share has no bounds. A candidate whose fitness is not finite fails by itself.
            if fitness.is_weighted_sum() && !(least >= -FITNESS_MAX && most <= FITNESS_MAX) {
                return Err(format!(
                    "`task.fitness` of {name} runs from {least:e} to {most:e}: candidates are ranked by numbers \
                     within ±{FITNESS_MAX:e}, give smaller factors"
                ));
            }
            match &task.at_least {
                Some(Bar::Word(word)) if word != "base" => {
                    return Err(format!("`task.at_least` of {name} is \"{word}\": use \"base\" or a number"));
                }
                Some(Bar::Number(bar)) if bar.is_nan() || bar.abs() > FITNESS_MAX => {
                    return Err(format!(
                        "`task.at_least` of {name} is {bar:e}: give a number within ±{FITNESS_MAX:e}"
                    ));
                }
                _ => {}
            }
        }
        if self.0.iter().all(|t| t.weight == Some(0.0)) {
            return Err("every `task.weight` is 0: give one task a weight".into());
        }
        Ok(())
    }

    /// The sum of a candidate's shortfalls below its tasks' bars on the training questions; 0 if it reaches them all.
    /// `base` has the base's score of each task. If the base could not be measured, bars at `"base"` count as reached.
    #[must_use]
    pub fn shortfall(&self, found: &[TaskScore], base: &[TaskScore]) -> f64 {
        let fitness = |scores: &[TaskScore], i: usize| scores.get(i).map(|s| s.score.fitness);
        let lacks = |(i, task): (usize, &TaskConfig)| {
            let bar = match task.at_least.as_ref()? {
                Bar::Number(bar) => *bar,
                Bar::Word(_) => fitness(base, i)?,
            };
            Some((bar - fitness(found, i)?).max(0.0))
        };
        self.0.iter().enumerate().filter_map(lacks).sum()
    }

    /// Whether any task has a bar.
    #[must_use]
    pub fn has_bars(&self) -> bool {
        self.0.iter().any(|t| t.at_least.is_some())
    }
}

impl Serialize for Tasks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [task] => task.serialize(serializer),
            tasks => tasks.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Tasks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Tasks;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table [task], or several as [[task]]")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tasks, A::Error> {
                TaskConfig::deserialize(MapAccessDeserializer::new(map)).map(|task| Tasks(vec![task]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Tasks, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Tasks)
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}
