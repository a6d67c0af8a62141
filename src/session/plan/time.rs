//! How long a session takes, reckoned from candidates that were timed. The plan calls it.
//!
//! All candidates after the first are alike. Its time grows with the questions in three parts: tokens of prompts,
//! of which a shared beginning counts once; steps of the decoder, which answers in one batch share; and tokens of each
//! answer in a step. The first candidate answers fewer questions, which tells the last two apart.

use super::types::{PlannedTime, RunPlan};
use crate::evaluate::Cost;
use crate::evaluate::plan::{AskedSplit, PlannedTask, Timed};

/// What answering takes.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Seconds of a question's verdict.
    verdict: f64,
    /// Seconds of a prompt's token.
    prompt: f64,
    prompts: Prompts,
    /// Seconds of a step of the decoder, whatever its batch.
    step: f64,
    /// Seconds of a token in a step.
    token: f64,
    longest: f64,
    /// Answers in a step at most.
    batch: f64,
    tokens_an_answer: f64,
}

/// Tokens of prompts: of the beginning that all share, and of the rest of each.
#[derive(Clone, Copy, Debug, Default)]
struct Prompts {
    shared: f64,
    own: f64,
}

impl Prompts {
    /// `None` for prompts that could not be counted.
    fn of(tasks: &[PlannedTask]) -> Option<Self> {
        let mut out = Self::default();
        let questions: usize = tasks.iter().map(|task| task.train.questions).sum();
        for AskedSplit { questions: n, prompt_tokens, shared_tokens, .. } in tasks.iter().map(|t| t.train) {
            let shared = shared_tokens as f64;
            out.shared += shared;
            out.own += (prompt_tokens? - shared).max(0.0) * n as f64 / questions.max(1) as f64;
        }
        (out.own > 0.0).then_some(out)
    }

    fn tokens(self, questions: f64) -> f64 {
        self.shared + questions * self.own
    }
}

/// Answers that one batch holds, all threads together, if memory says nothing: more of them take further steps.
const BATCH: f64 = 256.0;

impl Pace {
    fn of(first: &Timed, then: &Timed, prompts: Option<Prompts>, batch: f64) -> Self {
        let per = |x: f64, n: usize| x / n.max(1) as f64;
        let prompts = prompts.unwrap_or(Prompts { shared: 0.0, own: 1.0 });
        let prompt = then.cost.prefill_s / prompts.tokens(then.answers as f64).max(1.0);
        let (longest, tokens) = (then.longest as f64, then.cost.tokens as f64);
        let steps = |timed: &Timed| (timed.longest as f64).max(timed.cost.tokens as f64 / batch);
        // Two equations: seconds = step × steps + token × tokens.
        let (s1, t1, d1) = (steps(first), first.cost.tokens as f64, first.cost.decode_s);
        let (s2, t2, d2) = (steps(then), tokens, then.cost.decode_s);
        let det = s1 * t2 - s2 * t1;
        let (step, token) = if det.abs() > 0.1 * (s1 * t2).abs() {
            ((d1 * t2 - d2 * t1) / det, (s1 * d2 - s2 * d1) / det)
        } else {
            (-1.0, -1.0)
        };
        // As many questions each, or noise: all seconds go with the steps, of which more questions need more.
        let all_in_tokens = (0.0, if t2 > 0.0 { d2 / t2 } else { 0.0 });
        let (step, token) = if step < 0.0 || token < 0.0 { all_in_tokens } else { (step, token) };
        Self {
            verdict: per(then.cost.score_s, then.answers),
            prompt,
            prompts,
            step,
            token,
            longest,
            batch,
            tokens_an_answer: per(tokens, then.answers),
        }
    }

    /// Seconds for `n` answers at once.
    fn seconds(&self, n: f64) -> f64 {
        if n <= 0.0 {
            return 0.0;
        }
        let tokens = n * self.tokens_an_answer;
        let steps = self.longest.min(tokens).max(tokens / self.batch);
        let prompts = self.prompts.tokens(n) * self.prompt;
        prompts + n * self.verdict + steps * self.step + tokens * self.token
    }
}

/// The mean of the candidates after the first; of several, the first of these still had to read its prompts.
fn settled(timed: &[Timed]) -> Option<Timed> {
    let alike = if timed.len() > 1 { &timed[1..] } else { timed };
    let sum = alike.iter().fold(Timed::default(), |sum, one| Timed {
        answers: one.answers,
        cost: sum.cost.and(one.cost),
        seconds: sum.seconds + one.seconds,
        longest: sum.longest.max(one.longest),
        text_bytes: sum.text_bytes + one.text_bytes,
    });
    let n = alike.len() as u64;
    let mean = |x: f64| x / n as f64;
    (n > 0).then(|| Timed {
        cost: Cost {
            merge_s: mean(sum.cost.merge_s),
            prefill_s: mean(sum.cost.prefill_s),
            decode_s: mean(sum.cost.decode_s),
            score_s: mean(sum.cost.score_s),
            tokens: sum.cost.tokens / n,
            pictures: sum.cost.pictures / n,
        },
        seconds: mean(sum.seconds),
        text_bytes: sum.text_bytes / n,
        ..sum
    })
}

