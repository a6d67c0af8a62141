//! Tables of an evaluation. The measured tasks come in; a table for the terminal, in Markdown, or as JSON in the shape
//! of lm-evaluation-harness goes out. `yosegi eval` calls it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Done;
use crate::locale::in_locale;
use crate::task::{Kind, Metric, Task, share_names};
use crate::text::visible_line;

/// A task of a suite: its measurement, or the reason that it was left out.
pub(super) struct Row {
    pub name: String,
    pub done: Result<Done, String>,
}

/// A task's first metric, as a share of 1.
fn score(done: &Done) -> f64 {
    done.task.metrics.first().and_then(|m| value(done, *m)).unwrap_or(done.measured.score.acc)
}

fn value(done: &Done, metric: Metric) -> Option<f64> {
    done.measured.metrics.get(metric.name()).copied()
}

/// Whether a task's answers are numbers.
pub(super) fn is_number(task: &Task) -> bool {
    task.kind == Kind::Generate && task.scorer.is_number()
}

/// Mean score of the tasks that were measured.
pub(super) fn mean(rows: &[Row]) -> f64 {
    let scores: Vec<f64> = rows.iter().flat_map(|r| &r.done).map(score).collect();
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}

/// All metrics of a task in one line.
pub(super) fn figures(done: &Done) -> String {
    let one = |m: &Metric| Some(format!("{} {:.1}%", done.task.label(*m), 100.0 * value(done, *m)?));
    done.task.metrics.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// The line printed when a task of a suite is done.
pub(super) fn line(done: &Done) -> String {
    format!("{}: {} ({} questions)", visible_line(&done.task.name), figures(done), done.measured.score.n)
}

/// A table for the terminal.
pub(super) fn table(suite: &str, rows: &[Row]) -> String {
    let width = rows.iter().map(|r| r.name.chars().count()).max().unwrap_or(0).max(4);
    let mut out = format!("{:width$}  {:>5}  {:>7}  metric\n", "task", "n", "score");
    for row in rows {
        let name = visible_line(&row.name);
        let _ = match &row.done {
            Ok(done) => {
                let metric = done.task.metrics.first().map(|m| done.task.label(*m)).unwrap_or_default();
                let (n, score) = (done.measured.score.n, 100.0 * score(done));
                writeln!(out, "{name:width$}  {n:>5}  {score:>7.1}  {metric}")
            }
            Err(_) => writeln!(out, "{name:width$}  {:>5}  {:>7}  its data are not here", "", "–"),
        };
    }
    let _ = write!(out, "{:width$}  {:>5}  {:>7.1}  {}", "mean", "", 100.0 * mean(rows), of(suite, rows));
    in_locale(out)
}

/// `of 8 tasks`, or how many of the suite's tasks the mean covers.
fn of(suite: &str, rows: &[Row]) -> String {
    let here = rows.iter().filter(|r| r.done.is_ok()).count();
    if here == rows.len() {
        format!("of {here} tasks")
    } else {
        format!("of {here} of the {} tasks of {}", rows.len(), visible_line(suite))
    }
}

/// One row for the model, as in the paper's table 2: a column for each task, and the mean.
pub(super) fn markdown(model: &str, suite: &str, rows: &[Row]) -> String {
    let cell = |text: &str| visible_line(text).replace('|', "\\|");
    let (mut head, mut rule, mut body) =
        ("| Model |".to_owned(), "|---|".to_owned(), format!("| {} |", cell(model)));
    for row in rows {
        let (metric, score) = match &row.done {
            Ok(done) => {
                let metric = done.task.metrics.first().map(|m| done.task.label(*m)).unwrap_or_default();
                (metric, format!("{:.1}", 100.0 * score(done)))
            }
            Err(_) => (String::new(), "–".to_owned()),
        };
        let _ = write!(head, " {} {metric} |", cell(&row.name));
        rule.push_str("---:|");
        let _ = write!(body, " {score} |");
    }
    let _ = write!(head, " Mean {} |", cell(&of(suite, rows)));
    rule.push_str("---:|");
    let _ = write!(body, " {:.1} |", 100.0 * mean(rows));
    in_locale(format!("{head}\n{rule}\n{body}"))
}

/// `results`, `versions` and `n-samples` as lm-evaluation-harness writes them. Each metric that is a mean over answers
/// has its standard error; text metrics run from 0 to 100.
pub(super) fn harness(rows: &[Row]) -> Map<String, Value> {
    let (mut results, mut versions, mut samples) = (Map::new(), Map::new(), Map::new());
    for done in rows.iter().flat_map(|r| &r.done) {
        let name = done.task.name.clone();
        let mut block = Map::new();
        block.insert("alias".to_owned(), json!(name));
        for metric in &done.task.metrics {
            let Some(value) = value(done, *metric) else { continue };
            block.insert(format!("{metric},none"), json!(value * metric.scale()));
            if let Some(error) = standard_error(done, *metric) {
                block.insert(format!("{metric}_stderr,none"), json!(error * metric.scale()));
            }
        }
        if done.task.language.is_some() {
            let [name, _] = share_names(done.task.language.as_deref());
            block.insert(format!("{name},none"), json!(done.measured.score.acc_in_language));
        }
        results.insert(name.clone(), Value::Object(block));
        versions.insert(name.clone(), json!(done.task.version));
        let original = done.task.train.len().max(done.task.test.len());
        samples.insert(name, json!({ "original": original, "effective": done.measured.score.n }));
    }
    let mut out = Map::new();
    out.insert("results".to_owned(), Value::Object(results));
    out.insert("versions".to_owned(), Value::Object(versions));
    out.insert("n-samples".to_owned(), Value::Object(samples));
    out
}

/// Standard error of a mean over answers: the sample's standard deviation divided by the root of the number of answers.
fn standard_error(done: &Done, metric: Metric) -> Option<f64> {
    let value = |a: &crate::evaluate::Answer| match metric {
        Metric::Acc => Some(f64::from(u8::from(a.correct))),
        _ => a.detail.metrics.get(metric.name()).copied(),
    };
    let values: Vec<f64> = done.measured.answers.iter().map(value).collect::<Option<_>>()?;
    if values.len() < 2 || metric.is_bootstrapped() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some((variance / n).sqrt())
}
