//! Ends a stage and the run: measures the mean of the search distribution, then begins the next stage or names the
//! winner. The run's `step` calls it after the last generation.

use anyhow::{Context, bail};

use super::{Evolution, Next, Work, WorkKind};
use crate::search::Optimiser;
use crate::session::protocol::{Candidate, Event, Origin, Split, Target};

impl Evolution {
    /// After the last generation: first the distribution's mean is measured, then the stage or the run ends.
    pub(super) fn ending(&self) -> anyhow::Result<Next> {
        let whole = |o: &&Optimiser| o.mean().0.iter().all(|number| number.is_finite());
        let learnt = self.optimiser.as_ref().filter(|o| o.generation() > 0).filter(whole);
        let mean = self.stage_mean();
        if let (Some(optimiser), None) = (learnt, mean) {
            let genome = optimiser.mean();
            let candidate = Candidate {
                id: self.next_id(),
                label: self.mean_label(),
                origin: Origin::Mean,
                target: Target::Recipe(Box::new(self.space.to_recipe(&genome))),
                genome: genome.0,
            };
            let splits = vec![Split::Train, Split::Test];
            return Ok(Next::Evaluate(Work { kind: WorkKind::Baseline, candidate, splits, questions: None }));
        }
        if let Some(next) = self.next_stage()? {
            return Ok(next);
        }
        let leader = self.leader();
        let best = match self.best_of(Origin::Mean) {
            Some(mean) if self.fitness(mean) > self.fitness(leader) || self.fitness(leader).is_nan() => mean,
            _ => leader,
        };
        if let Some(work) = self.held_out(best) {
            return Ok(work);
        }
        let entry = self.state.entry(best).context("the winner is a candidate")?;
        let Target::Recipe(recipe) = &entry.candidate.target else {
            bail!("no merge could be evaluated; `yosegi report {}` lists why", self.state.name);
        };
        Ok(Next::Record(Event::Finished {
            reason: self
                .state
                .ended
                .clone()
                .unwrap_or_else(|| format!("the budget of {} evaluations is used", self.state.budget)),
            best,
            train: entry.train().unwrap_or_default(),
            test: entry.test.unwrap_or_default(),
            mean,
            evaluations: self.state.evaluations,
            recipe: recipe.clone(),
        }))
    }

    /// A session of several stages has one mean for each.
    fn mean_label(&self) -> String {
        match self.state.stage_place() {
            Some((_, stage, of)) if of > 1 => format!("mean of {stage}"),
            _ => "mean".to_owned(),
        }
    }
}
