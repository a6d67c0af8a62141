//! A decoder that answers a task's questions: written answers, or the likelihoods of choices.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::bail;

use super::evaluator::EvalRequest;
use super::types::Progress;
use crate::checkpoint::{Checkpoint, ModelConfig, Weights};
use crate::error::BadInput;
use crate::lm::{self, Decoder, Device, Message, Options, Pair, Reader, Stream, Timing};
use crate::task::{Encode, Kind, Length, Question, Split, Task};

/// A decoder with what it needs to read and write text.
pub struct TaskRunner {
    pub decoder: Decoder,
    reader: Reader,
    pub parameters: usize,
    /// Of the decoder.
    pub config: ModelConfig,
    /// Prompts as token ids.
    prompts: HashMap<(String, Split, usize), Vec<u32>>,
}

/// What a model said to a question.
pub struct Said {
    pub text: String,
    /// Of a task of choices, in their order.
    pub log_likelihoods: Option<Vec<f64>>,
    pub tokens: usize,
    /// From the start of the batch until the answer was complete.
    pub seconds: f64,
}

impl TaskRunner {
    /// A decoder over `weights`, with the tokenizer of `checkpoint`.
    pub fn load(
        checkpoint: &Checkpoint,
        config: &ModelConfig,
        weights: &dyn Weights,
        device: &Device,
    ) -> anyhow::Result<Self> {
        Self::with_decoder(checkpoint, config, Decoder::load(config, weights, device)?)
    }

    /// A runner over a decoder of a model with this config, with the tokenizer of `checkpoint`.
    pub fn with_decoder(
        checkpoint: &Checkpoint,
        config: &ModelConfig,
        decoder: Decoder,
    ) -> anyhow::Result<Self> {
        let reader = Reader::of(checkpoint).map_err(BadInput::error)?;
        let parameters = config.vocab_size * config.hidden_size
            + config.num_hidden_layers
                * config.hidden_size
                * (config.hidden_size * 2 + config.intermediate_size * 3);
        Ok(Self { decoder, reader, parameters, config: config.clone(), prompts: HashMap::new() })
    }

    /// Answers what is asked, in its order.
    pub fn answer(
        &mut self,
        work: &EvalRequest<'_>,
        task: &Task,
        told: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Said>, Timing)> {
        let out = match task.kind {
            Kind::Generate => self.write(work, task, told, cancel)?,
            Kind::Choice | Kind::Sentence => self.choose(work, task, told, cancel)?,
        };
        if let Some(text) = self.decoder.news() {
            told(Progress::Note(text));
        }
        if cancel.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        Ok(out)
    }

