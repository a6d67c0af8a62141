//! How much a session asks: its stages with their genes and generations, and the answers and tokens of all. A config
//! and the plan of its setup come in, counts go out. The plan calls it.

use super::types::{PlannedStage, PlannedWork, Span};
use crate::evaluate::plan::{AskedSplit, SetupPlan};
use crate::search::AnySpace;
use crate::session::config::Config;
use crate::session::evolve;

/// The stages of a config, for models of `layers` decoder blocks.
pub(super) fn stages(config: &Config, layers: Option<usize>) -> anyhow::Result<Vec<PlannedStage>> {
    let count = config.stage.len().max(1);
    (0..count).map(|at| stage(&config.at_stage(at), layers)).collect()
}

fn stage(config: &Config, layers: Option<usize>) -> anyhow::Result<PlannedStage> {
    let named = config.stage.get(config.at).map(|stage| match stage.name.as_str() {
        "" => (config.at + 1).to_string(),
        name => name.to_owned(),
    });
    let space = layers.map(|layers| config.any_space(layers)).transpose()?;
    let population = match &space {
        Some(space) => Some(evolve::population(config, space)?),
        None => Some(config.search.population).filter(|n| *n > 0),
    };
    let evaluations = config.budget.evaluations;
    Ok(PlannedStage {
        name: named.unwrap_or_default(),
        searches: match &config.space.path {
            Some(_) => "path".to_owned(),
            None => config.space.method.name().to_owned(),
        },
        algorithm: config.search.algorithm.clone(),
        genes: space.as_ref().map(AnySpace::genes).map(<[_]>::len),
        population,
        generations: population.map(|population| evaluations.div_ceil(population.max(1) as u64)),
        evaluations,
    })
}

impl PlannedWork {
    pub(super) fn new(config: &Config, setup: &SetupPlan, stages: &[PlannedStage]) -> Self {
        let grid = if config.baselines.grid.is_empty() { 0 } else { config.grid().len() as u64 };
        let plain_models = config.pool.sources.len() as u64 + 1;
        let baselines = plain_models + 1 + grid;
        let evaluations = config.evaluations();
        let (train_questions, test_questions) =
            (setup.train_questions() as u64, setup.test_questions() as u64);
        // The mean of a stage is measured if the optimiser has learnt from a whole generation.
        let learns = |stage: &&PlannedStage| stage.population.is_none_or(|n| stage.evaluations >= n as u64);
        let means = stages.iter().filter(learns).count() as u64;
        let train_runs = baselines + evaluations + means;
        // Base, sources, the uniform merge, the best of the grid, and the means.
        let surely = plain_models + 1 + u64::from(grid > 0) + means;
        let generations = stages.iter().map(|s| s.generations.unwrap_or(s.evaluations)).sum::<u64>();
        let test_runs =
            Span { least: surely + u64::from(evaluations > 0), most: surely.saturating_add(generations) };
        let least_a_candidate = match &config.racing {
            Some(racing) if racing.subset > 0 => racing.subset as u64,
            Some(racing) => racing.block as u64,
            None => train_questions,
        };
        let least_train = (train_runs - evaluations) * train_questions
            + evaluations * least_a_candidate.min(train_questions);
        let most_of = |of: fn(&crate::evaluate::plan::PlannedTask) -> AskedSplit| {
            setup.tasks.iter().map(|task| of(task).most_tokens).sum::<Option<u64>>()
        };
        let tokens = most_of(|task| task.train).zip(most_of(|task| task.test)).map(|(train, test)| {
            train.saturating_mul(train_runs).saturating_add(test.saturating_mul(test_runs.most))
        });
        Self {
            baselines,
            plain_models,
            evaluations,
            train_questions,
            test_questions,
            train_runs,
            test_runs,
            answers: Span {
                least: least_train.saturating_add(test_runs.least.saturating_mul(test_questions)),
                most: train_runs
                    .saturating_mul(train_questions)
                    .saturating_add(test_runs.most.saturating_mul(test_questions)),
            },
            tokens,
            racing: config.racing,
        }
    }
}
