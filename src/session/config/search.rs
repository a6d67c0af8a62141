//! `[search]`: how the space is searched, and where the search begins. The keys come in; an optimiser's name with its
//! options goes out, checked against the table of optimisers. The evolve loop reads it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::baselines::Baselines;
use super::bounds::within;
use super::tasks::Tasks;
use crate::limits;
use crate::search;

/// `[search]`: how the space is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// A name in the table of optimisers ([`search::OPTIMISERS`]).
    #[serde(default = "cma_es")]
    pub algorithm: String,
    /// Candidates per generation; 0 = 4 + ⌊3 ln n⌋.
    #[serde(default)]
    pub population: usize,
    /// First step size, in the genes' units.
    #[serde(default = "sixth")]
    pub sigma: f64,
    /// Where the search begins.
    #[serde(default)]
    pub start: Start,
    /// Unknown keys of the starting recipe are skipped, not refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lenient: bool,
    /// The objectives that `nsga2` balances on the training questions: `fitness`, `acc`, `acc_in_language` (or
    /// `acc_ja`), `in_language` (or `japanese`), or a task's name for its fitness. The best candidate is still the one
    /// with the highest fitness.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<String>,
    /// Parameters of the optimiser that differ from its defaults.
    #[serde(default, skip_serializing_if = "search::Options::is_empty")]
    pub options: search::Options,
}

/// Where a search begins: `grid` (the best global weighting), `uniform`, `session:NAME` (another session's best), a
/// recipe's file, or one number for every gene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Start {
    Number(f64),
    Word(String),
}

/// The figures of a score that can be an objective.
const SCORES: [&str; 6] = ["fitness", "acc", "acc_in_language", "acc_ja", "in_language", "japanese"];

/// Whether the search starts from another session's best or from a recipe's file.
fn is_elsewhere(word: &str) -> bool {
    let file = Path::new(word).extension().and_then(|e| e.to_str());
    word.starts_with("session:") || file.is_some_and(|e| matches!(e, "toml" | "yml" | "yaml"))
}

impl Default for Search {
    fn default() -> Self {
        Self {
            algorithm: cma_es(),
            population: 0,
            sigma: sixth(),
            start: Start::default(),
            lenient: false,
            objectives: Vec::new(),
            options: search::Options::new(),
        }
    }
}

impl Default for Start {
    fn default() -> Self {
        Self::Number(0.5)
    }
}

fn cma_es() -> String {
    "cma-es".into()
}
const fn sixth() -> f64 {
    1.0 / 6.0
}

impl Search {
    /// Checks this table together with the session's tasks and baselines.
    pub(super) fn check(&self, tasks: &Tasks, baselines: &Baselines) -> Result<(), String> {
        within("search.population", self.population, limits::POPULATION)?;
        if !(self.sigma > 0.0 && self.sigma <= limits::SIGMA) {
            let most = limits::SIGMA;
            return Err(format!(
                "`search.sigma` is {:?}: give a number above 0 and at most {most}",
                self.sigma
            ));
        }
        let takes_several = search::optimiser_row(&self.algorithm).is_ok_and(|o| o.many_objectives);
        if !self.objectives.is_empty() && !takes_several {
            let fitting = search::OPTIMISERS.iter().filter(|o| o.many_objectives);
            let fitting: Vec<String> = fitting.map(|o| format!("\"{}\"", o.name)).collect();
            let fitting = fitting.join(" or ");
            return Err(format!(
                "`search.objectives` are for algorithm = {fitting}: take them out, or use it"
            ));
        }
        let several = tasks.0.len() > 1;
        let known = |name: &String| {
            SCORES.contains(&name.as_str()) || several && tasks.0.iter().any(|t| t.name == *name)
        };
        if let Some(unknown) = self.objectives.iter().find(|name| !known(name)) {
            let or_task = if several { ", or a task's name" } else { "" };
            return Err(format!(
                "`search.objectives` names \"{unknown}\": use {}{or_task}",
                SCORES.join(", ")
            ));
        }
        let row = search::optimiser_row(&self.algorithm).map_err(|e| format!("`search.algorithm`: {e}"))?;
        row.options(&self.options).map_err(|e| format!("`search.options`: {e}"))?;
        match &self.start {
            Start::Word(word) if word == "grid" && baselines.grid.is_empty() => {
                Err("`search.start` is \"grid\", but `baselines.grid` is empty: give it weights such as [0.3, 0.6]".into())
            }
            Start::Word(word) if !matches!(word.as_str(), "grid" | "uniform") && !is_elsewhere(word) => {
                Err(format!(
                    "`search.start` is \"{word}\": use \"grid\", \"uniform\", \"session:NAME\", a recipe's \
                     file, or a number"
                ))
            }
            Start::Number(_) | Start::Word(_) => Ok(()),
        }
    }

    /// The other session or the recipe's file that the search starts from, if any.
    #[must_use]
    pub fn starts_elsewhere(&self) -> Option<&str> {
        match &self.start {
            Start::Word(word) if is_elsewhere(word) => Some(word),
            Start::Word(_) | Start::Number(_) => None,
        }
    }
}
