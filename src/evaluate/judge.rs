//! Judges a task's answers. A model's answer to each question comes in; the verdicts and means of each split go out.
//! The evaluator calls it.

use super::score::{Answer, ImageRef, Score};
use super::task_runner::ModelAnswer;
use super::types::{SplitQuestions, SplitResult};
use crate::task::{Fitness, Question, Task, Verdict};

/// The verdict on each answer and the means of each split. `said` is in the order of `ask`; `images` tells where
/// a question's pictures lie.
pub(super) fn judge(
    ask: &[SplitQuestions],
    task: &Task,
    fitness: &Fitness,
    said: Vec<ModelAnswer>,
    images: &dyn Fn(&Question) -> Vec<ImageRef>,
) -> Vec<SplitResult> {
    let mut said = said.into_iter();
    let mut out = Vec::new();
    for a in ask {
        let mut judged: Vec<(&Question, Verdict)> = Vec::new();
        let (mut answers, mut seconds) = (Vec::new(), Vec::new());
        for (&index, said) in a.questions.iter().zip(said.by_ref()) {
            let question = &task.questions(a.split)[index];
            let verdict = match &said.log_likelihoods {
                Some(all) => task.choose(question, all),
                None => task.score(question, &said.text),
            };
            let text = match &verdict.detail.choice {
                Some(choice) => question.choices.get(*choice).cloned().unwrap_or_default(),
                None => said.text,
            };
            seconds.push(said.seconds);
            answers.push(Answer {
                index,
                id: question.id.clone(),
                question: question.question.clone(),
                gold: question.gold.clone(),
                images: images(question),
                text,
                number: verdict.number.clone(),
                correct: verdict.correct,
                language: verdict.language.clone(),
                p_language: verdict.p_language,
                tokens: said.tokens as u64,
                lenient_correct: Some(verdict.lenient_correct),
                in_language: Some(verdict.in_language),
                detail: verdict.detail.clone(),
            });
            judged.push((question, verdict));
        }
        let judged: Vec<(&Question, &Verdict)> = judged.iter().map(|(q, v)| (*q, v)).collect();
        let means = task.means(&judged);
        let values: Vec<f64> = judged.iter().map(|one| fitness.eval(&task.means(&[*one]))).collect();
        // A fitness that is not a weighted sum may have no finite value for a single question; then none are kept.
        let values = if values.iter().all(|v| v.is_finite()) { values } else { Vec::new() };
        let score = Score {
            fitness: fitness.eval(&means),
            acc: means.correct,
            acc_in_language: means.both,
            in_language: means.in_language,
            n: answers.len() as u64,
        };
        out.push(SplitResult {
            split: a.split,
            score,
            metrics: means.metrics,
            tasks: Vec::new(),
            answers,
            seconds,
            values,
        });
    }
    out
}
