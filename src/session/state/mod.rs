//! The state of a session, computed from its events alone with [`SessionState::apply`]. The live workbench, attach,
//! resume, report and tests all build it.

mod apply;

use serde::Serialize;

use super::protocol::{
    Candidate, CandidateId, Cost, Gene, Off, Origin, Outcome, Score, SessionRow, Status, TaskScore,
};
use crate::recipe::Recipe;

/// The state of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SessionState {
    pub name: String,
    pub status: Status,
    /// The config's text, word for word.
    pub config: String,
    pub seed: u64,
    /// The genes of the current stage.
    pub genes: Vec<Gene>,
    /// Names of the stages, in order; empty if the session has only one stage.
    pub stages: Vec<String>,
    /// The stages after the first that have begun so far.
    pub begun: Vec<Begun>,
    /// Decoder blocks of the models.
    pub layers: usize,
    pub train_questions: usize,
    pub test_questions: usize,
    /// Fitness evaluations after which the search ends.
    pub budget: u64,
    pub device: String,
    /// Why the device is not the GPU that `auto` looked for, if so.
    pub device_note: String,
    pub dtype: String,
    pub language_by: String,
    /// The language that each task asks for, `none` for a task without one; empty if the journal does not say.
    pub languages: Vec<String>,
    /// Every candidate, baselines first; a candidate's id is its index here.
    pub entries: Vec<Entry>,
    pub generations: Vec<Generation>,
    /// Best candidate so far by fitness, of the search's and the hand-made ones; baselines do not count.
    pub best: Option<CandidateId>,
    /// Fitness evaluations of the search and of hand-made recipes.
    pub evaluations: u64,
    pub finished: Option<Finish>,
    /// Why the session stopped, if it did.
    pub reason: Option<String>,
    /// Sequence number of the last event applied; 0 before the first.
    pub seq: u64,
    /// When that event was written, milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// When the first event was written.
    pub created_ms: u64,
    /// Tokens generated so far.
    pub tokens: u64,
    /// Seconds spent on candidates so far.
    pub seconds: f64,
    /// The limits on generated tokens and on seconds, if the config sets them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_seconds: Option<f64>,
    /// The number of held-out questions that are also training questions.
    pub overlap: u64,
    /// Why the search has ended, if the reason is not the number of evaluations.
    pub ended: Option<String>,
    /// The session has been extended: only the number of evaluations ends it.
    pub extended: bool,
    /// The Pareto front, if there are several objectives.
    pub front: Vec<CandidateId>,
}

/// The beginning of a stage after the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Begun {
    /// Number of its first candidate.
    pub first: CandidateId,
    /// Its first generation.
    pub generation: u64,
    /// The session's evaluations before this stage.
    pub evaluations: u64,
    /// The best candidate of the previous stage.
    pub winner: Option<CandidateId>,
    /// The recipe of that candidate, if it joined the pool.
    pub recipe: Option<Recipe>,
}

/// A candidate and its results so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub candidate: Candidate,
    /// `None` for baselines and hand-made recipes.
    pub generation: Option<u64>,
    /// Fitness on the training questions, or why there is none. `None` until the candidate is measured.
    pub outcome: Option<Outcome>,
    /// Score on the held-out questions, if it was measured.
    pub test: Option<Score>,
    /// Each task's part of `outcome` and of `test`, if there are several tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train_tasks: Vec<TaskScore>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test_tasks: Vec<TaskScore>,
    pub cost: Cost,
    /// What each question added to the fitness, in a race's order (for a baseline in the questions' own order); empty
    /// without a race.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// The score over the race's questions so far.
    #[serde(skip)]
    pub so_far: Score,
    /// The candidate was stopped in a race: its score covers the questions answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// The estimated fitness; for a stopped candidate this is its fitness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
}

impl Entry {
    /// Score on the training questions.
    #[must_use]
    pub fn train(&self) -> Option<Score> {
        match &self.outcome {
            Some(Outcome::Scored(score)) => Some(*score),
            _ => None,
        }
    }

    /// Fitness on the training questions as a sort key: a candidate without a fitness sorts below all others.
    #[must_use]
    pub fn fitness_or_least(&self) -> f64 {
        self.train().map_or(f64::NEG_INFINITY, |s| s.fitness)
    }
}

/// One generation's line in the chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Generation {
    pub generation: u64,
    pub sigma: f64,
    /// Centre of the search distribution.
    pub mean: Vec<f64>,
    /// Ids of its candidates, in order of proposal.
    pub candidates: Vec<CandidateId>,
    pub complete: bool,
    /// Best fitness of the session up to this generation, inclusive.
    pub best_fitness: f64,
    pub mean_fitness: f64,
    pub std_fitness: f64,
    /// Fitness evaluations of the session up to this generation, inclusive.
    pub evaluations: u64,
    /// The best candidate so far.
    pub best: Option<CandidateId>,
    /// The order in which the generation answers the questions, if an estimator has chosen one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<usize>,
}

/// How the search ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finish {
    pub best: CandidateId,
    pub mean: Option<CandidateId>,
    pub train: Score,
    pub test: Score,
    pub recipe: Recipe,
}

impl SessionState {
    /// The candidate with this id.
    #[must_use]
    pub fn entry(&self, id: CandidateId) -> Option<&Entry> {
        self.entries.get(usize::try_from(id).ok()?).filter(|e| e.candidate.id == id)
    }

