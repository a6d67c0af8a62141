//! The session's config: TOML in, a checked [`Config`] out. Every key with its default is
//! listed here and nowhere else; `configs/zoo.toml` shows them in use.

mod edit;
mod racing;
mod said;
mod space;
pub mod stages;
pub mod tasks;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::BadInput;
use crate::limits::{self, shown};
use crate::search;
use said::reading_sentence;
use stages::Stage;
use tasks::Tasks;

pub use edit::{with_absolute_paths, with_lenient, with_overrides};
pub use racing::{Order, Racing};
pub use space::{Knob, Range, SpaceKeys};

/// The default session, as bundled.
pub const ZOO: &str = include_str!("../../../configs/zoo.toml");

/// A session's config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the session, unless the command line gives one.
    #[serde(default = "default_name")]
    pub name: String,
    /// Seed of the search and of the masks.
    #[serde(default = "one")]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    #[serde(default = "auto")]
    pub device: String,
    /// Threads that answer questions; 0 takes one a core.
    #[serde(default)]
    pub threads: usize,
    pub pool: PoolConfig,
    /// What good means.
    pub task: Tasks,
    /// What is searched, how, and for how long; in a session of stages those of the stage at hand.
    #[serde(default)]
    pub space: SpaceKeys,
    #[serde(default)]
    pub baselines: Baselines,
    #[serde(default)]
    pub search: Search,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub racing: Option<Racing>,
    #[serde(default)]
    pub budget: Budget,
    /// Searches one after another, in place of `space`, `search` and `budget`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stage: Vec<Stage>,
    /// Index of the stage at hand.
    #[serde(skip)]
    pub at: usize,
}

/// `[pool]`: the models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// The common ancestor.
    pub base: String,
    /// Its fine-tunes, in recipe order.
    pub sources: Vec<String>,
}

/// `[baselines]`: what is measured before the search, beside the base, the sources and the
/// uniform merge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baselines {
    /// Every combination of these global weights over the sources.
    #[serde(default)]
    pub grid: Vec<f64>,
}

/// `[search]`: how the space is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// A name from the table of optimisers ([`search::OPTIMISERS`]).
    #[serde(default = "cma_es")]
    pub algorithm: String,
    /// Candidates a generation; 0 = 4 + ⌊3 ln n⌋.
    #[serde(default)]
    pub population: usize,
    /// First step size, in the genes' units.
    #[serde(default = "sixth")]
    pub sigma: f64,
    /// Where the search begins.
    #[serde(default)]
    pub start: Start,
    /// Passes over unknown keys of the recipe that it begins from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lenient: bool,
    /// What `nsga2` weighs against each other on the training questions: `fitness`, `acc`,
    /// `acc_in_language` (or `acc_ja`), `in_language` (or `japanese`), or a task's name for its fitness. The
    /// best candidate is still the one with the highest fitness.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<String>,
    /// Parameters of the optimiser that differ from its defaults.
    #[serde(default, skip_serializing_if = "search::Options::is_empty")]
    pub options: search::Options,
}

/// `grid` (the best global weighting), `uniform`, `session:NAME` (another session's best), a
/// recipe's file, or one number for every gene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Start {
    Number(f64),
    Word(String),
}

/// `[budget]`: when the search ends, whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Fitness evaluations of the search and of hand-made recipes; baselines are not counted.
    pub evaluations: u64,
    /// Tokens generated, baselines included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Seconds spent on candidates, baselines included and pauses not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// A fitness on the training questions that is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Generations in a row without a better best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stagnation: Option<u64>,
}

/// Figures of a score that can be an objective.
const SCORES: [&str; 6] = ["fitness", "acc", "acc_in_language", "acc_ja", "in_language", "japanese"];

/// Whether a start is another session's best or a recipe's file.
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

fn default_name() -> String {
    "session".into()
}
fn cma_es() -> String {
    "cma-es".into()
}
fn auto() -> String {
    "auto".into()
}
const fn one() -> u64 {
    1
}
const fn sixth() -> f64 {
    1.0 / 6.0
}

/// A count is at most so much; `key` is written in full.
pub(super) fn within(key: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("`{key}` is {found}: give {most} or less"))
}

