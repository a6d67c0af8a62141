//! `[[stage]]`: searches one after another, each with its own space, search and budget. The merge that wins a stage
//! joins the pool of the later stages as `stage:N`. So a session can first search the parameters of a merge, and then
//! paths through the merged model and others (the hybrid of Akiba et al. 2024). The config and the evolve loop use it.

use serde::{Deserialize, Serialize};

use super::Config;
use super::budget::Budget;
use super::search::{Search, Start};
use super::space::SpaceKeys;

/// One `[[stage]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The stage's name; its number if the name is missing.
    #[serde(default)]
    pub name: String,
    pub space: SpaceKeys,
    #[serde(default)]
    pub search: Search,
    pub budget: Budget,
}

/// The name under which the merge of a stage, counted from 1, joins the pool.
#[must_use]
pub fn winner_name(stage: usize) -> String {
    format!("stage:{stage}")
}

impl Config {
    /// Sets space, search and budget to the first stage's. A config without stages must have them itself.
    pub(super) fn settle(&mut self, has: impl Fn(&str) -> bool) -> Result<(), String> {
        let own: Vec<&str> = ["space", "search", "budget"].into_iter().filter(|key| has(key)).collect();
        let Some(first) = self.stage.first().cloned() else {
            return match ["space", "budget"].iter().find(|key| !own.contains(key)) {
                Some(key) => Err(format!("missing key `{key}`")),
                None => Ok(()),
            };
        };
        if let Some(key) = own.first() {
            return Err(format!("`{key}` stands beside `stage`: each stage has its own, move it there"));
        }
        (self.space, self.search, self.budget) = (first.space, first.search, first.budget);
        Ok(())
    }

    /// The config for the stage with this index (from 0): with the stage's space, search and budget, and with the
    /// winners of earlier stages in the pool.
    #[must_use]
    pub fn at_stage(&self, at: usize) -> Self {
        let mut config = self.clone();
        let Some(stage) = self.stage.get(at) else { return config };
        config.at = at;
        (config.space, config.search, config.budget) =
            (stage.space.clone(), stage.search.clone(), stage.budget);
        let merged = self.stage[..at].iter().zip(1..).filter(|(stage, _)| stage.space.path.is_none());
        config.pool.sources.extend(merged.map(|(_, number)| winner_name(number)));
        config
    }

    /// The sum of all stages' fitness evaluations.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        match self.stage.as_slice() {
            [] => self.budget.evaluations,
            stages => stages.iter().map(|s| s.budget.evaluations).sum(),
        }
    }

    /// Checks each stage; an error names the stage's number.
    pub(super) fn check_stages(&self) -> Result<(), String> {
        for (at, stage) in self.stage.iter().enumerate() {
            let config = self.at_stage(at);
            if at > 0 && !matches!(stage.search.start, Start::Number(_)) && stage.space.path.is_some() {
                return Err(format!("stage {}: a path space has its own start: take `start` out", at + 1));
            }
            if at > 0 && config.search.starts_elsewhere().is_some() {
                return Err(format!(
                    "stage {}: only the first stage can begin elsewhere: take `start` out",
                    at + 1
                ));
            }
            config.check_search().map_err(|why| format!("stage {}: {why}", at + 1))?;
        }
        Ok(())
    }
}

/// The names of the stages in a config's text, a number for a stage without a name; empty if the config has no stages.
#[must_use]
pub fn stage_names(config: &str) -> Vec<String> {
    let document: toml::Table = toml::from_str(config).unwrap_or_default();
    let stages = document.get("stage").and_then(toml::Value::as_array);
    let name = |(stage, number): (&toml::Value, usize)| {
        let name = stage.get("name").and_then(toml::Value::as_str).filter(|name| !name.is_empty());
        name.map_or_else(|| number.to_string(), str::to_owned)
    };
    stages.into_iter().flatten().zip(1..).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{ZOO, with_overrides};
    use super::*;
    use crate::search::AnySpace;
    use crate::session::toy::STAGES;

    fn says(from: &str, to: &str) -> String {
        assert!(STAGES.contains(from), "{from}");
        Config::parse(&STAGES.replacen(from, to, 1), "x.toml").unwrap_err().to_string()
    }

    #[test]
    fn a_stage_has_its_own_space_and_the_winners_before_it() {
        let config = Config::parse(STAGES, "x.toml").unwrap();
        assert_eq!((config.evaluations(), config.budget.evaluations), (32, 12));
        assert_eq!(stage_names(STAGES), ["weights", "2"]);
        let second = config.at_stage(1);
        assert_eq!(second.pool.sources, ["x", "y", "stage:1"]);
        assert_eq!(second.search.algorithm, "margin-cma-es");
        let AnySpace::Path(space) = second.any_space(4).unwrap() else { panic!("it is a path space") };
        assert_eq!(space.config().models, ["stage:1", "y"]);
        assert!(matches!(config.at_stage(0).any_space(4).unwrap(), AnySpace::Parameters(_)));
        // A config without stages is one stage.
        let zoo = Config::parse(ZOO, "zoo.toml").unwrap();
        assert!(stage_names(ZOO).is_empty());
        assert_eq!(zoo.at_stage(0), zoo);
    }

    #[test]
    fn a_budget_by_hand_is_shared_out() {
        let shared = |budget| {
            let text = with_overrides(STAGES, None, Some(budget)).unwrap();
            let config = Config::parse(&text, "x.toml").unwrap();
            config.stage.iter().map(|s| s.budget.evaluations).collect::<Vec<_>>()
        };
        assert_eq!(shared(16), [6, 10]);
        assert_eq!(shared(9), [3, 6]);
        assert_eq!(shared(0), [0, 0]);
    }

    #[test]
    fn mistakes_name_the_stage() {
        assert!(
            says("[task]", "[budget]\nevaluations = 3\n[task]").contains("`budget` stands beside `stage`")
        );
        assert!(
            says("\"stage:1\", \"y\"", "\"stage:2\"").contains("stage 2: `space.path.models` names stage:2")
        );
        assert!(says("margin-cma-es", "sgd").contains("stage 2: `search.algorithm`"));
        assert!(says("models =", "modles =").contains("did you mean `models`"));
        let start = "algorithm = \"margin-cma-es\"\nstart = \"uniform\"";
        assert!(says("algorithm = \"margin-cma-es\"", start).contains("its own start"));
        // A path is not a model of the pool.
        let weights = "method = \"task_arithmetic\"\nweight = { min = -0.5, max = 1.5 }";
        let paths = STAGES.replace(weights, "path = { repeats = 2 }");
        let error = Config::parse(&paths, "x.toml").unwrap_err().to_string();
        assert!(error.contains("stage 2") && error.contains("stage:1"), "{error}");
        let error =
            Config::parse(&ZOO.replace("[budget]", "[baselines2]"), "x.toml").unwrap_err().to_string();
        assert!(error.contains("baselines2"), "{error}");
        let text = ZOO.replace("[budget]\nevaluations = 640", "");
        assert!(Config::parse(&text, "x.toml").unwrap_err().to_string().contains("missing key `budget`"));
    }
}
