//! `[racing]`: candidates answer in blocks, and those that can't win stop.

use serde::{Deserialize, Serialize};

use super::tasks::Tasks;
use super::within;
use crate::limits::QUESTIONS;
use crate::task::Fitness;

/// The order in which candidates answer the questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// One for the whole session.
    #[default]
    Fixed,
    /// Drawn anew for each generation, in which all candidates answer in the same: where few
    /// questions are asked, a search that is always asked the same ones learns these by heart.
    Fresh,
}

/// `[racing]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Racing {
    /// Questions that a candidate answers before the next look.
    #[serde(default = "twenty")]
    pub block: usize,
    /// Chance that one look stops a candidate that is no worse; 0 stops only those that can't enter
    /// the better half whatever the questions that are left bring. With an estimator it stops those
    /// that are not the session's best by more than this chance allows; 0: that can't be.
    #[serde(default)]
    pub error: f64,
    /// Share of the variance between the candidates of a generation that must be theirs, not the questions', for
    /// their ranks to do: then all stop but those that may be the session's best; 0: not asked.
    #[serde(default)]
    pub reliability: f64,
    /// In which order the questions are asked.
    #[serde(default)]
    pub order: Order,
    /// Questions that every candidate of a generation answers and from which an estimator tells its
    /// fitness over all; 0: no estimator, the questions come in one order.
    #[serde(default)]
    pub subset: usize,
    /// With the estimator: candidates of a generation, the best by estimate, that go on to all
    /// questions for as long as they may be the session's best.
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
    /// Everything that can be wrong.
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
