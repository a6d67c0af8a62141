//! `[racing]`: candidates answer the training questions in blocks, and those that cannot win stop. The keys come in,
//! checked numbers go out. The evolve loop uses them for its races (`search/race`).

use serde::{Deserialize, Serialize};

use super::bounds::within;
use super::tasks::Tasks;
use crate::limits::QUESTIONS;
use crate::task::Fitness;

/// The order in which candidates answer the questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// One order for the whole session.
    #[default]
    Fixed,
    /// Drawn anew for each generation, the same for all its candidates. With few questions, a search that always sees
    /// the same ones would fit those alone.
    Fresh,
}

/// `[racing]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Racing {
    /// The number of questions that a candidate answers between two comparisons of the ranks.
    #[serde(default = "twenty")]
    pub block: usize,
    /// The probability that one comparison stops a candidate that belongs to the better half. At 0 a candidate stops
    /// only if it cannot reach the better half whatever its answers to the remaining questions. With an estimator: the
    /// probability that a stopped candidate would have been the session's best; at 0 a candidate stops only if it
    /// cannot be the best.
    #[serde(default)]
    pub error: f64,
    /// Stop the generation when the reliability of its ranks reaches this value. The reliability is the share of the
    /// variance between candidates that comes from the candidates, not the questions. Candidates that may beat the
    /// session's best continue. 0: never stop.
    #[serde(default)]
    pub reliability: f64,
    /// The order in which the questions are asked.
    #[serde(default)]
    pub order: Order,
    /// Questions that every candidate of a generation answers first; an estimator predicts the fitness over all
    /// questions from them. 0: no estimator.
    #[serde(default)]
    pub subset: usize,
    /// With the estimator: this many candidates, the best by estimate, continue to all questions as long as they may be
    /// the session's best.
    #[serde(default = "four")]
    pub full: usize,
}

const fn twenty() -> usize {
    20
}
const fn four() -> usize {
    4
}

impl Racing {
    /// Checks the numbers.
    pub(super) fn check(&self, tasks: &Tasks) -> Result<(), String> {
        for (key, count) in
            [("racing.block", self.block), ("racing.subset", self.subset), ("racing.full", self.full)]
        {
            within(key, count, QUESTIONS)?;
        }
        if self.block == 0 {
            return Err("`racing.block` is 0: give the number of questions in a block".into());
        }
        if !(0.0..=0.5).contains(&self.error) {
            return Err(format!("`racing.error` is {}: give a number from 0 to 0.5", self.error));
        }
        if !(0.0..1.0).contains(&self.reliability) {
            return Err(format!(
                "`racing.reliability` is {}: give a number from 0 to below 1",
                self.reliability
            ));
        }
        if self.reliability > 0.0 && (self.error == 0.0 || self.subset > 0) {
            return Err(
                "`racing.reliability` goes with an `error` above 0 and without a `subset`: without a stated error \
                 only what is certain stops, and an estimator ranks by itself"
                    .into(),
            );
        }
        if self.order == Order::Fresh && self.subset > 0 {
            return Err(
                "`racing.order` goes without a `subset`: an estimator chooses the questions by itself".into(),
            );
        }
        if self.full == 0 {
            return Err(
                "`racing.full` is 0: the best of a session must have answered everything, give 1 or more"
                    .into(),
            );
        }
        if tasks.0.len() > 1 || tasks.has_bars() {
            return Err(
                "[racing] works with one [task] without a bar: take it out, or the other tasks".into()
            );
        }
        let fitness = Fitness::parse(&tasks.first().fitness).map_err(|e| format!("`task.fitness`: {e}"))?;
        if fitness.is_weighted_sum() {
            return Ok(());
        }
        Err(format!(
            "[racing] needs a fitness that is a weighted sum of shares, such as acc_ja + 0.1 * acc, and \"{}\" is \
             none: change it, or take [racing] out",
            fitness.source()
        ))
    }
}
