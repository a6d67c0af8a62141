//! From a target to scored answers: merge what changed, bring the decoder up to date, let it
//! answer, judge the answers. Everything loaded stays loaded for the next target.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::bail;

use super::candidate_model::CandidateModel;
use super::fingerprints::check_task;
use super::path_models::PathModels;
use super::pool_key::{PoolKey, fetch, note, serves, supply};
use super::score::{Answer, Cost, Score};
use super::task_runner::{Said, TaskRunner};
use super::types::{Ask, EvalSetup, Measured, Progress, SetupFacts, StoredQuestion, Target};
use crate::checkpoint::FilePrint;
use crate::error::BadInput;
use crate::lm::{self, Device};
use crate::merge::Pool;
use crate::recipe::{Align, Method, Recipe};
use crate::task::{Decoding, Fitness, NO_LANGUAGE, Places, Question, Split, Task, Verdict};

/// A model alone with more parameters than this is let go once it has answered.
const KEEP_ALONE: usize = 100_000_000;

/// Everything loaded: models, merge, decoder, tasks. Lives as long as its worker.
#[derive(Default)]
pub struct Evaluator {
    device: Option<(String, lm::Picked)>,
    /// Tasks by name, with the splits that were loaded.
    tasks: HashMap<String, (Arc<Task>, Vec<Split>)>,
    /// The pool in use, and one before it.
    kitchens: Vec<(PoolKey, CandidateModel)>,
    alone: Option<(String, Vec<Recipe>, TaskRunner)>,
    /// Keeps a large model once it has answered: another task follows.
    pub keep_large: bool,
    /// The models of the last path, and what runs it.
    route: Option<(Key, PathModels, Option<TaskRunner>)>,
}

/// Names of models, the recipes of those that are merged on the spot, and the chat template.
type Key = (Vec<String>, Vec<Recipe>, Option<String>);

/// What is to be evaluated.
#[derive(Clone, Copy)]
pub struct EvalRequest<'a> {
    pub setup: &'a EvalSetup,
    /// The fitness expression; empty takes right and in the task's language.
    pub fitness: &'a str,
    pub target: &'a Target,
    pub ask: &'a [Ask],
    /// Questions of the first split asked whose answers are told as they grow.
    pub watch: &'a [usize],
    /// Instead of the task's own way of decoding.
    pub decoding: Option<Decoding>,
}

impl Evaluator {
    /// Forgets all that is loaded: a session begins, or goes on, with the files as they are now.
    pub fn forget(&mut self) {
        self.tasks.clear();
        self.kitchens.clear();
        (self.alone, self.route) = (None, None);
    }

    /// Opens a setup and says what it is like. A limit of 0 takes all questions.
    pub fn open(
        &mut self,
        setup: &EvalSetup,
        fitness: &str,
        limits: (usize, usize),
        told: &dyn Fn(Progress),
    ) -> anyhow::Result<(SetupFacts, Vec<StoredQuestion>)> {
        Fitness::parse(fitness).map_err(BadInput::error)?;
        let task = self.task(&setup.task, &[Split::Train, Split::Test], &setup.prints)?;
        let lm::Picked { device, note } = self.device(&setup.device)?.0;
        let layers = self.candidate_model(setup, &device, None, told)?.pool.layers();
        let take = |all: usize, limit: usize| if limit == 0 { all } else { all.min(limit) };
        let (train, test) = (take(task.train.len(), limits.0), take(task.test.len(), limits.1));
        if train == 0 || test == 0 {
            return Err(BadInput::error(format!("the task {} has no questions: give it some", setup.task)));
        }
        let stored = |split: Split, n: usize| {
            task.questions(split).iter().take(n).enumerate().map(move |(index, q)| StoredQuestion {
                split,
                index,
                id: q.id.clone(),
                question: q.question.clone(),
                gold: q.gold.clone(),
            })
        };
        let questions = stored(Split::Train, train).chain(stored(Split::Test, test)).collect();
        let facts = SetupFacts {
            layers,
            train_questions: train,
            test_questions: test,
            device: device.name(),
            device_note: note.unwrap_or_default(),
            dtype: device.dtype().to_owned(),
            language_by: task.language_by().to_owned(),
            languages: vec![task.language.clone().unwrap_or_else(|| NO_LANGUAGE.to_owned())],
            prints: task.prints(&setup.task, train, test).map_err(BadInput::error)?,
        };
        Ok((facts, questions))
    }

