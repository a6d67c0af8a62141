//! A generation whose fitness is estimated from the answers to some of the questions. A model of earlier answers
//! ([`Irt`]) picks the most informative questions. Every candidate answers those, and the model estimates its fitness
//! over all questions. The candidates with the best estimates then answer all questions, so that the best candidate of
//! a session is always fully measured. `race` calls this if the config asks for an estimator.

use super::{Evolution, Next};
use crate::search::{Answers, Irt, error_quantile, question_order};
use crate::session::config::{Order, Racing};
use crate::session::protocol::{CandidateId, Event, Origin, Score};
use crate::session::state::Entry;

/// The model is fitted only once at least this many candidates have answered.
const LEAST: usize = 10;
/// The model is fitted to at most this many candidates, the newest ones, and to the baselines.
const NEWEST: usize = 240;

/// What the estimator has learnt before a generation. It depends on the events alone.
pub(super) struct Learnt {
    generation: u64,
    /// `None` while too few candidates have answered.
    model: Option<Irt>,
    rows: usize,
    /// Abilities of the previous generation's candidates, without the worst quarter.
    abilities: Vec<f64>,
}

impl Evolution {
    /// The next step for the last generation, if one of its candidates is not done.
    pub(super) fn estimated(&mut self, racing: &Racing) -> Option<Next> {
        let generation = self.state.generations.last()?;
        let waits = |id: &&CandidateId| self.state.entry(**id).is_some_and(|e| e.outcome.is_none());
        generation.candidates.iter().find(waits)?;
        self.learn();
        let generation = self.state.generations.last()?;
        let entries: Vec<&Entry> =
            generation.candidates.iter().filter_map(|&id| self.state.entry(id)).collect();
        let open = || entries.iter().filter(|e| e.outcome.is_none());
        let total = self.state.train_questions;
        if generation.order.is_empty() && total > 0 {
            return Some(Next::Record(self.questions(generation.generation)));
        }
        let subset = racing.subset.min(total);
        if let Some(entry) = open().find(|e| e.values.len() < subset) {
            return Some(self.block(entry, subset - entry.values.len()));
        }
        if open().any(|e| e.estimate.is_none()) {
            let estimates = open().map(|e| (e.candidate.id, self.estimate(e).0)).collect();
            let (generation, off) = (generation.generation, self.state.off());
            return Some(Next::Record(Event::Estimated { generation, estimates, off }));
        }
        let mut ranked: Vec<&Entry> = entries.iter().filter(|e| e.estimate.is_some()).copied().collect();
        ranked.sort_by(|a, b| b.estimate.unwrap_or(0.0).total_cmp(&a.estimate.unwrap_or(0.0)));
        let (rank, entry) = ranked.into_iter().enumerate().find(|(_, e)| e.outcome.is_none())?;
        Some(match entry.values.len() {
            n if n >= total => Next::Record(self.scored(entry, false)),
            _ if rank < racing.full && self.may_be_best(entry, racing.error) => {
                self.block(entry, racing.block)
            }
            _ => {
                let fitness = self.estimate(entry).0;
                Next::Record(self.scored_as(entry, Score { fitness, ..entry.so_far }, true))
            }
        })
    }

    /// Whether an estimator can learn from these values.
    pub(super) fn teaches(&self, values: &[f64]) -> bool {
        self.config.racing.is_some_and(|racing| racing.subset > 0)
            && values.len() == self.state.train_questions
            && values.iter().all(|v| v.is_finite())
    }

    /// The order in which a candidate answers the questions. Its values are stored in this order.
    pub(super) fn order_of(&self, entry: &Entry) -> Vec<usize> {
        let n = self.state.train_questions;
        if !matches!(entry.candidate.origin, Origin::Search | Origin::Hand) {
            return (0..n).collect();
        }
        let row = entry.generation.and_then(|g| self.state.generations.get(g.checked_sub(1)? as usize));
        match row {
            Some(row) if !row.order.is_empty() => row.order.clone(),
            _ => {
                let fresh = self.config.racing.is_some_and(|racing| racing.order == Order::Fresh);
                let drawn = entry.generation.filter(|_| fresh).unwrap_or(0);
                question_order(n, self.config.seed.wrapping_add(drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            }
        }
    }

    fn questions(&self, generation: u64) -> Event {
        let order = question_order(self.state.train_questions, self.config.seed);
        let learnt = self.learnt.as_ref();
        let telling = learnt.and_then(|l| Some(l.model.as_ref()?.most_informative(&l.abilities, &order)));
        let rows = learnt.filter(|l| l.model.is_some()).map_or(0, |l| l.rows);
        Event::Questions { generation, order: telling.unwrap_or(order), learnt: rows as u64 }
    }

    /// A candidate's fitness over all questions, estimated from its answers so far, and the standard deviation of the
    /// estimate. Without a model: the mean of its answers so far, and an infinite deviation.
    fn estimate(&self, entry: &Entry) -> (f64, f64) {
        let Some(model) = self.learnt.as_ref().and_then(|l| l.model.as_ref()) else {
            return (entry.so_far.fitness, f64::INFINITY);
        };
        let (low, high) = self.bounds();
        let found = model.estimate(&self.shares(entry));
        (low + (high - low) * found.share, (high - low) * found.deviation)
    }

    /// Whether a candidate may still become the session's best. With `error` 0 only an impossible one is ruled out;
    /// otherwise also one whose probability is below `error`.
    fn may_be_best(&self, entry: &Entry, error: f64) -> bool {
        let Some(best) = self.state.best_entry().and_then(Entry::train) else { return true };
        let total = self.state.train_questions as f64;
        let left = total - entry.values.len() as f64;
        let most = (entry.values.iter().sum::<f64>() + left * self.bounds().1) / total;
        if most <= best.fitness || error <= 0.0 {
            return most > best.fitness;
        }
        let (fitness, deviation) = self.estimate(entry);
        fitness + error_quantile(error) * deviation > best.fitness
    }

    /// A candidate's answers, each as a share of the most that one question can add to the fitness.
    fn shares(&self, entry: &Entry) -> Answers {
        let (low, high) = self.bounds();
        let share = |v: f64| if high > low { ((v - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        entry.values.iter().zip(self.order_of(entry)).map(|(&v, q)| (q, share(v))).collect()
    }

    /// Fits the model for the last generation to the answers from before it, unless that is done already.
    fn learn(&mut self) {
        let Some(last) = self.state.generations.last() else { return };
        if self.learnt.as_ref().is_some_and(|l| l.generation == last.generation) {
            return;
        }
        let first = last.candidates.first().copied().unwrap_or(0);
        let before = || self.state.entries.iter().filter(|e| e.candidate.id < first && !e.values.is_empty());
        let searched = |e: &&Entry| matches!(e.candidate.origin, Origin::Search | Origin::Hand);
        let skipped = before().filter(searched).count().saturating_sub(NEWEST);
        let mut rows: Vec<Answers> = before().filter(|e| !searched(e)).map(|e| self.shares(e)).collect();
        rows.extend(before().filter(searched).skip(skipped).map(|e| self.shares(e)));
        let model = (rows.len() >= LEAST).then(|| Irt::fit(self.state.train_questions, &rows));
        let newest = rows.iter().rev().take(last.candidates.len().max(4));
        let mut abilities: Vec<f64> =
            model.iter().flat_map(|model| newest.clone().map(|row| model.ability(row))).collect();
        abilities.sort_by(f64::total_cmp);
        abilities.drain(..abilities.len() / 4);
        self.learnt = Some(Learnt { generation: last.generation, model, rows: rows.len(), abilities });
    }
}
