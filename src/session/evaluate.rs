//! From a target to scored answers: merge what changed, bring the decoder up to date, let it
//! answer, judge the answers. Everything loaded stays loaded for the next target.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::error::BadInput;
use super::evolve::Facts;
use super::job::{Ask, Bench, Measured};
use super::journal::StoredQuestion;
use super::protocol::{Answer, Cost, Score, Split, Target};
use crate::checkpoint::{Checkpoint, ModelConfig, Weights};
use crate::lm::{self, Decoder, Device, Generated, Options, Stream, Tokenizer};
use crate::merge::{Merged, Pool};
use crate::recipe::Recipe;
use crate::task::{Fitness, Means, Task};

/// A model alone with more parameters than this is let go once it has answered.
const KEEP_ALONE: usize = 100_000_000;
/// How often news of a download are told at most.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// Everything loaded: models, merge, decoder, tasks. Lives as long as its worker.
#[derive(Default)]
pub struct Evaluator {
    device: Option<(String, Device)>,
    tasks: HashMap<String, Arc<Task>>,
    /// The pool in use, and one before it.
    kitchens: Vec<Kitchen>,
    alone: Option<(String, Player)>,
}

/// A pool with the merge made from it and the decoder that runs it.
struct Kitchen {
    base: String,
    sources: Vec<String>,
    pool: Pool,
    merged: Merged,
    player: Option<Player>,
}

/// A decoder with what it needs to read and write text.
struct Player {
    decoder: Decoder,
    tokenizer: Tokenizer,
    eos: Vec<u32>,
    parameters: usize,
    /// Prompts as token ids.
    prompts: HashMap<(String, Split, usize), Vec<u32>>,
}

/// What an evaluation tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// More text of a watched question's answer.
    Token { question: usize, text: String },
    /// What is being fetched.
    Note(String),
    /// Questions done so far.
    Done { done: u64, of: u64 },
}

/// What is to be evaluated.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    pub bench: &'a Bench,
    /// The fitness expression; empty takes right and Japanese.
    pub fitness: &'a str,
    pub target: &'a Target,
    pub ask: &'a [Ask],
    /// Questions of the first split asked whose answers are told as they grow.
    pub watch: &'a [usize],
}

