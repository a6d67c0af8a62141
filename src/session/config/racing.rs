//! `[racing]`: candidates answer in blocks, and those that can't win stop.

use serde::{Deserialize, Serialize};

use crate::session::tasks::Tasks;
use crate::task::Fitness;

/// `[racing]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Racing {
    /// Questions that a candidate answers before the next look.
    #[serde(default = "twenty")]
    pub block: usize,
    /// Chance that one look stops a candidate that is no worse; 0 stops only those that can't enter
    /// the better half whatever the questions that are left bring.
    #[serde(default)]
    pub error: f64,
}

const fn twenty() -> usize {
    20
}

impl Racing {
    /// Everything that can be wrong.
    pub(super) fn check(&self, tasks: &Tasks) -> Result<(), String> {
        if self.block == 0 {
            return Err("`racing.block` is 0: give the number of questions in a block".into());
        }
        if !(0.0..=0.5).contains(&self.error) {
            return Err(format!("`racing.error` is {}: give a number from 0 to 0.5", self.error));
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
