//! The change from one stage of a session to the next: when a stage ends, who its winner is, and the event that begins
//! the next one. The run's `step` and `apply` call it.

use anyhow::Context;

use super::{Evolution, Next};
use crate::recipe::Recipe;
use crate::session::config::winner_name;
use crate::session::protocol::{CandidateId, Event, Gene, Origin, Target};
use crate::session::state::Entry;

impl Evolution {
    /// The number of the session's evaluations after which the current stage ends. The last stage gets what is left of
    /// the session's budget.
    pub(super) fn stage_budget(&self) -> u64 {
        match self.whole.stage.get(..=self.config.at) {
            Some(stages) if stages.len() < self.whole.stage.len() => {
                stages.iter().map(|s| s.budget.evaluations).sum()
            }
            _ => self.state.budget,
        }
    }

    /// Switches space and optimiser to the stage that the state is in.
    pub(super) fn enter_stage(&mut self) -> anyhow::Result<()> {
        self.config = self.whole.at_stage(self.state.stage());
        self.space = self.config.any_space(self.state.layers)?;
        self.optimiser = None;
        self.asked = None;
        self.injected.clear();
        self.part.clear();
        Ok(())
    }

    /// The mean of the current stage's search distribution, if it has been measured.
    pub(super) fn stage_mean(&self) -> Option<CandidateId> {
        // A session that was extended has another mean from its earlier end.
        let last = self.state.generations.last().and_then(|g| g.candidates.last());
        let first = self.state.stage_first().max(last.map_or(0, |last| last + 1));
        let mean = |e: &&Entry| e.candidate.origin == Origin::Mean && e.candidate.id >= first;
        self.state.entries.iter().find(mean).map(|e| e.candidate.id)
    }

    /// The event that begins the next stage, if there is one.
    pub(super) fn next_stage(&self) -> anyhow::Result<Option<Next>> {
        let next = self.config.at + 1;
        if next >= self.whole.stage.len() {
            return Ok(None);
        }
        let merged = self.config.space.path.is_none();
        let winner = self.stage_winner(merged);
        let recipe = match winner.and_then(|id| self.state.entry(id)).map(|e| &e.candidate.target) {
            Some(Target::Recipe(recipe)) if merged => {
                Some(Box::new(Recipe { name: Some(winner_name(next)), ..recipe.as_ref().clone() }))
            }
            _ => None,
        };
        if merged && recipe.is_none() {
            anyhow::bail!(
                "no merge could be evaluated in stage {next}, and later ones take its winner; `yosegi report {}` \
                 lists why",
                self.state.name
            );
        }
        let space = self.whole.at_stage(next).any_space(self.state.layers)?;
        let gene = |g: &crate::search::GeneInfo| Gene { name: g.name.clone(), low: g.low, high: g.high };
        let name = self.state.stages.get(next).cloned().context("the stage has a name")?;
        Ok(Some(Next::Record(Event::StageStarted {
            stage: next as u64 + 1,
            name,
            genes: space.genes().iter().map(gene).collect(),
            winner,
            recipe,
        })))
    }

    /// The stage's winner: the best of its candidates and its mean by training fitness, the first of equal ones. If
    /// none could be measured: the best merge so far. `merged`: candidates with a path do not count.
    fn stage_winner(&self, merged: bool) -> Option<CandidateId> {
        let first = self.state.stage_first();
        let fits = |e: &&Entry| match &e.candidate.target {
            Target::Recipe(recipe) => !merged || recipe.path.is_empty(),
            Target::Model(_) => false,
        };
        let best = |entries: &mut dyn Iterator<Item = &Entry>| {
            let mut best: Option<(f64, CandidateId)> = None;
            for entry in entries {
                if let Some(score) = entry.train()
                    && best.is_none_or(|(fitness, _)| score.fitness > fitness)
                {
                    best = Some((score.fitness, entry.candidate.id));
                }
            }
            best.map(|(_, id)| id)
        };
        let searched = |e: &&Entry| {
            e.candidate.id >= first
                && matches!(e.candidate.origin, Origin::Search | Origin::Hand | Origin::Mean)
        };
        best(&mut self.state.entries.iter().filter(fits).filter(searched))
            .or_else(|| best(&mut self.state.entries.iter().filter(fits)))
    }
}