impl Evaluator {
    /// Opens a bench and says what it is like. A limit of 0 takes all questions.
    pub fn open(
        &mut self,
        bench: &Bench,
        fitness: &str,
        limits: (usize, usize),
        told: &dyn Fn(Told),
    ) -> anyhow::Result<(Facts, Vec<StoredQuestion>)> {
        Fitness::parse(fitness).map_err(BadInput::error)?;
        let task = self.task(&bench.task)?;
        let device = self.device(&bench.device)?;
        let layers = self.kitchen(&bench.base, &bench.sources, told)?.pool.layers();
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
            dtype: device.dtype().to_owned(),
            language_by: task.language_by().to_owned(),
        };
        Ok((facts, questions))
    }

    /// Name of a bench's device.
    pub fn device_name(&mut self, bench: &Bench) -> anyhow::Result<String> {
        Ok(self.device(&bench.device)?.name())
    }

    /// Answers and scores of a target, split by split.
    pub fn evaluate(
        &mut self,
        work: &Work<'_>,
        told: &(dyn Fn(Told) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Measured>, Cost)> {
        let task = self.task(&work.bench.task)?;
        let fitness = if work.fitness.is_empty() { "both" } else { work.fitness };
        let fitness = Fitness::parse(fitness).map_err(BadInput::error)?;
        check_questions(&task, &work.bench.task, work.ask)?;
        let began = Instant::now();
        let device = self.device(&work.bench.device)?;
        let player = match work.target {
            Target::Model(model) => self.alone(model, &device, &told)?,
            Target::Recipe(recipe) => self.merge(work.bench, recipe, &device, &told)?,
        };
        let merge_s = began.elapsed().as_secs_f64();
        if cancel.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        let (generated, timing) = player.answer(work, &task, told, cancel)?;
        let began = Instant::now();
        let measured = judge(work.ask, &task, &fitness, generated);
        let cost = Cost {
            merge_s,
            prefill_s: timing.prefill_s,
            decode_s: timing.decode_s,
            score_s: began.elapsed().as_secs_f64(),
            tokens: timing.tokens as u64,
        };
        if self.alone.as_ref().is_some_and(|(_, player)| player.parameters > KEEP_ALONE) {
            self.alone = None;
        }
        Ok((measured, cost))
    }

    fn task(&mut self, name: &str) -> anyhow::Result<Arc<Task>> {
        if let Some(task) = self.tasks.get(name) {
            return Ok(Arc::clone(task));
        }
        let task = Arc::new(Task::load(name).map_err(BadInput::error)?);
        self.tasks.insert(name.to_owned(), Arc::clone(&task));
        Ok(task)
    }

    fn device(&mut self, name: &str) -> anyhow::Result<Device> {
        if let Some((known, device)) = &self.device
            && known == name
        {
            return Ok(device.clone());
        }
        let device = lm::pick(name).map_err(BadInput::error)?;
        // What was loaded lies on the device before.
        self.alone = None;
        self.kitchens.iter_mut().for_each(|k| k.player = None);
        self.device = Some((name.to_owned(), device.clone()));
        Ok(device)
    }

    /// The pool of these models, first in the list.
    fn kitchen(
        &mut self,
        base: &str,
        sources: &[String],
        told: &dyn Fn(Told),
    ) -> anyhow::Result<&mut Kitchen> {
        let same = |k: &Kitchen| k.base == base && k.sources == sources;
        if let Some(place) = self.kitchens.iter().position(same) {
            self.kitchens[..=place].rotate_right(1);
        } else {
            self.kitchens.truncate(1);
            let opened = sources.iter().map(|source| open(source, told)).collect::<Result<_, _>>()?;
            let pool = Pool::new(open(base, told)?, opened).map_err(BadInput::error)?;
            let merged = Merged::new(&pool);
            let kitchen =
                Kitchen { base: base.to_owned(), sources: sources.to_vec(), pool, merged, player: None };
            self.kitchens.insert(0, kitchen);
        }
        Ok(&mut self.kitchens[0])
    }

    fn merge(
        &mut self,
        bench: &Bench,
        recipe: &Recipe,
        device: &Device,
        told: &dyn Fn(Told),
    ) -> anyhow::Result<&mut Player> {
        let kitchen = self.kitchen(&bench.base, &bench.sources, told)?;
        let stats = kitchen.pool.merge_into(recipe, &mut kitchen.merged).map_err(BadInput::error)?;
        // Taken out meanwhile: a decoder whose refresh failed is of no use.
        let player = match kitchen.player.take() {
            Some(mut player) => {
                player.decoder.refresh(&kitchen.merged, &stats.groups)?;
                player
            }
            None => Player::load(kitchen.pool.base(), kitchen.pool.config(), &kitchen.merged, device)?,
        };
        Ok(kitchen.player.insert(player))
    }

    fn alone(&mut self, model: &str, device: &Device, told: &dyn Fn(Told)) -> anyhow::Result<&mut Player> {
        let player = if let Some((_, player)) = self.alone.take().filter(|(name, _)| name == model) {
            player
        } else {
            let checkpoint = open(model, told)?;
            Player::load(&checkpoint, checkpoint.config(), &checkpoint, device)?
        };
        Ok(&mut self.alone.insert((model.to_owned(), player)).1)
    }
}

impl Player {
    /// A decoder over `weights`, with the tokenizer of `checkpoint`.
    fn load(
        checkpoint: &Checkpoint,
        config: &ModelConfig,
        weights: &dyn Weights,
        device: &Device,
    ) -> anyhow::Result<Self> {
        let json = checkpoint.tokenizer_json().map_err(BadInput::error)?;
        let tokenizer = Tokenizer::from_json(&json)
            .with_context(|| format!("the tokenizer of {}", checkpoint.reference()))?;
        let parameters = config.vocab_size * config.hidden_size
            + config.num_hidden_layers
                * config.hidden_size
                * (config.hidden_size * 2 + config.intermediate_size * 3);
        let decoder = Decoder::load(config, weights, device)?;
        let eos = config.eos_token_ids.clone();
        Ok(Self { decoder, tokenizer, eos, parameters, prompts: HashMap::new() })
    }

