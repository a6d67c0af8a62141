//! Times candidates on a few questions. A setup and candidates come in; what each cost goes out. A session's plan
//! reckons from it how long the whole search takes.
//!
//! The first candidate also pays for what is read once: models, and the histograms of a first trim. The second answers as
//! many questions as a bound on the time allows. Where that is a matter of a moment, further ones follow, whose prompts
//! are known and whose mean tells more.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::super::evaluator::{EvalRequest, Evaluator};
use super::super::score::Cost;
use super::super::types::{EvalSetup, Progress, SplitQuestions, Target};
use crate::task::Split;

/// Questions that a candidate answers at least. The first one answers half of them.
const MEASURED_QUESTIONS: usize = 8;
/// Seconds that the second candidate may take to answer more than those.
const MEASURE_SECONDS: f64 = 20.0;
/// Seconds that all candidates may take for further ones to be timed.
const FURTHER_SECONDS: f64 = 6.0;

/// What to time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureRequest {
    /// The candidates, in the order in which they are timed.
    pub targets: Vec<Target>,
    /// Number of training questions that there are.
    pub of: usize,
    /// Questions for each candidate but the first, which answers half of them; `None`: as many as take a moment.
    pub questions: Option<usize>,
}

/// A candidate that was timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Number of questions that it answered.
    pub answers: usize,
    pub cost: Cost,
    /// Seconds from the start to the last verdict.
    pub seconds: f64,
    /// Tokens of the longest answer.
    pub longest: u64,
    /// Bytes of the answers' texts.
    pub text_bytes: u64,
}

impl Timed {
    /// Seconds for answers and verdicts.
    #[must_use]
    pub fn answering(&self) -> f64 {
        self.seconds - self.cost.merge_s
    }
}

/// Times the candidates, one after another: two of them, and the others as far as they take a moment.
///
/// # Errors
/// As of [`Evaluator::evaluate`].
pub fn measure(
    evaluator: &mut Evaluator,
    setup: &EvalSetup,
    request: &MeasureRequest,
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> anyhow::Result<Vec<Timed>> {
    let few = request.questions.unwrap_or(MEASURED_QUESTIONS).clamp(1, request.of.max(1));
    let mut out: Vec<Timed> = Vec::with_capacity(request.targets.len());
    for target in &request.targets {
        let count = match out.as_slice() {
            // Another number than the second's: what grows with the questions is told from what does not.
            [] => few.div_ceil(2),
            [first] if request.questions.is_none() => within(first, few, request.of),
            [_] => few,
            [_, second, ..] => second.answers,
        };
        let spent: f64 = out.iter().map(|timed| timed.seconds).sum();
        if out.len() > 1 && spent + out[1].seconds > FURTHER_SECONDS {
            break;
        }
        // Evenly over all questions, so that every task is asked.
        let questions = (0..count).map(|i| i * request.of / count).collect();
        let ask = [SplitQuestions { split: Split::Train, questions }];
        let began = Instant::now();
        let request = EvalRequest { setup, target, ask: &ask, watch: &[], decoding: None };
        let (splits, cost) = evaluator.evaluate(&request, progress, cancel)?;
        let answers = || splits.iter().flat_map(|split| &split.answers);
        out.push(Timed {
            answers: count,
            cost,
            seconds: began.elapsed().as_secs_f64(),
            longest: answers().map(|answer| answer.tokens).max().unwrap_or(0),
            text_bytes: answers().map(|answer| answer.text.len() as u64).sum(),
        });
    }
    Ok(out)
}

/// As many questions as answer in a moment at the last candidate's pace.
fn within(last: &Timed, least: usize, most: usize) -> usize {
    let pace = last.answering() / last.answers.max(1) as f64;
    let fits = (MEASURE_SECONDS / pace.max(1e-6)).min(1e9) as usize;
    fits.clamp(least.min(most), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_model_is_asked_few_questions() {
        let timed = |seconds| Timed { answers: 8, seconds, ..Timed::default() };
        assert_eq!(within(&timed(0.08), 8, 300), 300);
        assert_eq!(within(&timed(8.0), 8, 300), MEASURE_SECONDS as usize);
        assert_eq!(within(&timed(900.0), 8, 300), 8);
        assert_eq!(within(&timed(900.0), 8, 3), 3);
    }
}