impl PlannedTime {
    pub(super) fn new(plan: &RunPlan, timed: &[Timed]) -> Option<Self> {
        let [first, rest @ ..] = timed else { return None };
        let then = &settled(rest)?;
        let work = &plan.work;
        let batch = plan.setup.memory.as_ref().map_or(BATCH, |memory| memory.sequences.max(1) as f64);
        let pace = Pace::of(first, then, Prompts::of(&plan.setup.tasks), batch);
        let (train, test) = (work.train_questions as f64, work.test_questions as f64);
        let merge_s = then.cost.merge_s;
        let candidate_s = if then.answers as u64 == work.train_questions {
            then.seconds
        } else {
            merge_s + pace.seconds(train)
        };
        let held_out_s = if work.train_questions == 0 {
            0.0
        } else {
            merge_s + pace.seconds(test) * (candidate_s - merge_s) / pace.seconds(train).max(1e-9)
        };
        // A plain model is read as the first candidate's models were, alone.
        let load_s = first.cost.merge_s / plan.setup.models.len().max(1) as f64;
        // The best of a generation is a new one in about half of them.
        let held_out = f64::midpoint(work.test_runs.least as f64, work.test_runs.most as f64);
        let runs = work.train_runs as f64;
        let around = first.cost.merge_s + work.plain_models as f64 * load_s + held_out * held_out_s;
        let whole_s = around + runs * candidate_s;
        let least_s = if work.racing.is_some() {
            let searched = work.evaluations as f64;
            let share =
                (work.answers.least as f64 - (runs - searched) * train - work.test_runs.least as f64 * test)
                    / (searched * train).max(1.0);
            around + (runs - searched) * candidate_s + searched * candidate_s * share.clamp(0.0, 1.0)
        } else {
            whole_s
        };
        let answering = then.answering().max(1e-9);
        let answers = work.train_runs as f64 * train + held_out * test;
        Some(Self {
            candidates: timed.len() as u64,
            questions: (first.answers as u64, then.answers as u64),
            first_s: first.seconds,
            first_merge_s: first.cost.merge_s,
            merge_s,
            candidate_s,
            held_out_s,
            tokens_an_answer: pace.tokens_an_answer,
            bytes_an_answer: then.text_bytes as f64 / then.answers.max(1) as f64,
            tokens_per_second: then.cost.tokens as f64 / answering,
            tokens: (answers * pace.tokens_an_answer) as u64,
            least_s,
            whole_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(answers: usize, tokens: u64, longest: u64, prefill_s: f64, decode_s: f64) -> Timed {
        let cost = Cost { prefill_s, decode_s, tokens, ..Cost::default() };
        Timed { answers, cost, seconds: prefill_s + decode_s, longest, text_bytes: 0 }
    }

    #[test]
    fn steps_are_told_from_tokens() {
        // A step takes a second and a token in it a tenth: 8 answers of 10 tokens, then 32.
        let pace = Pace::of(&timed(8, 80, 10, 8.0, 18.0), &timed(32, 320, 10, 32.0, 42.0), None, BATCH);
        assert!((pace.step - 1.0).abs() < 1e-9 && (pace.token - 0.1).abs() < 1e-9, "{pace:?}");
        // 64 answers share the ten steps.
        assert!((pace.seconds(64.0) - (64.0 + 10.0 + 64.0)).abs() < 1e-9);
        // Equal numbers of questions tell nothing apart: the time grows with the tokens.
        let same = Pace::of(&timed(8, 80, 10, 8.0, 18.0), &timed(8, 80, 10, 8.0, 16.0), None, BATCH);
        assert!((same.seconds(16.0) - 2.0 * 24.0).abs() < 1e-9, "{same:?}");
        // A beginning of 90 tokens that all prompts share is computed once: 100 tokens took 10 seconds.
        let shared = Some(Prompts { shared: 90.0, own: 1.0 });
        let pace = Pace::of(&timed(5, 0, 0, 9.5, 0.0), &timed(10, 0, 0, 10.0, 0.0), shared, BATCH);
        assert!((pace.seconds(110.0) - 20.0).abs() < 1e-9, "{pace:?}");
    }
}