    fn answer(
        &mut self,
        work: &Work<'_>,
        task: &Task,
        told: &(dyn Fn(Told) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Generated>, lm::Timing)> {
        let mut prompts = Vec::new();
        let mut places = Vec::new();
        for ask in work.ask {
            for &index in &ask.questions {
                prompts.push(self.prompt(task, &work.bench.task, ask.split, index)?);
                places.push((ask.split, index));
            }
        }
        let options = Options {
            max_new_tokens: task.max_new_tokens,
            eos: self.eos.clone(),
            stop: task.stop.clone(),
            threads: work.bench.threads,
            ..Options::default()
        };
        let first = work.ask.first().map(|a| a.split);
        let watched = |i: usize| Some(places[i].0) == first && work.watch.contains(&places[i].1);
        let (done, of) = (AtomicU64::new(0), places.len() as u64);
        let on = |stream: Stream| match stream {
            Stream::Text { index, text } => told(Told::Token { question: places[index].1, text }),
            Stream::Done { .. } => {
                told(Told::Done { done: done.fetch_add(1, Ordering::Relaxed) + 1, of });
            }
        };
        let (generated, timing) =
            lm::generate(&self.decoder, &self.tokenizer, &prompts, &options, &watched, &on, cancel)?;
        if cancel.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        Ok((generated, timing))
    }

    fn prompt(&mut self, task: &Task, name: &str, split: Split, index: usize) -> anyhow::Result<Vec<u32>> {
        let key = (name.to_owned(), split, index);
        if let Some(prompt) = self.prompts.get(&key) {
            return Ok(prompt.clone());
        }
        let text = task.prompt(&task.questions(split)[index])?;
        let prompt = self.tokenizer.encode(&text)?;
        self.prompts.insert(key, prompt.clone());
        Ok(prompt)
    }
}

/// Opens a checkpoint, telling now and then how far its files have come.
fn open(reference: &str, told: &dyn Fn(Told)) -> anyhow::Result<Checkpoint> {
    let mut last = Instant::now();
    let mut progress = |file: &str, done: u64, of: u64| {
        if last.elapsed() > NOTE_EVERY {
            last = Instant::now();
            let mega = |bytes: u64| bytes / 1_000_000;
            told(Told::Note(format!("{reference}: {file}, {} of {} MB", mega(done), mega(of))));
        }
    };
    Checkpoint::open_with_progress(reference, &mut progress).map_err(BadInput::error)
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
fn judge(ask: &[Ask], task: &Task, fitness: &Fitness, generated: Vec<Generated>) -> Vec<Measured> {
    let mut generated = generated.into_iter();
    let mut out = Vec::new();
    for a in ask {
        let mut means = Means::default();
        let mut answers = Vec::new();
        for (&index, said) in a.questions.iter().zip(generated.by_ref()) {
            let question = &task.questions(a.split)[index];
            let verdict = task.score(question, &said.text);
            means.correct += f64::from(u8::from(verdict.correct));
            means.japanese += f64::from(u8::from(verdict.japanese));
            means.both += f64::from(u8::from(verdict.correct && verdict.japanese));
            answers.push(Answer {
                index,
                id: question.id.clone(),
                question: question.question.clone(),
                gold: question.gold.clone(),
                text: said.text,
                number: verdict.number,
                correct: verdict.correct,
                language: verdict.language,
                p_ja: verdict.p_ja,
                tokens: said.tokens.len() as u64,
            });
        }
        let n = answers.len().max(1) as f64;
        let means = Means { both: means.both / n, correct: means.correct / n, japanese: means.japanese / n };
        let score = Score {
            fitness: fitness.eval(&means),
            acc: means.correct,
            acc_ja: means.both,
            japanese: means.japanese,
            n: answers.len() as u64,
        };
        out.push(Measured { split: a.split, score, answers });
    }
    out
}