impl Config {
    /// Reads and checks a config; `place` names it in messages.
    pub fn parse(text: &str, place: &str) -> anyhow::Result<Self> {
        let mut config: Self =
            toml::from_str(text).map_err(|e| BadInput::error(reading_sentence(text, place, &e)))?;
        let keys: toml::Table = toml::from_str(text).unwrap_or_default();
        let settled = config.settle(|key| keys.contains_key(key));
        settled.map_err(|why| BadInput::error(format!("{place}: {}", shown(&why))))?;
        config.check().map_err(|why| BadInput::error(format!("{place}: {}", shown(&why))))?;
        Ok(config)
    }

    /// Everything that can be wrong without looking at a model or a task.
    fn check(&self) -> Result<(), String> {
        super::home::check_name(&self.name).map_err(|e| format!("`name`: {e}"))?;
        let Self { pool, baselines, task, .. } = self;
        task.check()?;
        within("threads", self.threads, limits::THREADS)?;
        within("stage", self.stage.len(), limits::TASKS)?;
        if let Some(racing) = &self.racing {
            racing.check(task)?;
        }
        if pool.sources.is_empty() {
            return Err("`pool.sources` is empty: name at least one fine-tune of the base".into());
        }
        if pool.sources.len() > limits::MODELS {
            let n = pool.sources.len();
            let most = limits::MODELS;
            return Err(format!("`pool.sources` names {n} models: {most} are the most of one merge"));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(again) = pool.sources.iter().find(|source| !seen.insert(source.as_str())) {
            return Err(format!("`pool.sources` names {again} twice: name each fine-tune once"));
        }
        if let Some(bad) = baselines.grid.iter().find(|w| !w.is_finite()) {
            return Err(format!("`baselines.grid` holds {bad}: give finite weights"));
        }
        let points = baselines.grid.len().checked_pow(pool.sources.len() as u32);
        if points.is_none_or(|n| n > limits::GRID) {
            return Err(format!(
                "`baselines.grid` with {} weights for {} sources makes over {} merges: give fewer weights",
                baselines.grid.len(),
                pool.sources.len(),
                limits::GRID
            ));
        }
        if self.stage.is_empty() { self.check_search() } else { self.check_stages() }
    }

    /// Of it, what a stage may say otherwise.
    pub(super) fn check_search(&self) -> Result<(), String> {
        let Self { space, search, baselines, task, .. } = self;
        within("search.population", search.population, limits::POPULATION)?;
        if !(search.sigma > 0.0 && search.sigma <= limits::SIGMA) {
            let most = limits::SIGMA;
            return Err(format!(
                "`search.sigma` is {:?}: give a number above 0 and at most {most}",
                search.sigma
            ));
        }
        if self.racing.is_some() && !search.objectives.is_empty() {
            return Err("[racing] goes by one fitness: take it out, or `search.objectives`".into());
        }
        if !search.objectives.is_empty() && search.algorithm != "nsga2" {
            return Err("`search.objectives` are for algorithm = \"nsga2\": take them out, or use it".into());
        }
        let known = |name: &String| {
            SCORES.contains(&name.as_str()) || task.0.len() > 1 && task.0.iter().any(|t| t.name == *name)
        };
        if let Some(unknown) = search.objectives.iter().find(|name| !known(name)) {
            let tasks = if task.0.len() > 1 { ", or a task's name" } else { "" };
            return Err(format!("`search.objectives` names \"{unknown}\": use {}{tasks}", SCORES.join(", ")));
        }
        let limits = [("seconds", self.budget.seconds), ("target", self.budget.target)];
        if let Some((key, bad)) = limits.into_iter().find(|(_, limit)| limit.is_some_and(|l| !l.is_finite()))
        {
            return Err(format!("`budget.{key}` is {}: give a finite number", bad.unwrap_or_default()));
        }
        let row = search::optimiser_row(&search.algorithm).map_err(|e| format!("`search.algorithm`: {e}"))?;
        row.options(&search.options).map_err(|e| format!("`search.options`: {e}"))?;
        match &search.start {
            Start::Word(word) if word == "grid" && baselines.grid.is_empty() => {
                Err("`search.start` is \"grid\", but `baselines.grid` is empty: give it weights such as [0.3, 0.6]".into())
            }
            Start::Word(word) if !matches!(word.as_str(), "grid" | "uniform") && !is_elsewhere(word) => {
                Err(format!(
                    "`search.start` is \"{word}\": use \"grid\", \"uniform\", \"session:NAME\", a recipe's \
                     file, or a number"
                ))
            }
            // The space has its own checks of bounds; any number of blocks that it needs serves for them.
            _ => self.any_space(space.least_layers().max(2)).map(|_| ()).map_err(|e| e.to_string()),
        }
    }

    /// Takes from `other` what a command line can say beside a config's file: each where it is asked for.
    pub fn take_overrides(&mut self, other: &Self, seed: bool, budget: bool, lenient: bool) {
        if seed {
            self.seed = other.seed;
        }
        if budget {
            self.budget.evaluations = other.budget.evaluations;
        }
        if lenient {
            self.search.lenient = other.search.lenient;
        }
        for (stage, other) in self.stage.iter_mut().zip(&other.stage) {
            if budget {
                stage.budget.evaluations = other.budget.evaluations;
            }
            if lenient {
                stage.search.lenient = other.search.lenient;
            }
        }
    }

    /// The other session or the recipe that the search starts from, if it does.
    #[must_use]
    pub fn starts_elsewhere(&self) -> Option<&str> {
        match &self.search.start {
            Start::Word(word) if is_elsewhere(word) => Some(word),
            _ => None,
        }
    }

    /// Every combination of the grid's weights, the last source's changing fastest.
    #[must_use]
    pub fn grid(&self) -> Vec<Vec<f64>> {
        let mut points = vec![Vec::new()];
        for _ in &self.pool.sources {
            points = points
                .into_iter()
                .flat_map(|point: Vec<f64>| {
                    self.baselines.grid.iter().map(move |&w| {
                        let mut longer = point.clone();
                        longer.push(w);
                        longer
                    })
                })
                .collect();
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_configs_are_valid() {
        let zoo = Config::parse(ZOO, "configs/zoo.toml").unwrap();
        assert_eq!(zoo.grid().len(), zoo.baselines.grid.len().pow(3));
        let paper = include_str!("../../../configs/evollm-jp.toml");
        let paper = Config::parse(paper, "configs/evollm-jp.toml").unwrap();
        let space = paper.space(32).unwrap();
        assert_eq!(space.dim(), 198);
        assert!(space.start().0.iter().all(|x| (x - 0.5).abs() < 1e-12));
        assert_eq!(paper.budget.evaluations, 1000);
    }

    #[test]
    fn mistakes_name_place_and_remedy() {
        let says = |from: &str, to: &str| {
            let text = ZOO.replace(from, to);
            assert_ne!(text, ZOO, "{from}");
            let error = Config::parse(&text, "x.toml").unwrap_err();
            assert!(error.is::<BadInput>());
            error.to_string()
        };
        let unknown = says("algorithm =", "algoritm =");
        assert!(
            unknown.contains("x.toml, line") && unknown.contains("did you mean `algorithm`"),
            "{unknown}"
        );
        assert!(says("\"cma-es\"", "\"sgd\"").contains("known: cma-es"));
        assert!(
            says("sigma = 0.25", "sigma = 0.25\noptions = { size = 3 }").contains("no parameter \"size\"")
        );
        assert!(says("seed = 1", "seed = -1").contains("line"));
        assert!(says("max = 1.8", "max = -1.0").contains("min"));
        assert!(says("\"zoo:math-add\"", "\"zoo:ja\"").contains("twice"));
        assert!(says("name = \"zoo\"", "name = \"../zoo\"").contains("no session name"));
        assert!(says("start = \"uniform\"", "start = \"unifrom\"").contains("use \"grid\""));
        let nothing =
            ZOO.replace("start = \"uniform\"", "start = \"grid\"").replace("grid = [", "grid = [] #");
        assert!(Config::parse(&nothing, "x.toml").unwrap_err().to_string().contains("baselines.grid"));
    }
}
