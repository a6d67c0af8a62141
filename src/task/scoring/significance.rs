//! Whether two models differ on the same questions: `McNemar`'s test (1947), on the questions that only one of them got
//! right. `compare` reports it.

use serde::Serialize;

/// Below this number of changed answers the exact test is used.
const EXACT_BELOW: u64 = 25;

/// The test's result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct McNemar {
    /// Questions that only the second model got right.
    pub gained: u64,
    /// Questions that only the first model got right.
    pub lost: u64,
    /// Two-sided p-value: the probability of a split at least as uneven if both models are equally good.
    pub p: f64,
    /// The form of the test that gave `p`.
    pub test: Test,
}

/// The form of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Binomial, for fewer than 25 changes.
    Exact,
    /// χ² with one degree of freedom and Edwards's continuity correction.
    ChiSquared,
}

impl Test {
    /// The test's form in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "McNemar, exact binomial",
            Self::ChiSquared => "McNemar, χ² with continuity correction",
        }
    }
}

/// `McNemar`'s test.
#[must_use]
pub fn mcnemar(gained: u64, lost: u64) -> McNemar {
    let changed = gained + lost;
    if changed < EXACT_BELOW {
        return McNemar { gained, lost, p: two_sided(gained.min(lost), changed), test: Test::Exact };
    }
    let distance = (gained.abs_diff(lost) as f64 - 1.0).max(0.0);
    let chi2 = distance * distance / changed as f64;
    // The upper tail of χ² with one degree of freedom.
    let p = libm::erfc((chi2 / 2.0).sqrt());
    McNemar { gained, lost, p, test: Test::ChiSquared }
}

/// Twice the probability of at most `least` heads in `n` throws of a fair coin; never more than 1.
fn two_sided(least: u64, n: u64) -> f64 {
    let (mut ways, mut sum) = (1.0, 0.0);
    for k in 0..=least {
        sum += ways;
        ways *= (n - k) as f64 / (k + 1) as f64;
    }
    (2.0 * sum / 2f64.powi(n as i32)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference figures: scipy 1.x, `binomtest(k, n, 0.5).pvalue` and `chi2.sf(x, 1)`.
    #[test]
    fn known_figures() {
        for (gained, lost, p) in
            [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (6, 0, 0.031_25), (10, 2, 0.038_574_218_75)]
        {
            let found = mcnemar(gained, lost);
            assert_eq!(found.test, Test::Exact);
            assert!((found.p - p).abs() < 1e-15, "{gained} {lost}: {}", found.p);
        }
        for (gained, lost, p) in [
            (15, 10, 0.423_710_797_166_793_6),
            (30, 10, 0.002_663_119_259_138_558),
            (60, 20, 1.298_649_254_197_295_9e-05),
            (13, 13, 1.0),
        ] {
            let found = mcnemar(gained, lost);
            assert_eq!(found.test, Test::ChiSquared);
            assert!((found.p / p - 1.0).abs() < 1e-10, "{gained} {lost}: {}", found.p);
        }
    }
}
