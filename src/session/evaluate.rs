//! From a target to scored answers: merge what changed, bring the decoder up to date, let it
//! answer, judge the answers. Everything loaded stays loaded for the next target.

mod order;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::bail;

use super::asked;
use super::error::BadInput;
use super::evolve::Facts;
use super::job::{Ask, Bench, Measured};
use super::journal::StoredQuestion;
use super::kitchen::Kitchen;
use super::player::{Player, Said};
use super::prints::check_task;
use super::protocol::{Answer, Cost, Score, Split, Target};
use super::route::Route;
use crate::checkpoint::FilePrint;
use crate::lm::{self, Device};
use crate::merge::Pool;
use crate::recipe::{Align, Method, Recipe};
use crate::task::{Decoding, Fitness, Places, Question, Task, Verdict};
use order::{Order, fetch, note, serves, supply};

/// A model alone with more parameters than this is let go once it has answered.
const KEEP_ALONE: usize = 100_000_000;

/// Everything loaded: models, merge, decoder, tasks. Lives as long as its worker.
#[derive(Default)]
pub struct Evaluator {
    device: Option<(String, lm::Picked)>,
    /// Tasks by name, with the splits that were loaded.
    tasks: HashMap<String, (Arc<Task>, Vec<Split>)>,
    /// The pool in use, and one before it.
    kitchens: Vec<(Order, Kitchen)>,
    alone: Option<(String, Vec<Recipe>, Player)>,
    /// Keeps a large model once it has answered: another task follows.
    pub keep_large: bool,
    /// The models of the last path, and what runs it.
    route: Option<(Key, Route, Option<Player>)>,
}

/// Names of models, the recipes of those that are merged on the spot, and the chat template.
type Key = (Vec<String>, Vec<Recipe>, Option<String>);

/// What an evaluation tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// More text of a watched question's answer.
    Token { question: usize, text: String },
    /// What is being fetched, or was done otherwise than asked.
    Note(String),
    /// Questions done so far.
    Done { done: u64, of: u64 },
}