    fn write(
        &mut self,
        work: &EvalRequest<'_>,
        task: &Task,
        told: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Said>, Timing)> {
        let mut prompts = Vec::new();
        let mut limits = Vec::new();
        let places = places(work);
        for &(split, index) in &places {
            let question = &task.questions(split)[index];
            let limit = task
                .most_tokens(question, |text| self.reader.tokenizer.ids(text, false).map(|ids| ids.len()))?;
            let prompt = self.prompt(task, &work.setup.task, split, index)?;
            prompts.push(fit(prompt, self.decoder.max_positions(), limit));
            limits.push(limit);
        }
        let options = Options {
            max_new_tokens: limits.iter().copied().max().unwrap_or(0),
            limits: if matches!(task.length, Length::Tokens(_)) { Vec::new() } else { limits },
            eos: self.reader.ends.clone(),
            stop: task.stop.clone(),
            decoding: work.decoding.unwrap_or(task.decoding),
            threads: work.setup.threads,
            ..Options::default()
        };
        let first = work.ask.first().map(|a| a.split);
        let watched = |i: usize| Some(places[i].0) == first && work.watch.contains(&places[i].1);
        let (done, of) = (AtomicU64::new(0), places.len() as u64);
        let began = Instant::now();
        // Microseconds, from whichever thread an answer is completed on.
        let finished: Vec<AtomicU64> = places.iter().map(|_| AtomicU64::new(0)).collect();
        let on = |stream: Stream| match stream {
            Stream::Text { index, text } => told(Progress::Token { question: places[index].1, text }),
            Stream::Done { index } => {
                finished[index].store(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                told(Progress::Done { done: done.fetch_add(1, Ordering::Relaxed) + 1, of });
            }
        };
        let (generated, timing) =
            lm::generate(&self.decoder, &self.reader.tokenizer, &prompts, &options, &watched, &on, cancel)?;
        let said = generated.into_iter().zip(&finished).map(|(g, at)| Said {
            text: g.text,
            log_likelihoods: None,
            tokens: g.tokens.len(),
            seconds: at.load(Ordering::Relaxed) as f64 / 1e6,
        });
        Ok((said.collect(), timing))
    }

    fn choose(
        &mut self,
        work: &EvalRequest<'_>,
        task: &Task,
        told: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<Said>, Timing)> {
        let began = Instant::now();
        let mut groups = Vec::new();
        let places = places(work);
        for &(split, index) in &places {
            groups.push(self.pairs(task, &task.questions(split)[index])?);
        }
        let (done, of) = (AtomicU64::new(0), places.len() as u64);
        let on = |_| told(Progress::Done { done: done.fetch_add(1, Ordering::Relaxed) + 1, of });
        let found = lm::likelihoods(&self.decoder, &groups, work.setup.threads, &on, cancel)?;
        let said: Vec<Said> = found
            .iter()
            .map(|group| Said {
                text: String::new(),
                log_likelihoods: Some(group.iter().map(|l| l.sum).collect()),
                tokens: group.iter().map(|l| l.tokens).sum(),
                seconds: began.elapsed().as_secs_f64(),
            })
            .collect();
        let tokens = said.iter().map(|s| s.tokens).sum();
        Ok((said, Timing { prefill_s: began.elapsed().as_secs_f64(), decode_s: 0.0, tokens }))
    }

    /// A question's choices after its prompt, as tokens.
    fn pairs(&self, task: &Task, question: &Question) -> anyhow::Result<Vec<Pair>> {
        let Some(prefix) = self.reader.prefix() else {
            bail!(BadInput::error(
                "the model names neither a beginning-of-sequence nor an end-of-sequence token: add bos_token_id \
                 or eos_token_id to its config.json"
            ))
        };
        let prompt = self.text(task, question)?;
        let pair = |choice: &String| match task.encode {
            Encode::Joined if task.chat => self.reader.tokenizer.joined_chat(&prompt, choice, prefix),
            Encode::Joined => self.reader.tokenizer.joined(&prompt, choice, prefix),
            Encode::Apart => {
                self.reader.tokenizer.apart(&prompt, choice, self.reader.eos().unwrap_or(prefix))
            }
        };
        question.choices.iter().map(|choice| Ok(pair(choice)?)).collect()
    }

    /// A question's prompt, through the model's chat template where the task says so: examples are
    /// earlier turns, the description begins the first one.
    fn text(&self, task: &Task, question: &Question) -> anyhow::Result<String> {
        if !task.chat {
            return task.prompt(question).map_err(BadInput::error);
        }
        let template = match self.reader.chat() {
            Ok(Some(template)) => template,
            Ok(None) => {
                return Err(BadInput::error(format!(
                    "the task {} asks for the model's chat template and the model has none: take `chat` \
                     out of the task, or put a chat_template.jinja beside the model",
                    task.name
                )));
            }
            Err(why) => return Err(BadInput::error(why)),
        };
        let mut messages = Vec::new();
        for example in task.examples(question) {
            messages.push(Message::new("user", &example.prompt));
            messages.push(Message::new("assistant", &example.answer));
        }
        messages.push(Message::new("user", task.ask(question).map_err(BadInput::error)?));
        messages[0].content.insert_str(0, &task.description);
        template.render(&messages, true).map_err(BadInput::error)
    }

    fn prompt(&mut self, task: &Task, name: &str, split: Split, index: usize) -> anyhow::Result<Vec<u32>> {
        let key = (name.to_owned(), split, index);
        if let Some(prompt) = self.prompts.get(&key) {
            return Ok(prompt.clone());
        }
        let text = self.text(task, &task.questions(split)[index])?;
        let prompt = if task.chat || task.encode == Encode::Apart {
            self.reader.chat_prompt(&text)?
        } else {
            self.reader.prompt(&text)?
        };
        self.prompts.insert(key, prompt.clone());
        Ok(prompt)
    }
}

/// What is asked, one question after another.
fn places(work: &EvalRequest<'_>) -> Vec<(Split, usize)> {
    work.ask.iter().flat_map(|a| a.questions.iter().map(|&index| (a.split, index))).collect()
}

/// A prompt that leaves room for an answer of `limit` tokens: what is too long loses its beginning,
/// as in lm-evaluation-harness. At least half of the positions stay the prompt's.
fn fit(mut prompt: Vec<u32>, positions: usize, limit: usize) -> Vec<u32> {
    let most = positions.saturating_sub(limit).max(positions / 2);
    let cut = prompt.len().saturating_sub(most);
    prompt.drain(..cut);
    prompt
}
