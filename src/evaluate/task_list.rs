//! Several tasks for one candidate: their questions stand one after another, so that a journal, a
//! face and a watched question know them by one index, and their scores become one.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::evaluator::{EvalRequest, Evaluator};
use super::score::{Cost, TaskScore, combined};
use super::types::{Ask, EvalSetup, Measured, Progress, SetupFacts, StoredQuestion, TaskSpec};
use crate::task::Split;

/// How many questions of each split a task has in a session.
#[derive(Clone, Copy, Default)]
struct Size {
    train: usize,
    test: usize,
}

impl Size {
    const fn of(self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }
}

impl Evaluator {
    /// As [`Self::open`], for several tasks.
    pub fn open_parts(
        &mut self,
        setup: &EvalSetup,
        parts: &[TaskSpec],
        told: &dyn Fn(Progress),
    ) -> anyhow::Result<(SetupFacts, Vec<StoredQuestion>)> {
        let mut all = SetupFacts::default();
        let mut questions = Vec::new();
        for part in parts {
            let setup = EvalSetup { task: part.task.clone(), ..setup.clone() };
            let limits = (part.train_limit, part.test_limit);
            let (facts, of_part) = self.open(&setup, &part.fitness, limits, told)?;
            let before = Size { train: all.train_questions, test: all.test_questions };
            questions.extend(
                of_part.into_iter().map(|q| StoredQuestion { index: q.index + before.of(q.split), ..q }),
            );
            let mut prints = std::mem::take(&mut all.prints);
            // What several tasks share is said once.
            let new: Vec<_> = facts.prints.iter().filter(|p| !prints.contains(p)).cloned().collect();
            prints.extend(new);
            all = SetupFacts {
                train_questions: before.train + facts.train_questions,
                test_questions: before.test + facts.test_questions,
                languages: [all.languages, facts.languages.clone()].concat(),
                prints,
                ..facts
            };
        }
        Ok((all, questions))
    }

    /// As [`Self::evaluate`], for several tasks; the work's own task and fitness are not looked at.
    pub fn evaluate_parts(
        &mut self,
        work: &EvalRequest<'_>,
        parts: &[TaskSpec],
        told: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Measured>, Cost)> {
        let of: u64 = work.ask.iter().map(|a| a.questions.len() as u64).sum();
        let (mut before, mut done, mut cost) = (Size::default(), 0, Cost::default());
        let mut weights = Vec::with_capacity(parts.len());
        let mut found: Vec<Vec<(usize, Measured)>> = vec![Vec::new(); work.ask.len()];
        for (number, part) in parts.iter().enumerate() {
            let setup = EvalSetup { task: part.task.clone(), ..work.setup.clone() };
            let size = self.size(&setup, (part.train_limit, part.test_limit))?;
            let here = |split: Split, index: &usize| {
                index.checked_sub(before.of(split)).filter(|i| *i < size.of(split))
            };
            let local = |a: &Ask| Ask {
                split: a.split,
                questions: a.questions.iter().filter_map(|i| here(a.split, i)).collect(),
            };
            let ask: Vec<Ask> = work.ask.iter().map(local).collect();
            let first = work.ask.first().map_or(Split::Train, |a| a.split);
            let watch: Vec<usize> = work.watch.iter().filter_map(|i| here(first, i)).collect();
            let asked: u64 = ask.iter().map(|a| a.questions.len() as u64).sum();
            if asked > 0 {
                let tell = |news: Progress| match news {
                    Progress::Token { question, text } => {
                        told(Progress::Token { question: question + before.of(first), text });
                    }
                    Progress::Done { done: here, of: _ } => told(Progress::Done { done: done + here, of }),
                    note @ Progress::Note(_) => told(note),
                };
                let (setup, fitness) = (&setup, part.fitness.as_str());
                let (target, decoding) = (work.target, work.decoding);
                let here = EvalRequest { setup, fitness, target, ask: &ask, watch: &watch, decoding };
                // The next task is for the same model.
                self.keep_large = number + 1 < parts.len();
                let evaluated = self.evaluate(&here, &tell, cancel);
                self.keep_large = false;
                let (measured, spent) = evaluated?;
                for ((list, mut m), a) in found.iter_mut().zip(measured).zip(&ask) {
                    if !a.questions.is_empty() {
                        m.answers.iter_mut().for_each(|answer| answer.index += before.of(m.split));
                        list.push((number, m));
                    }
                }
                cost = cost.and(spent);
            }
            done += asked;
            let own = self.task(&part.task, &[Split::Train, Split::Test], &work.setup.prints)?.weight;
            weights.push(part.weight.unwrap_or(own));
            before = Size { train: before.train + size.train, test: before.test + size.test };
        }
        let measured = work
            .ask
            .iter()
            .zip(found)
            .map(|(a, of_parts)| together(a.split, parts, &weights, of_parts))
            .collect();
        Ok((measured, cost))
    }

    fn size(&mut self, setup: &EvalSetup, limits: (usize, usize)) -> anyhow::Result<Size> {
        let task = self.task(&setup.task, &[Split::Train, Split::Test], &setup.prints)?;
        let take = |all: usize, limit: usize| if limit == 0 { all } else { all.min(limit) };
        Ok(Size { train: take(task.train.len(), limits.0), test: take(task.test.len(), limits.1) })
    }
}

/// One split's measurements of several tasks as one.
fn together(split: Split, parts: &[TaskSpec], weights: &[f64], found: Vec<(usize, Measured)>) -> Measured {
    let asked: Vec<f64> = found.iter().map(|(number, _)| weights[*number]).collect();
    let score = |(number, m): &(usize, Measured)| TaskScore {
        task: parts[*number].task.clone(),
        score: m.score,
        metrics: m.metrics.clone(),
    };
    let tasks: Vec<TaskScore> = found.iter().map(score).collect();
    let seconds = found.iter().flat_map(|(_, m)| m.seconds.clone()).collect();
    let answers = found.into_iter().flat_map(|(_, m)| m.answers).collect();
    Measured {
        split,
        score: combined(&asked, &tasks),
        metrics: BTreeMap::new(),
        tasks,
        answers,
        seconds,
        values: Vec::new(),
    }
}