/// What is to be evaluated.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    pub bench: &'a Bench,
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
    pub(super) fn forget(&mut self) {
        self.tasks.clear();
        self.kitchens.clear();
        (self.alone, self.route) = (None, None);
    }

    /// Opens a bench and says what it is like. A limit of 0 takes all questions.
    pub fn open(
        &mut self,
        bench: &Bench,
        fitness: &str,
        limits: (usize, usize),
        told: &dyn Fn(Told),
    ) -> anyhow::Result<(Facts, Vec<StoredQuestion>)> {
        Fitness::parse(fitness).map_err(BadInput::error)?;
        let task = self.task(&bench.task, &[Split::Train, Split::Test], &bench.prints)?;
        let lm::Picked { device, note } = self.device(&bench.device)?.0;
        let layers = self.kitchen(bench, &device, None, told)?.pool.layers();
        let take = |all: usize, limit: usize| if limit == 0 { all } else { all.min(limit) };
        let (train, test) = (take(task.train.len(), limits.0), take(task.test.len(), limits.1));
        if train == 0 || test == 0 {
            return Err(BadInput::error(format!("the task {} has no questions: give it some", bench.task)));
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
        let facts = Facts {
            layers,
            train_questions: train,
            test_questions: test,
            device: device.name(),
            device_note: note.unwrap_or_default(),
            dtype: device.dtype().to_owned(),
            language_by: task.language_by().to_owned(),
            languages: vec![task.language.clone().unwrap_or_else(|| asked::NONE.to_owned())],
            prints: task.prints(&bench.task, train, test).map_err(BadInput::error)?,
        };
        Ok((facts, questions))
    }

    /// Name of a bench's device.
    pub fn device_name(&mut self, bench: &Bench) -> anyhow::Result<String> {
        Ok(self.device(&bench.device)?.0.device.name())
    }

    /// Answers and scores of a target, split by split.
    pub fn evaluate(
        &mut self,
        work: &Work<'_>,
        told: &(dyn Fn(Told) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Measured>, Cost)> {
        let splits: Vec<Split> = work.ask.iter().map(|a| a.split).collect();
        let mut task = self.task(&work.bench.task, &splits, &work.bench.prints)?;
        if work.bench.earlier && task.differs_in_earlier_sessions() {
            task = Arc::new(Task::clone(&task).as_in_earlier_sessions());
        }
        let fitness = if work.fitness.is_empty() { "both" } else { work.fitness };
        let fitness = Fitness::parse(fitness).map_err(BadInput::error)?;
        check_questions(&task, &work.bench.task, work.ask)?;
        let began = Instant::now();
        let (lm::Picked { device, note }, new) = self.device(&work.bench.device)?;
        if let (Some(note), true) = (note, new) {
            told(Told::Note(note));
        }
        let player = match work.target {
            Target::Model(model) => self.alone(work.bench, model, &device, &told)?,
            Target::Recipe(recipe) if !recipe.path.is_empty() => {
                self.path(work.bench, recipe, &device, &told)?
            }
            Target::Recipe(recipe) => self.merge(work.bench, recipe, &device, &told)?,
        };
        let merge_s = began.elapsed().as_secs_f64();
        if cancel.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        let (said, timing) = player.answer(work, &task, told, cancel)?;
        let began = Instant::now();
        let measured = judge(work.ask, &task, &fitness, said);
        let cost = Cost {
            merge_s,
            prefill_s: timing.prefill_s,
            decode_s: timing.decode_s,
            score_s: began.elapsed().as_secs_f64(),
            tokens: timing.tokens as u64,
        };
        if !self.keep_large && self.alone.as_ref().is_some_and(|(.., player)| player.parameters > KEEP_ALONE)
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
        self.kitchens.iter_mut().for_each(|(_, kitchen)| kitchen.clear());
        self.device = Some((name.to_owned(), picked.clone()));
        Ok((picked, true))
    }

    /// The pool of a bench's models, first in the list.
    fn kitchen(
        &mut self,
        bench: &Bench,
        device: &Device,
        align: Option<&Align>,
        told: &dyn Fn(Told),
    ) -> anyhow::Result<&mut Kitchen> {
        self.kitchen_for(Order::of_bench(bench, align), || {
            let Bench { base, sources, .. } = bench;
            // All of one architecture, whatever a candidate takes of them, and looked at before any does.
            let mut whole = Recipe::uniform(base, sources, Method::TaskArithmetic, 1.0);
            whole.align = align.cloned();
            let pool =
                supply(bench, device, &|name| fetch(name, bench, told), &note(told)).pool(&whole, true)?;
            pool.checked().map_err(BadInput::error)
        })
    }

    /// The kitchen of that order, first in the list; `open` gives its pool where there is none yet.
    fn kitchen_for(
        &mut self,
        order: Order,
        open: impl FnOnce() -> anyhow::Result<Pool>,
    ) -> anyhow::Result<&mut Kitchen> {
        if let Some(place) = self.kitchens.iter().position(|(known, _)| *known == order) {
            self.kitchens[..=place].rotate_right(1);
            self.kitchens[1..].iter_mut().for_each(|(_, other)| other.make_room());
        } else {
            self.kitchens.truncate(1);
            let pool = open()?;
            self.kitchens.iter_mut().for_each(|(_, other)| other.make_room());
            self.kitchens.insert(0, (order, Kitchen::new(pool)));
        }
        Ok(&mut self.kitchens[0].1)
    }

    /// What runs a recipe's merge: over the bench's models where they are all that it needs, which
    /// then stay as they are for the next, else over models of its own.
    fn merge(
        &mut self,
        bench: &Bench,
        recipe: &Recipe,
        device: &Device,
        told: &dyn Fn(Told),
    ) -> anyhow::Result<&mut Player> {
        let kitchen = if serves(bench, recipe) {
            self.kitchen(bench, device, recipe.align.as_ref(), told)?
        } else {
            self.kitchen_for(Order::of_recipe(bench, recipe), || {
                supply(bench, device, &|name| fetch(name, bench, told), &note(told)).pool(recipe, true)
            })?
        };
        kitchen.serve(recipe, device, told)
    }

    /// What runs a recipe's path: another path over the same models loads no more than the layers
    /// that it is the first to name.
    fn path(
        &mut self,
        bench: &Bench,
        recipe: &Recipe,
        device: &Device,
        told: &dyn Fn(Told),
    ) -> anyhow::Result<&mut Player> {
        let mut pool = bench.sources.clone();
        pool.extend((!bench.base.is_empty()).then(|| bench.base.clone()));
        let made = bench.made.iter().chain(&recipe.before).cloned().collect();
        let key = (Route::names(recipe, &pool), made, recipe.chat_template.clone());
        let (route, player) =
            if let Some((_, route, player)) = self.route.take().filter(|(known, ..)| *known == key) {
                (route, player)
            } else {
                let fetch = |name: &str| fetch(name, bench, told);
                (supply(bench, device, &fetch, &note(told)).route(recipe, &pool)?, None)
            };
        let steps = route.steps(recipe)?;
        let player = match player {
            Some(mut player) => {
                route.redirect(&mut player, &steps)?;
                player
            }
            None => route.player(&steps, device)?,
        };
        let (.., place) = self.route.insert((key, route, None));
        Ok(place.insert(player))
    }

    fn alone(
        &mut self,
        bench: &Bench,
        model: &str,
        device: &Device,
        told: &dyn Fn(Told),
    ) -> anyhow::Result<&mut Player> {
        let same = |name: &str, made: &[Recipe]| name == model && made == bench.made;
        let player = if let Some((.., player)) = self.alone.take().filter(|(name, made, _)| same(name, made))
        {
            player
        } else {
            let fetch = |name: &str| fetch(name, bench, told);
            let checkpoint = supply(bench, device, &fetch, &note(told)).open(model)?;
            Player::load(&checkpoint, checkpoint.config(), &checkpoint, device)?
        };
        Ok(&mut self.alone.insert((model.to_owned(), bench.made.clone(), player)).2)
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
                p_ja: verdict.p_ja,
                tokens: said.tokens as u64,
                lenient_correct: Some(verdict.lenient_correct),
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
            acc_ja: means.both,
            japanese: means.japanese,
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
