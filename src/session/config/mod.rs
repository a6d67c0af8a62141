//! A session's config. TOML text comes in; a checked [`Config`] goes out, or a sentence with file, line and key. The
//! engine, both faces and the journal's readers call it.
//!
//! Every key and its default is defined here and nowhere else, with one file for each table of the config.
//! `configs/zoo.toml` shows the keys in use. [`with_overrides`] and its neighbours change a config's text and keep its
//! comments.

mod baselines;
mod bounds;
mod budget;
mod edit;
mod path_space;
mod pool;
mod racing;
mod search;
mod space;
mod stages;
mod tasks;

use serde::{Deserialize, Serialize};

use super::home;
use crate::error::BadInput;
use crate::evaluate::{EvalSetup, Precision};
use crate::limits::{self, shown};
use crate::search::AnySpace;
use crate::toml_text;
use bounds::within;

pub use baselines::Baselines;
pub use budget::{Budget, budget_in};
pub use edit::{with_absolute_paths, with_lenient, with_overrides, with_precision};
pub use path_space::{PathKeys, ScaleRange};
pub use pool::PoolConfig;
pub use racing::{Order, Racing};
pub use search::{Search, Start};
pub use space::{Knob, Range, SpaceKeys};
pub use stages::{Stage, stage_names, winner_name};
pub use tasks::{Bar, TaskConfig, Tasks, UNNAMED_WATCH};

/// The bundled default session.
pub const ZOO: &str = include_str!("../../../configs/zoo.toml");

/// A session's config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The session's name, unless the command line gives one.
    #[serde(default = "default_name")]
    pub name: String,
    /// Seed of the search and of the masks.
    #[serde(default = "one")]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    #[serde(default = "auto")]
    pub device: String,
    /// `f32` or `bf16`; without it, what the device computes in by itself: f32 on the CPU, bf16 on a card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Threads that answer questions; 0 uses one thread per core.
    #[serde(default)]
    pub threads: usize,
    /// The models.
    pub pool: PoolConfig,
    /// The tasks that candidates are scored on: one `[task]`, or several `[[task]]`.
    pub task: Tasks,
    /// What is searched. In a session of stages this is the current stage's space; `search` and `budget` are the
    /// current stage's too.
    #[serde(default)]
    pub space: SpaceKeys,
    /// What is measured before the search.
    #[serde(default)]
    pub baselines: Baselines,
    /// How the space is searched.
    #[serde(default)]
    pub search: Search,
    /// Whether candidates race, so that those that cannot win stop early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub racing: Option<Racing>,
    /// When the search ends.
    #[serde(default)]
    pub budget: Budget,
    /// Searches that run one after another, in place of `space`, `search` and `budget`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stage: Vec<Stage>,
    /// Index of the current stage.
    #[serde(skip)]
    pub at: usize,
}

fn default_name() -> String {
    "session".into()
}
fn auto() -> String {
    "auto".into()
}
const fn one() -> u64 {
    1
}
impl Config {
    /// Reads and checks a config; `place` names its source in messages.
    ///
    /// # Errors
    /// A sentence with `place`, line, key and what to write instead.
    pub fn parse(text: &str, place: &str) -> anyhow::Result<Self> {
        let mut config: Self =
            toml_text::read(text).map_err(|problem| BadInput::error(problem.sentence(place)))?;
        let keys: toml::Table = toml::from_str(text).unwrap_or_default();
        let settled = config.settle(|key| keys.contains_key(key));
        settled.map_err(|why| BadInput::error(format!("{place}: {}", shown(&why))))?;
        config.check().map_err(|why| BadInput::error(format!("{place}: {}", shown(&why))))?;
        Ok(config)
    }

    /// Checks everything that does not depend on a model or a task file.
    fn check(&self) -> Result<(), String> {
        home::check_name(&self.name).map_err(|e| format!("`name`: {e}"))?;
        self.task.check()?;
        within("threads", self.threads, limits::THREADS)?;
        within("stage", self.stage.len(), limits::TASKS)?;
        if let Some(racing) = &self.racing {
            racing.check(&self.task)?;
        }
        self.pool.check()?;
        self.baselines.check(self.pool.sources.len())?;
        if self.stage.is_empty() { self.check_search() } else { self.check_stages() }
    }

    /// Checks the space, search and budget of each stage.
    fn check_search(&self) -> Result<(), String> {
        self.search.check(&self.task, &self.baselines)?;
        if self.racing.is_some() && !self.search.objectives.is_empty() {
            return Err("[racing] goes by one fitness: take it out, or `search.objectives`".into());
        }
        self.budget.check()?;
        // The space checks its own bounds. Any valid number of decoder blocks serves for this check.
        self.any_space(self.space.least_layers().max(2)).map(|_| ()).map_err(|e| e.to_string())
    }

    /// Takes the seed, the budget and the leniency from `other`, each if its flag is set: the values that a command
    /// line may set in addition to the config's file.
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

    /// The weights of each global merge in the baselines.
    #[must_use]
    pub fn grid(&self) -> Vec<Vec<f64>> {
        self.baselines.points(self.pool.sources.len())
    }

    /// The models and the tasks, as an evaluation takes them.
    #[must_use]
    pub fn setup(&self) -> EvalSetup {
        EvalSetup {
            base: self.pool.base.clone(),
            sources: self.pool.sources.clone(),
            precision: self.precision,
            method: Some(self.space.method),
            ..EvalSetup::of_tasks(self.task.specs(), &self.device, self.threads)
        }
    }

    /// The search space for models of `layers` decoder blocks.
    ///
    /// # Errors
    /// The method or the number of blocks does not allow the space; the sentence names the key.
    pub fn any_space(&self, layers: usize) -> anyhow::Result<AnySpace> {
        match &self.space.path {
            Some(path) => path.space(&self.pool, layers).map(AnySpace::Path),
            None => self.space(layers).map(AnySpace::Parameters),
        }
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
