//! A generation that races: decides which candidate answers the next block of questions, and which candidates stop
//! early. The run's `step` calls it if the config has `[racing]`.

use super::{Evolution, Next, Work, WorkKind};
use crate::search::{Race, RacedCandidate};
use crate::session::protocol::{CandidateId, Event, Origin, Outcome, Score, Split};
use crate::session::state::Entry;
use crate::task::Fitness;

impl Evolution {
    /// The next step for the last generation, if one of its candidates is not done.
    pub(super) fn race(&mut self) -> Option<Next> {
        let racing = self.config.racing?;
        if racing.subset > 0 {
            return self.estimated(&racing);
        }
        let generation = self.state.generations.last()?;
        let entries: Vec<&Entry> =
            generation.candidates.iter().filter_map(|&id| self.state.entry(id)).collect();
        let open: Vec<&&Entry> = entries.iter().filter(|e| e.outcome.is_none()).collect();
        let total = self.state.train_questions;
        let fewest = open.iter().min_by_key(|e| e.values.len())?;
        if let Some(whole) = open.iter().find(|e| e.values.len() >= total) {
            return Some(Next::Record(self.scored(whole, false)));
        }
        let level = open.iter().all(|e| e.values.len() == fewest.values.len());
        if level && !fewest.values.is_empty() {
            let race = Race {
                total,
                bounds: self.bounds(),
                error: racing.error,
                reliability: racing.reliability,
                better_half: entries.len() / 2,
            };
            let runners: Vec<RacedCandidate> = entries
                .iter()
                .map(|e| RacedCandidate { values: &e.values, done: e.outcome.is_some() })
                .collect();
            let best = self.state.best_entry().filter(|e| e.values.len() >= total);
            let best = best.map(|best| self.as_answered_by(fewest, best));
            let stops = race.stops(&runners, best.as_deref());
            if let Some(i) = stops.iter().position(|stop| *stop) {
                return Some(Next::Record(self.scored(entries[i], true)));
            }
        }
        Some(self.block(fewest, racing.block))
    }

    /// The values of `whole`, a candidate that has answered all questions, in the order in which `entry` answers them.
    pub(super) fn as_answered_by(&self, entry: &Entry, whole: &Entry) -> Vec<f64> {
        let mut of = vec![0.0; self.state.train_questions];
        for (question, &value) in self.order_of(whole).into_iter().zip(&whole.values) {
            of[question] = value;
        }
        self.order_of(entry).into_iter().map(|question| of[question]).collect()
    }

    /// A hand-made recipe answers all questions in one block, in the race's order.
    pub(super) fn whole_by_hand(&self, entry: &Entry) -> Next {
        if entry.values.len() >= self.state.train_questions {
            return Next::Record(self.scored(entry, false));
        }
        self.block(entry, self.state.train_questions)
    }

    pub(super) fn block(&self, entry: &Entry, size: usize) -> Next {
        let from = entry.values.len();
        let to = (from + size).min(self.state.train_questions);
        let order = self.order_of(entry);
        Next::Evaluate(Work {
            kind: WorkKind::Block,
            candidate: entry.candidate.clone(),
            splits: vec![Split::Train],
            questions: Some(order[from..to].to_vec()),
        })
    }

    /// The event that ends a candidate's evaluation.
    pub(super) fn scored(&self, entry: &Entry, stopped: bool) -> Event {
        self.scored_as(entry, entry.so_far, stopped)
    }

    pub(super) fn scored_as(&self, entry: &Entry, score: Score, stopped: bool) -> Event {
        Event::Evaluated {
            id: entry.candidate.id,
            generation: entry.generation.unwrap_or_else(|| self.generation()),
            outcome: Outcome::Scored(score),
            tasks: Vec::new(),
            stopped,
        }
    }

    /// The least and the most that one question can add to the fitness.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let fitness = &self.config.task.first().fitness;
        Fitness::parse(fitness).map_or((f64::NEG_INFINITY, f64::INFINITY), |f| f.bounds())
    }

    /// The event of a block of answers.
    pub(super) fn block_answered(&self, id: CandidateId, score: Score, values: Vec<f64>) -> Event {
        if values.len() as u64 == score.n && values.iter().all(|v| v.is_finite()) {
            return Event::Block { id, score, values };
        }
        let why = "the fitness is not a number".to_owned();
        let generation = self.state.entry(id).and_then(|e| e.generation);
        Event::Evaluated {
            id,
            generation: generation.unwrap_or_else(|| self.generation()),
            outcome: Outcome::Failed(why),
            tasks: Vec::new(),
            stopped: false,
        }
    }

    /// The fitness of the last generation's candidates, as the optimiser gets it.
    pub(super) fn told(&self, ids: &[CandidateId]) -> Vec<f64> {
        let found = |&id: &CandidateId| {
            let answers = self.state.entry(id).map_or(0, |e| e.values.len());
            (self.fitness(id), answers)
        };
        let found: Vec<(f64, usize)> = ids.iter().map(found).collect();
        match self.config.racing {
            Some(racing) if racing.subset == 0 => crate::search::ranking_fitness(&found),
            // With an estimator each candidate has a measured or estimated fitness over all questions.
            _ => found.into_iter().map(|(fitness, _)| fitness).collect(),
        }
    }

    /// Whether this candidate's evaluation comes in blocks.
    pub(super) fn races(&self, origin: Origin) -> bool {
        self.config.racing.is_some() && matches!(origin, Origin::Search | Origin::Hand)
    }
}
