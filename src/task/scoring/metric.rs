//! The figures that a task reports, by the names that lm-evaluation-harness gives them, and how
//! they come from the verdicts on single answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Means, Verdict, bootstrap_medians};
use crate::task::Kind;

/// A figure over a task's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of right answers.
    Acc,
    /// Share of questions whose right choice is the likeliest by log-likelihood per character.
    AccNorm,
    /// Mean over the right choices of the share of right answers: each class counts alike.
    BalancedAcc,
    /// Matthews correlation of the right and the taken choices (Gorodkin's, for several classes).
    Mcc,
    /// Mean over the choices of F1.
    MacroF1,
    /// The normalised answer is one of the accepted ones.
    ExactMatch,
    /// Overlap with the nearest accepted answer, as `SQuAD` counts it.
    F1,
    Rouge1,
    Rouge2,
    #[serde(rename = "rougeL")]
    RougeL,
}

impl Metric {
    /// All of them, in the order of the docs.
    pub const ALL: [Self; 10] = [
        Self::Acc,
        Self::AccNorm,
        Self::BalancedAcc,
        Self::Mcc,
        Self::MacroF1,
        Self::ExactMatch,
        Self::F1,
        Self::Rouge1,
        Self::Rouge2,
        Self::RougeL,
    ];

    /// Its name in task files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acc => "acc",
            Self::AccNorm => "acc_norm",
            Self::BalancedAcc => "balanced_acc",
            Self::Mcc => "mcc",
            Self::MacroF1 => "macro_f1",
            Self::ExactMatch => "exact_match",
            Self::F1 => "f1",
            Self::Rouge1 => "rouge1",
            Self::Rouge2 => "rouge2",
            Self::RougeL => "rougeL",
        }
    }

    /// Whether a task of this kind can have it.
    #[must_use]
    pub fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Acc => true,
            Self::AccNorm | Self::BalancedAcc | Self::Mcc | Self::MacroF1 => kind != Kind::Generate,
            Self::ExactMatch | Self::F1 | Self::Rouge1 | Self::Rouge2 | Self::RougeL => {
                kind == Kind::Generate
            }
        }
    }

    /// Whether it compares words, so that it depends on what cuts them.
    #[must_use]
    pub const fn needs_words(self) -> bool {
        matches!(self, Self::F1 | Self::Rouge1 | Self::Rouge2 | Self::RougeL)
    }

    /// What one share of 1 is in the harness's reports: its text metrics count to 100.
    #[must_use]
    pub const fn scale(self) -> f64 {
        match self {
            Self::ExactMatch | Self::F1 | Self::Rouge1 | Self::Rouge2 | Self::RougeL => 100.0,
            _ => 1.0,
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Means over verdicts, with the right choice of each where there are choices; of ROUGE the
/// reference's bootstrap median of means.
/// The first of `metrics` is the score.
pub(in crate::task) fn means(metrics: &[Metric], verdicts: &[(&Verdict, Option<usize>)]) -> Means {
    let n = verdicts.len().max(1) as f64;
    let share = |is: &dyn Fn(&Verdict) -> bool| verdicts.iter().filter(|(v, _)| is(v)).count() as f64 / n;
    let mut out = Means {
        both: share(&|v| v.correct && v.in_language),
        correct: share(&|v| v.correct),
        in_language: share(&|v| v.in_language),
        ..Means::default()
    };
    let pairs: Vec<(usize, usize)> =
        verdicts.iter().filter_map(|(v, gold)| Some(((*gold)?, v.choice?))).collect();
    let values = |metric: Metric| -> Vec<f64> {
        verdicts.iter().filter_map(|(v, _)| v.metrics.get(metric.name()).copied()).collect()
    };
    let rouge =
        metrics.iter().any(|m| matches!(m, Metric::Rouge1 | Metric::Rouge2 | Metric::RougeL)).then(|| {
            let all = [values(Metric::Rouge1), values(Metric::Rouge2), values(Metric::RougeL)];
            bootstrap_medians([&all[0], &all[1], &all[2]])
        });
    for metric in metrics {
        let value = match metric {
            Metric::Acc => out.correct,
            Metric::BalancedAcc => balanced(&pairs),
            Metric::Mcc => matthews(&pairs),
            Metric::MacroF1 => macro_f1(&pairs),
            Metric::Rouge1 => rouge.map_or(0.0, |r| r[0]),
            Metric::Rouge2 => rouge.map_or(0.0, |r| r[1]),
            Metric::RougeL => rouge.map_or(0.0, |r| r[2]),
            _ => values(*metric).iter().sum::<f64>() / n,
        };
        out.metrics.insert(metric.name().to_owned(), value);
    }
    out.score = metrics.first().and_then(|m| out.metrics.get(m.name())).copied().unwrap_or(out.correct);
    out
}

/// Mean over classes of the share of right ones.
fn balanced(pairs: &[(usize, usize)]) -> f64 {
    let mut classes: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (gold, taken) in pairs {
        let class = classes.entry(*gold).or_default();
        class.0 += f64::from(u8::from(gold == taken));
        class.1 += 1.0;
    }
    classes.values().map(|(right, n)| right / n).sum::<f64>() / classes.len().max(1) as f64
}

/// Matthews correlation for several classes (Gorodkin 2004), as scikit-learn has it.
fn matthews(pairs: &[(usize, usize)]) -> f64 {
    let n = pairs.len() as f64;
    let mut counts: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (gold, taken) in pairs {
        counts.entry(*gold).or_default().0 += 1.0;
        counts.entry(*taken).or_default().1 += 1.0;
    }
    let right = pairs.iter().filter(|(g, t)| g == t).count() as f64;
    let sum = |f: &dyn Fn(&(f64, f64)) -> f64| counts.values().map(f).sum::<f64>();
    let covariance = right * n - sum(&|(g, t)| g * t);
    let spread = ((n * n - sum(&|(_, t)| t * t)) * (n * n - sum(&|(g, _)| g * g))).sqrt();
    if spread == 0.0 { 0.0 } else { covariance / spread }
}

/// Mean over classes, seen or taken, of F1; a class without any hit counts 0.
fn macro_f1(pairs: &[(usize, usize)]) -> f64 {
    let mut classes: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (gold, taken) in pairs {
        if gold == taken {
            classes.entry(*gold).or_default().0 += 2.0;
        }
        classes.entry(*gold).or_default().1 += 1.0;
        classes.entry(*taken).or_default().1 += 1.0;
    }
    classes.values().map(|(hits, all)| hits / all).sum::<f64>() / classes.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values by scikit-learn 1.9 (`matthews_corrcoef`, `f1_score(average="macro")`).
    #[test]
    fn class_metrics_are_scikit_learns() {
        let golds = [0, 0, 0, 1, 1, 2, 2, 2, 2, 1];
        let taken = [0, 1, 0, 1, 1, 0, 2, 2, 1, 0];
        let pairs: Vec<_> = golds.into_iter().zip(taken).collect();
        assert!((balanced(&pairs) - 0.611_111_111).abs() < 1e-8);
        assert!((matthews(&pairs) - 0.430_820_218).abs() < 1e-8);
        assert!((macro_f1(&pairs) - 0.603_174_603).abs() < 1e-8);
        let alike = vec![(1, 1); 4];
        assert!(matthews(&alike).abs() < 1e-12 && (macro_f1(&alike) - 1.0).abs() < 1e-12);
        assert!(balanced(&[]).abs() < 1e-12);
    }
}
