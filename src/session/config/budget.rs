//! `[budget]`: when the search ends. The keys come in; limits go out, which the evolve loop and the session's state
//! read. A budget from the command line is divided here among a config's stages.

use serde::{Deserialize, Serialize};

/// `[budget]`: when the search ends, whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Fitness evaluations of the search and of recipes put in by hand; baselines are not counted.
    pub evaluations: u64,
    /// Tokens generated, baselines included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Seconds spent on candidates, baselines included, pauses not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// A fitness on the training questions at which the search ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Generations in a row without a new best candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stagnation: Option<u64>,
}

impl Budget {
    /// Checks the limits.
    pub(super) fn check(&self) -> Result<(), String> {
        let limits = [("seconds", self.seconds), ("target", self.target)];
        match limits.into_iter().find_map(|(key, limit)| Some((key, limit.filter(|l| !l.is_finite())?))) {
            Some((key, bad)) => Err(format!("`budget.{key}` is {bad}: give a finite number")),
            None => Ok(()),
        }
    }
}

/// The budget in a config's text. It is empty for a config with stages, since each stage has its own.
#[must_use]
pub fn budget_in(config: &str) -> Budget {
    let mut document: toml::Table = toml::from_str(config).unwrap_or_default();
    document.remove("budget").and_then(|budget| budget.try_into().ok()).unwrap_or_default()
}

/// Divides a number of evaluations among a config's stages, in proportion to each stage's own number.
pub(super) fn share_budget(stages: &mut [&mut dyn toml_edit::TableLike], budget: u64) -> anyhow::Result<()> {
    let of = |stage: &dyn toml_edit::TableLike| {
        stage.get("budget").and_then(|b| b.get("evaluations")).and_then(toml_edit::Item::as_integer)
    };
    let planned: Vec<u64> =
        stages.iter().map(|s| of(&**s).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)).collect();
    let all = planned.iter().sum::<u64>().max(1);
    let (mut before, mut given) = (0, 0);
    for (stage, planned) in stages.iter_mut().zip(planned) {
        before += planned;
        // The running sums are rounded, not the shares, so that the shares add up to the budget.
        let until = u64::try_from(u128::from(budget) * u128::from(before) / u128::from(all))?;
        let budget = stage.entry("budget").or_insert_with(toml_edit::table);
        budget["evaluations"] = toml_edit::value(i64::try_from(until - given)?);
        given = until;
    }
    Ok(())
}
