//! Turns many verdicts into one figure a metric. A task's verdicts come in, the means for the fitness go out. The
//! evaluation calls it.

use std::collections::BTreeMap;

use super::metric::{Metric, Value};
use super::{Verdict, bootstrap_medians};
use crate::task::{Question, Task};

/// Means over a candidate's answers, each in [0, 1].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Means {
    /// Share of answers that are right and in the task's language (`acc_in_language`, `acc_ja`).
    pub both: f64,
    /// Share of right answers (`acc`).
    pub correct: f64,
    /// Share of answers in the task's language, right or wrong.
    pub in_language: f64,
    /// The value of the task's first metric.
    pub score: f64,
    /// The values of all the task's metrics, by name.
    pub metrics: BTreeMap<String, f64>,
}

impl Task {
    /// Means over the verdicts on the given answers.
    #[must_use]
    pub fn means(&self, judged: &[(&Question, &Verdict)]) -> Means {
        let verdicts: Vec<_> = judged.iter().map(|(q, v)| (*v, q.gold_choice)).collect();
        means(&self.metrics, &verdicts)
    }
}

/// Means over verdicts. Each verdict comes with the index of the right choice if its question has choices. The first of
/// `metrics` is the score.
fn means(metrics: &[Metric], verdicts: &[(&Verdict, Option<usize>)]) -> Means {
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
    // ROUGE's kinds share one random stream. They are drawn in the table's order, even if the task names only some of
    // them.
    let kinds: Vec<Metric> = Metric::ALL.into_iter().filter(|m| m.is_bootstrapped()).collect();
    let medians = if metrics.iter().any(|m| m.is_bootstrapped()) {
        let scores: Vec<Vec<f64>> = kinds.iter().map(|m| values(*m)).collect();
        bootstrap_medians(&scores.iter().map(Vec::as_slice).collect::<Vec<_>>())
    } else {
        Vec::new()
    };
    for metric in metrics {
        let value = match metric.spec().value {
            Value::Right => out.correct,
            Value::Choices(of) => of(&pairs),
            Value::Taken(_) | Value::Text(_) | Value::Scored => values(*metric).iter().sum::<f64>() / n,
            Value::Rouge(_) => {
                kinds.iter().position(|m| m == metric).and_then(|i| medians.get(i)).copied().unwrap_or(0.0)
            }
        };
        out.metrics.insert(metric.name().to_owned(), value);
    }
    out.score = metrics.first().and_then(|m| out.metrics.get(m.name())).copied().unwrap_or(out.correct);
    out
}