    fn entry_mut(&mut self, id: CandidateId) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(id).ok()?).filter(|e| e.candidate.id == id)
    }

    /// The best candidate so far with its scores.
    #[must_use]
    pub fn best_entry(&self) -> Option<&Entry> {
        self.best.and_then(|id| self.entry(id))
    }

    /// How far estimates were off, for candidates that later answered all questions.
    #[must_use]
    pub fn off(&self) -> Option<Off> {
        let whole = |e: &Entry| Some((e.estimate? - e.train().filter(|_| !e.stopped)?.fitness).abs());
        let off: Vec<f64> = self.entries.iter().filter_map(whole).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        let most = off.iter().copied().fold(0.0, f64::max);
        (!off.is_empty()).then_some(Off { candidates: off.len() as u64, mean, most })
    }

    /// The share of the budget that is used: of evaluations, tokens or seconds, whichever is nearest to its limit. For
    /// an extended session only evaluations count.
    #[must_use]
    pub fn used(&self) -> f64 {
        let evaluations = self.evaluations as f64 / self.budget.max(1) as f64;
        let tokens = self.most_tokens.map_or(0.0, |most| self.tokens as f64 / most.max(1) as f64);
        let seconds = self.most_seconds.map_or(0.0, |most| self.seconds / most.max(f64::MIN_POSITIVE));
        let spent = if self.extended { 0.0 } else { tokens.max(seconds) };
        evaluations.max(spent).clamp(0.0, 1.0)
    }

    /// Seconds until the budget is used up at these rates, by the limit that is reached first.
    #[must_use]
    pub fn seconds_left(&self, candidates_per_second: f64, tokens_per_second: f64) -> Option<f64> {
        let until = |left: f64, per_second: f64| (per_second > 0.0).then(|| left.max(0.0) / per_second);
        let evaluations = self.budget.saturating_sub(self.evaluations) as f64;
        let limits = [
            self.most_tokens.and_then(|most| until(most as f64 - self.tokens as f64, tokens_per_second)),
            self.most_seconds.map(|most| (most - self.seconds).max(0.0)),
        ];
        let limits = limits.into_iter().flatten().filter(|_| !self.extended);
        limits.chain(until(evaluations, candidates_per_second)).min_by(f64::total_cmp)
    }

    /// Index of the current stage.
    #[must_use]
    pub fn stage(&self) -> usize {
        self.begun.len()
    }

    /// Number and name of the current stage and the number of stages, if there are several.
    #[must_use]
    pub fn stage_place(&self) -> Option<(usize, &str, usize)> {
        let name = self.stages.get(self.stage())?;
        Some((self.stage() + 1, name, self.stages.len()))
    }

    /// The first candidate that the current stage may have proposed.
    #[must_use]
    pub fn stage_first(&self) -> CandidateId {
        self.begun.last().map_or(0, |b| b.first)
    }

    /// Recipes of the merges that joined the pool, each with its name there.
    #[must_use]
    pub fn made(&self) -> Vec<Recipe> {
        self.begun.iter().filter_map(|b| b.recipe.clone()).collect()
    }

    /// The baselines, in the order measured.
    pub fn baselines(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(|e| !matches!(e.candidate.origin, Origin::Search | Origin::Hand | Origin::Mean))
    }

    /// One line for the list of sessions.
    #[must_use]
    pub fn row(&self) -> SessionRow {
        let best = self.best_entry();
        SessionRow {
            name: self.name.clone(),
            status: self.status,
            evaluations: self.evaluations,
            budget: self.budget,
            generation: self.generations.last().map_or(0, |g| g.generation),
            best_train: best.and_then(Entry::train).map(|s| s.fitness),
            best_test: best.and_then(|e| e.test).map(|s| s.acc_in_language),
            updated_ms: self.updated_ms,
            interrupted: false,
            problem: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::config::Budget;
    use crate::session::config::budget_in;

    #[test]
    fn the_part_of_a_budget_that_ends_first_counts() {
        let text = "[budget]\nevaluations = 100\ntokens = 1000\nseconds = 50\n";
        let Budget { tokens: most_tokens, seconds: most_seconds, .. } = budget_in(text);
        let mut state = SessionState { budget: 100, most_tokens, most_seconds, ..SessionState::default() };
        (state.evaluations, state.tokens, state.seconds) = (20, 500, 5.0);
        assert!((state.used() - 0.5).abs() < 1e-12);
        // 80 evaluations, 500 tokens, 45 seconds.
        let left = |state: &SessionState, a, b| state.seconds_left(a, b).unwrap();
        assert!((left(&state, 1.0, 50.0) - 10.0).abs() < 1e-12);
        assert!((left(&state, 4.0, 5.0) - 20.0).abs() < 1e-12);
        assert!((left(&state, 0.0, 0.0) - 45.0).abs() < 1e-12);
        state.extended = true;
        assert!((state.used() - 0.2).abs() < 1e-12);
        assert!((left(&state, 1.0, 50.0) - 80.0).abs() < 1e-12);
        assert_eq!(SessionState::default().seconds_left(0.0, 0.0), None);
        let Budget { tokens, seconds, .. } = budget_in("[budget]\nevaluations = 100\n");
        assert_eq!((tokens, seconds), (None, None));
    }
}