    /// Name of a setup's device.
    pub fn device_name(&mut self, setup: &EvalSetup) -> anyhow::Result<String> {
        Ok(self.device(&setup.device)?.0.device.name())
    }

    /// Answers and scores of a target, split by split.
    pub fn evaluate(
        &mut self,
        work: &EvalRequest<'_>,
        told: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Measured>, Cost)> {
        let splits: Vec<Split> = work.ask.iter().map(|a| a.split).collect();
        let mut task = self.task(&work.setup.task, &splits, &work.setup.prints)?;
        if work.setup.earlier && task.differs_in_earlier_sessions() {
            task = Arc::new(Task::clone(&task).as_in_earlier_sessions());
        }
        let fitness = if work.fitness.is_empty() { "both" } else { work.fitness };
        let fitness = Fitness::parse(fitness).map_err(BadInput::error)?;
        check_questions(&task, &work.setup.task, work.ask)?;
        let began = Instant::now();
        let (lm::Picked { device, note }, new) = self.device(&work.setup.device)?;
        if let (Some(note), true) = (note, new) {
            told(Progress::Note(note));
        }
        let runner = match work.target {
            Target::Model(model) => self.alone(work.setup, model, &device, &told)?,
            Target::Recipe(recipe) if !recipe.path.is_empty() => {
                self.path(work.setup, recipe, &device, &told)?
            }
            Target::Recipe(recipe) => self.merge(work.setup, recipe, &device, &told)?,
        };
        let merge_s = began.elapsed().as_secs_f64();
        if cancel.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        let (said, timing) = runner.answer(work, &task, told, cancel)?;
        let began = Instant::now();
        let measured = judge(work.ask, &task, &fitness, said);
        let cost = Cost {
            merge_s,
            prefill_s: timing.prefill_s,
            decode_s: timing.decode_s,
            score_s: began.elapsed().as_secs_f64(),
            tokens: timing.tokens as u64,
        };
        if !self.keep_large && self.alone.as_ref().is_some_and(|(.., runner)| runner.parameters > KEEP_ALONE)
        {
            self.alone = None;
        }
        Ok((measured, cost))
    }

    /// A task with at least these splits, as `prints` have it where there are any.
    pub(super) fn task(
        &mut self,
        name: &str,
        splits: &[Split],
        prints: &[FilePrint],
    ) -> anyhow::Result<Arc<Task>> {
        let whole = [Split::Train, Split::Test];
        let mut wanted = if prints.is_empty() { splits } else { &whole }.to_vec();
        if let Some((task, loaded)) = self.tasks.get(name) {
            if splits.iter().all(|s| loaded.contains(s)) {
                return Ok(Arc::clone(task));
            }
            wanted.extend(loaded);
        }
        wanted.sort_by_key(|s| s.name());
        wanted.dedup();
        let task = Task::load_splits(name, &wanted, &Places::from_env()).map_err(BadInput::error)?;
        check_task(name, &task, prints)?;
        let task = Arc::new(task);
        self.tasks.insert(name.to_owned(), (Arc::clone(&task), wanted));
        Ok(task)
    }

    /// The device of that name, and whether it was not in use before.
    fn device(&mut self, name: &str) -> anyhow::Result<(lm::Picked, bool)> {
        if let Some((known, picked)) = &self.device
            && known == name
        {
            return Ok((picked.clone(), false));
        }
        let picked = lm::pick(name).map_err(BadInput::error)?;
        // What was loaded lies on the device before.
        self.alone = None;
        self.route = None;
        self.kitchens.iter_mut().for_each(|(_, candidate_model)| candidate_model.clear());
        self.device = Some((name.to_owned(), picked.clone()));
        Ok((picked, true))
    }

