//! Makes the events that the engine stores. A config with its models, the scores of a measurement, or a hand-made
//! recipe comes in; the event goes out. The running session calls it.

use std::collections::BTreeMap;

use super::propose::check_spaces;
use super::{Evolution, Work, WorkKind};
use crate::error::BadInput;
use crate::evaluate::SetupFacts;
use crate::recipe::Recipe;
use crate::session::config::Config;
use crate::session::protocol::{
    Candidate, Event, Gene, Origin, Outcome, Score, Split, SplitScore, Status, Target, TaskScore, VERSION,
};

/// Makes the first event of a session.
///
/// # Errors
/// The config's space or search does not fit the models.
pub fn created(name: &str, text: &str, config: &Config, facts: &SetupFacts) -> anyhow::Result<Event> {
    let space = config.any_space(facts.layers)?;
    let gene = |g: &crate::search::GeneInfo| Gene { name: g.name.clone(), low: g.low, high: g.high };
    // Mistakes in the search's numbers are reported before anything is measured.
    check_spaces(config, facts.layers)?;
    Ok(Event::Created {
        version: VERSION,
        name: name.to_owned(),
        config: text.to_owned(),
        seed: config.seed,
        genes: space.genes().iter().map(gene).collect(),
        layers: facts.layers,
        train_questions: facts.train_questions,
        test_questions: facts.test_questions,
        budget: config.evaluations(),
        device: facts.device.clone(),
        device_note: facts.device_note.clone(),
        dtype: facts.dtype.clone(),
        language_by: facts.language_by.clone(),
        search: crate::search::VERSION,
        begin: None,
    })
}

impl Evolution {
    /// The event for the result of a measurement: a score for each of its splits, or the reason for the failure. A
    /// fitness that is not a number counts as a failure.
    #[must_use]
    pub fn measured(&self, work: &Work, result: Result<Vec<SplitScore>, String>) -> Event {
        self.measured_with(work, result, Vec::new())
    }

    /// Like [`Self::measured`], with what each training question added to the fitness, for a block or an estimator.
    #[must_use]
    pub fn measured_with(
        &self,
        work: &Work,
        result: Result<Vec<SplitScore>, String>,
        values: Vec<f64>,
    ) -> Event {
        let result = result.and_then(|scores| {
            let scores: Vec<SplitScore> = scores.into_iter().map(|s| self.under_bars(s)).collect();
            let all = scores.iter().flat_map(|s| s.tasks.iter().map(|t| &t.score).chain([&s.score]));
            let unfit = all.into_iter().find_map(Score::unfit);
            unfit.map_or(Ok(scores), Err)
        });
        let mut candidate = work.candidate.clone();
        match work.kind {
            WorkKind::Baseline => {
                // A hand-made recipe may have taken the id since the work was given out.
                candidate.id = self.next_id();
                let (scores, failed) = match result {
                    Ok(scores) => (scores, None),
                    Err(why) => (Vec::new(), Some(why)),
                };
                let values = if self.teaches(&values) { values } else { Vec::new() };
                Event::Baseline { candidate, scores, failed, values }
            }
            WorkKind::Fitness | WorkKind::Block => {
                let train = |scores: Vec<SplitScore>| scores.into_iter().find(|s| s.split == Split::Train);
                let (outcome, tasks) = match result.map(train) {
                    Ok(Some(s)) if work.kind == WorkKind::Block => {
                        return self.block_answered(candidate.id, s.score, values);
                    }
                    Ok(Some(s)) => (Outcome::Scored(s.score), s.tasks),
                    Ok(None) => (Outcome::Failed("no training question was answered".into()), Vec::new()),
                    Err(why) => (Outcome::Failed(why), Vec::new()),
                };
                let generation = match self.state.entry(candidate.id).and_then(|e| e.generation) {
                    Some(generation) => generation,
                    None => self.generation(),
                };
                Event::Evaluated { id: candidate.id, generation, outcome, tasks, stopped: false }
            }
            WorkKind::HeldOut => {
                let test = |scores: Vec<SplitScore>| scores.into_iter().find(|s| s.split == Split::Test);
                // A score with no answered question (n = 0) records the failure, so that it is not tried forever.
                let (score, tasks) =
                    result.ok().and_then(test).map_or_else(Default::default, |s| (s.score, s.tasks));
                Event::HeldOut { id: candidate.id, score, tasks }
            }
        }
    }

    /// A score on the training questions. If a task misses its bar, the shortfall replaces the fitness.
    fn under_bars(&self, mut found: SplitScore) -> SplitScore {
        let tasks = &self.config.task;
        if !tasks.has_bars() || found.split != Split::Train {
            return found;
        }
        if found.tasks.is_empty() {
            found.tasks = vec![TaskScore {
                task: tasks.first().name.clone(),
                score: found.score,
                metrics: BTreeMap::new(),
            }];
        }
        let base = self.state.entries.iter().find(|e| e.candidate.origin == Origin::Base);
        let lacks = tasks.shortfall(&found.tasks, base.map_or(&[], |e| &e.train_tasks));
        if lacks > 0.0 {
            found.score.fitness = -lacks;
        }
        found
    }

    /// Adds a hand-made recipe as a candidate of this run.
    ///
    /// # Errors
    /// The session is over, or the recipe does not fit the session's space.
    pub fn inject(&self, recipe: &Recipe) -> anyhow::Result<Event> {
        let name = &self.state.name;
        if self.state.status == Status::Finished {
            return Err(BadInput::error(format!(
                "session `{name}` has finished: start another to go on from there"
            )));
        }
        let pool = &self.config.pool;
        let known = |model: &String| *model == pool.base || pool.sources.contains(model);
        if let Some(step) = recipe.path.iter().find(|step| !known(&step.model)) {
            return Err(BadInput::error(format!(
                "the path passes {}, which is not among the models of session `{name}` ({}, {})",
                step.model,
                pool.base,
                pool.sources.join(", ")
            )));
        }
        if recipe.donor() != pool.base && recipe.path.is_empty() {
            return Err(BadInput::error(format!(
                "the recipe's base is {}, that of session `{name}` is {}: make them the same",
                recipe.donor(),
                pool.base
            )));
        }
        if let Some(other) = recipe.sources.iter().find(|s| !pool.sources.contains(&s.model)) {
            return Err(BadInput::error(format!(
                "the recipe uses {}, which is not among the models of session `{name}` ({})",
                other.model,
                pool.sources.join(", ")
            )));
        }
        let made = self.state.entries.iter().filter(|e| e.candidate.origin == Origin::Hand).count();
        Ok(Event::Injected {
            candidate: Candidate {
                id: self.next_id(),
                label: format!("by hand {}", made + 1),
                origin: Origin::Hand,
                genome: self.space.from_recipe(recipe).map(|g| g.0).unwrap_or_default(),
                target: Target::Recipe(Box::new(recipe.clone())),
            },
        })
    }
}
