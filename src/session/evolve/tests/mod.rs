//! Tests of the run with an invented fitness.

mod course;
mod ends;
mod estimates;
mod numbers;
mod races;
mod stages;

use super::*;
use crate::evaluate::SetupFacts;
use crate::recipe::LayerGroup;
use crate::session::protocol::{SplitScore, Target};
use crate::session::toy::{self, CONFIG, facts, folded, scores, start, start_from, start_with, store};

/// The fitness is highest if every weight of x is 0.9 and every weight of y is 0.1. Some candidates fail.
fn measure(work: &Work) -> Result<Vec<SplitScore>, String> {
    let fitness = match &work.candidate.target {
        Target::Model(name) => 0.1 * name.len() as f64,
        Target::Recipe(recipe) => {
            let want = [0.9, 0.1];
            let mut miss = 0.0;
            for (source, want) in recipe.sources.iter().zip(want) {
                miss +=
                    LayerGroup::all(2).map(|g| (source.weight().get(g).unwrap() - want).powi(2)).sum::<f64>();
            }
            (-miss).exp()
        }
    };
    if work.candidate.id % 7 == 6 && work.kind == WorkKind::Fitness {
        return Err("out of memory".into());
    }
    let fitness = if work.candidate.id % 11 == 10 { f64::NAN } else { fitness };
    Ok(scores(work, fitness, 10))
}

/// The value of each question: right or wrong by a number that belongs to the question, so that more are right as the
/// fitness rises. A block's fitness is their mean.
fn block(work: &Work) -> (Result<Vec<SplitScore>, String>, Vec<f64>) {
    let whole = Work { kind: WorkKind::Baseline, ..work.clone() };
    let fitness = match measure(&whole) {
        Ok(scores) => scores[0].score.fitness,
        Err(why) => return (Err(why), Vec::new()),
    };
    let questions = work.questions.as_deref().unwrap_or_default();
    let values: Vec<f64> =
        questions.iter().map(|q| if (q * 37 % 60) as f64 / 60.0 < fitness { 1.0 } else { 0.0 }).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (Ok(scores(work, mean, values.len() as u64)), values)
}

fn answer(run: &Evolution, work: &Work) -> Event {
    if work.kind == WorkKind::Block {
        let (scores, values) = block(work);
        return run.measured_with(work, scores, values);
    }
    run.measured(work, measure(work))
}

/// Runs to the end. A recipe is injected before the event with number `at`.
fn finish(records: Vec<Record>, run: Evolution, inject: Option<(usize, f64)>) -> Vec<Record> {
    let between = |records: &[Record], run: &Evolution| {
        let (_, weight) = inject.filter(|(at, _)| records.len() == *at)?;
        Some(run.inject(&run.config.global_recipe(&[weight, 0.1])).unwrap())
    };
    toy::finish(records, run, between, answer)
}

fn racing(error: f64) -> String {
    CONFIG.replace("[search]", &format!("[racing]\nblock = 7\nerror = {error}\n[search]"))
}