    /// The pool of a setup's models, first in the list.
    fn candidate_model(
        &mut self,
        setup: &EvalSetup,
        device: &Device,
        align: Option<&Align>,
        told: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut CandidateModel> {
        self.kitchen_for(PoolKey::of_setup(setup, align), || {
            let EvalSetup { base, sources, .. } = setup;
            // All of one architecture, whatever a candidate takes of them, and looked at before any does.
            let mut whole = Recipe::uniform(base, sources, Method::TaskArithmetic, 1.0);
            whole.align = align.cloned();
            let pool =
                supply(setup, device, &|name| fetch(name, setup, told), &note(told)).pool(&whole, true)?;
            pool.checked().map_err(BadInput::error)
        })
    }

    /// The candidate_model of that order, first in the list; `open` gives its pool where there is none yet.
    fn kitchen_for(
        &mut self,
        order: PoolKey,
        open: impl FnOnce() -> anyhow::Result<Pool>,
    ) -> anyhow::Result<&mut CandidateModel> {
        if let Some(place) = self.kitchens.iter().position(|(known, _)| *known == order) {
            self.kitchens[..=place].rotate_right(1);
            self.kitchens[1..].iter_mut().for_each(|(_, other)| other.make_room());
        } else {
            self.kitchens.truncate(1);
            let pool = open()?;
            self.kitchens.iter_mut().for_each(|(_, other)| other.make_room());
            self.kitchens.insert(0, (order, CandidateModel::new(pool)));
        }
        Ok(&mut self.kitchens[0].1)
    }

    /// What runs a recipe's merge: over the setup's models where they are all that it needs, which
    /// then stay as they are for the next, else over models of its own.
    fn merge(
        &mut self,
        setup: &EvalSetup,
        recipe: &Recipe,
        device: &Device,
        told: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut TaskRunner> {
        let candidate_model = if serves(setup, recipe) {
            self.candidate_model(setup, device, recipe.align.as_ref(), told)?
        } else {
            self.kitchen_for(PoolKey::of_recipe(setup, recipe), || {
                supply(setup, device, &|name| fetch(name, setup, told), &note(told)).pool(recipe, true)
            })?
        };
        candidate_model.prepare(recipe, device, told)
    }

    /// What runs a recipe's path: another path over the same models loads no more than the layers
    /// that it is the first to name.
    fn path(
        &mut self,
        setup: &EvalSetup,
        recipe: &Recipe,
        device: &Device,
        told: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut TaskRunner> {
        let mut pool = setup.sources.clone();
        pool.extend((!setup.base.is_empty()).then(|| setup.base.clone()));
        let made = setup.made.iter().chain(&recipe.before).cloned().collect();
        let key = (PathModels::names(recipe, &pool), made, recipe.chat_template.clone());
        let (route, runner) =
            if let Some((_, route, runner)) = self.route.take().filter(|(known, ..)| *known == key) {
                (route, runner)
            } else {
                let fetch = |name: &str| fetch(name, setup, told);
                (supply(setup, device, &fetch, &note(told)).route(recipe, &pool)?, None)
            };
        let steps = route.steps(recipe)?;
        let runner = match runner {
            Some(mut runner) => {
                route.redirect(&mut runner, &steps)?;
                runner
            }
            None => route.runner(&steps, device)?,
        };
        let (.., place) = self.route.insert((key, route, None));
        Ok(place.insert(runner))
    }

    fn alone(
        &mut self,
        setup: &EvalSetup,
        model: &str,
        device: &Device,
        told: &dyn Fn(Progress),
    ) -> anyhow::Result<&mut TaskRunner> {
        let same = |name: &str, made: &[Recipe]| name == model && made == setup.made;
        let runner = if let Some((.., runner)) = self.alone.take().filter(|(name, made, _)| same(name, made))
        {
            runner
        } else {
            let fetch = |name: &str| fetch(name, setup, told);
            let checkpoint = supply(setup, device, &fetch, &note(told)).open(model)?;
            TaskRunner::load(&checkpoint, checkpoint.config(), &checkpoint, device)?
        };
        Ok(&mut self.alone.insert((model.to_owned(), setup.made.clone(), runner)).2)
    }
}

fn check_questions(task: &Task, name: &str, ask: &[Ask]) -> anyhow::Result<()> {
    for a in ask {
        let n = task.questions(a.split).len();
        if let Some(index) = a.questions.iter().find(|&&i| i >= n) {
            return Err(BadInput::error(format!(
                "the task {name} has {n} questions there, none with index {index}: count from 0"
            )));
        }
    }
    Ok(())
}

/// Verdicts, answer by answer, and their means.
fn judge(ask: &[Ask], task: &Task, fitness: &Fitness, said: Vec<Said>) -> Vec<Measured> {
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
        // Of a fitness that is no weighted sum a question's own value may be none, and nobody asks for it.
        let values = if values.iter().all(|v| v.is_finite()) { values } else { Vec::new() };
        let score = Score {
            fitness: fitness.eval(&means),
            acc: means.correct,
            acc_in_language: means.both,
            in_language: means.in_language,
            n: answers.len() as u64,
        };
        out.push(Measured {
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
