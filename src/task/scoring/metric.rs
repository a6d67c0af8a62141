//! The metrics that a task reports, by the names that lm-evaluation-harness gives them. Each is a row of [`TABLE`],
//! which says where its value comes from; the judge and the means follow from it.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Rouge, Squad, squad};
use crate::task::{Kind, Segmenter};

/// A figure over a task's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of right answers.
    Acc,
    /// Share of questions whose right choice is the likeliest by log-likelihood per character.
    AccNorm,
    /// Mean, over the right choices, of the share of right answers. Each class has the same weight.
    BalancedAcc,
    /// Matthews correlation between the right choices and the choices taken (Gorodkin's, for several classes).
    Mcc,
    /// Mean of F1 over the choices.
    MacroF1,
    /// The normalised answer is one of the accepted ones.
    ExactMatch,
    /// Overlap with the accepted answer that is nearest, by the rules of `SQuAD`.
    F1,
    Rouge1,
    Rouge2,
    #[serde(rename = "rougeL")]
    RougeL,
    /// Share of the facts that the answer names rightly and in order; 0 for an answer in another language than the
    /// task's.
    Facts,
}

/// A row of the table of metrics.
pub(in crate::task) struct MetricSpec {
    metric: Metric,
    name: &'static str,
    /// The source of the metric's value.
    pub value: Value,
    /// The value depends on how a text is cut into words.
    words: bool,
}

/// The source of a metric's value.
pub(in crate::task) enum Value {
    /// The share of right answers.
    Right,
    /// A function of the pairs (right choice, choice taken) of all answers.
    Choices(fn(&[(usize, usize)]) -> f64),
    /// The share of questions for which a function of the choices' log-likelihoods and texts picks the right choice.
    Taken(fn(&[f64], &[String]) -> Option<usize>),
    /// The mean over answers of a function of the answer's text.
    Text(fn(&TextAnswer) -> f64),
    /// The mean over answers of a value that the scorer computes.
    Scored,
    /// The bootstrap median of the means of one kind of ROUGE.
    Rouge(fn(&Rouge) -> f64),
}

/// A written answer and the accepted answers of its question.
pub(in crate::task) struct TextAnswer<'a> {
    pub golds: &'a [&'a str],
    /// The answer, or the part that the task extracts from it.
    pub answer: &'a str,
    pub segmenter: &'a Segmenter,
    squad: OnceCell<Squad>,
}

impl<'a> TextAnswer<'a> {
    pub fn new(golds: &'a [&'a str], answer: &'a str, segmenter: &'a Segmenter) -> Self {
        Self { golds, answer, segmenter, squad: OnceCell::new() }
    }

    /// The scores of the answer by the rules of `SQuAD`.
    pub fn squad(&self) -> &Squad {
        self.squad.get_or_init(|| squad(self.golds, self.answer, self.segmenter))
    }
}

const fn row(metric: Metric, name: &'static str, words: bool, value: Value) -> MetricSpec {
    MetricSpec { metric, name, value, words }
}

/// Every metric, in the order of the documentation.
const TABLE: [MetricSpec; 11] = [
    row(Metric::Acc, "acc", false, Value::Right),
    row(Metric::AccNorm, "acc_norm", false, Value::Taken(likeliest_per_character)),
    row(Metric::BalancedAcc, "balanced_acc", false, Value::Choices(balanced)),
    row(Metric::Mcc, "mcc", false, Value::Choices(matthews)),
    row(Metric::MacroF1, "macro_f1", false, Value::Choices(macro_f1)),
    row(Metric::ExactMatch, "exact_match", false, Value::Text(|a| a.squad().exact_match)),
    row(Metric::F1, "f1", true, Value::Text(|a| a.squad().f1)),
    row(Metric::Rouge1, "rouge1", true, Value::Rouge(|r| r.rouge1)),
    row(Metric::Rouge2, "rouge2", true, Value::Rouge(|r| r.rouge2)),
    row(Metric::RougeL, "rougeL", true, Value::Rouge(|r| r.rouge_l)),
    row(Metric::Facts, "facts", false, Value::Scored),
];

impl Metric {
    /// Every metric, in the order of the documentation.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::Acc; TABLE.len()];
        let mut i = 0;
        while i < all.len() {
            // The table's order is the order of the variants, so that a metric's number is the index of its row.
            assert!(TABLE[i].metric as usize == i);
            all[i] = TABLE[i].metric;
            i += 1;
        }
        all
    };

    /// The metric's row in the table.
    pub(in crate::task) const fn spec(self) -> &'static MetricSpec {
        const ROWS: &[MetricSpec; TABLE.len()] = &TABLE;
        &ROWS[self as usize]
    }

    /// The metric's name in task files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Whether a task of this kind can report the metric.
    #[must_use]
    pub fn suits(self, kind: Kind) -> bool {
        match self.spec().value {
            Value::Right => true,
            Value::Choices(_) | Value::Taken(_) => kind != Kind::Generate,
            Value::Text(_) | Value::Rouge(_) | Value::Scored => kind == Kind::Generate,
        }
    }

    /// Whether the metric compares words, so that it depends on the segmenter.
    #[must_use]
    pub const fn needs_words(self) -> bool {
        self.spec().words
    }

    /// Whether the metric compares the answer's text with the right answer's.
    #[must_use]
    pub const fn compares_texts(self) -> bool {
        matches!(self.spec().value, Value::Text(_) | Value::Rouge(_))
    }

    /// Whether the metric is a bootstrap median; the standard error of a mean does not apply to it.
    #[must_use]
    pub const fn is_bootstrapped(self) -> bool {
        matches!(self.spec().value, Value::Rouge(_))
    }

    /// The harness's number for a share of 1: its text metrics go up to 100.
    #[must_use]
    pub const fn scale(self) -> f64 {
        match self.spec().value {
            Value::Text(_) | Value::Rouge(_) => 100.0,
            Value::Right | Value::Choices(_) | Value::Taken(_) | Value::Scored => 1.0,
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The choice with the greatest log-likelihood per character, the first of equals.
fn likeliest_per_character(log_likelihoods: &[f64], choices: &[String]) -> Option<usize> {
    argmax(log_likelihoods.iter().zip(choices).map(|(l, c)| l / c.chars().count().max(1) as f64))
}

/// Index of the greatest value, the first of equals.
pub(super) fn argmax(values: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, value) in values.enumerate() {
        if best.is_none_or(|(_, b)| value > b) {
            best = Some((i, value));
        }
    }
    best.map(|(i, _)| i)
}

/// Mean over classes of the share of right answers in each.
fn balanced(pairs: &[(usize, usize)]) -> f64 {
    let mut classes: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (gold, taken) in pairs {
        let class = classes.entry(*gold).or_default();
        class.0 += f64::from(u8::from(gold == taken));
        class.1 += 1.0;
    }
    classes.values().map(|(right, n)| right / n).sum::<f64>() / classes.len().max(1) as f64
}

/// Matthews correlation for several classes (Gorodkin 2004), as scikit-learn computes it.
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

/// Mean of F1 over the classes that occur as right choice or choice taken. A class without a hit has F1 0.
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

    /// scikit-learn 1.9 gives the expected values (`matthews_corrcoef`, `f1_score(average="macro")`).
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

    #[test]
    fn a_metric_is_read_by_the_name_that_it_is_reported_by() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
        }
        let all = |kind| Metric::ALL.into_iter().filter(|m| m.suits(kind)).count();
        assert_eq!((all(Kind::Generate), all(Kind::Choice)), (7, 5));
    }
}
