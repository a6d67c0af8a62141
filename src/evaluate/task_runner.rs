//! A decoder that answers a task's questions. Questions come in; the text generated for each, or the likelihoods of its
//! choices, go out, with progress reports meanwhile. The evaluator calls it for each task of a request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};

use super::pictures::{Digest, Seen, Sight};
use super::types::{Progress, SplitQuestions};
use crate::checkpoint::{Checkpoint, ModelConfig, Weights};
use crate::error::BadInput;
use crate::lm::{self, Continuation, Decoder, Device, GenerationEvent, Message, Options, Reader, Timing};
use crate::task::{Decoding, Encode, Kind, Length, Question, Split, Task};
use crate::text::visible_line;

/// A decoder with its tokenizer and a cache of prompts.
pub struct TaskRunner {
    pub decoder: Decoder,
    reader: Reader,
    /// Approximate number of the decoder's parameters.
    pub parameters: usize,
    /// The decoder's config.
    pub config: ModelConfig,
    /// Prompts as token ids, by the task's name, the split and the question's index.
    prompts: HashMap<(String, Split, usize), Vec<u32>>,
    /// The pictures whose rows stand in prompts.
    sight: Sight,
}

/// Questions of one task.
pub struct TaskQuestions<'a> {
    pub task: &'a Task,
    /// The task's name in the setup.
    pub name: &'a str,
    /// The questions, by the task's own indices.
    pub ask: &'a [SplitQuestions],
    /// Questions of the first requested split whose answers are reported while they are generated.
    pub watch: &'a [usize],
    /// The pictures of the questions that have any, in the order of their prompts' marks.
    pub images: &'a HashMap<(Split, usize), Vec<Digest>>,
    /// Replaces the task's own decoding.
    pub decoding: Option<Decoding>,
    /// Number of threads; 0 = one for each core.
    pub threads: usize,
}

/// A model's answer to a question.
pub struct ModelAnswer {
    /// The generated text; empty if the task has choices.
    pub text: String,
    /// The log-likelihood of each choice, in order, if the task has choices.
    pub log_likelihoods: Option<Vec<f64>>,
    /// Number of tokens generated, or of those whose likelihood was computed.
    pub tokens: usize,
    /// Seconds from the start of the batch until the answer was complete.
    pub seconds: f64,
}

impl TaskQuestions<'_> {
    /// All requested questions, in the order of the request.
    fn places(&self) -> Vec<(Split, usize)> {
        self.ask.iter().flat_map(|a| a.questions.iter().map(|&index| (a.split, index))).collect()
    }
}

impl TaskRunner {
    /// A decoder over `weights`, with the tokenizer of `checkpoint`.
    ///
    /// # Errors
    /// A tokenizer that cannot be read, weights that are missing, or a device without enough memory.
    pub fn load(
        checkpoint: &Checkpoint,
        config: &ModelConfig,
        weights: &dyn Weights,
        device: &Device,
    ) -> anyhow::Result<Self> {
        Self::with_decoder(checkpoint, config, Decoder::load(config, weights, device)?)
    }

    /// A runner for a decoder with this config, with the tokenizer of `checkpoint`.
    ///
    /// # Errors
    /// A tokenizer that cannot be read.
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
        let (config, prompts) = (config.clone(), HashMap::new());
        Ok(Self { decoder, reader, parameters, config, prompts, sight: Sight::default() })
    }

    /// Puts pictures before the decoder. `image_token` stands for a picture in a text, unless the decoder's config has
    /// another one.
    ///
    /// # Errors
    /// Features of another size than the decoder's.
    pub(super) fn see(&mut self, seen: Seen, image_token: u32) -> anyhow::Result<()> {
        if self.sight.is_of_another(&seen) {
            self.prompts.clear();
        }
        let image_token = self.config.vision.as_ref().map_or(image_token, |vision| vision.image_token);
        // A text model that looks through another's vision part may have no token for pictures.
        self.reader.learn_images().map_err(BadInput::error)?;
        if let Some(rows) = self.sight.add(seen, self.config.vocab_size, image_token) {
            self.decoder.set_images(Arc::new(rows)).map_err(BadInput::error)?;
        }
        Ok(())
    }

    /// Answers the questions in their order.
    ///
    /// # Errors
    /// A prompt that cannot be built, a model without a token that the task needs, a device without enough memory, or
    /// `cancel`.
    pub fn answer(
        &mut self,
        questions: &TaskQuestions<'_>,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<ModelAnswer>, Timing)> {
        let out = match questions.task.kind {
            Kind::Generate => self.write(questions, progress, cancel)?,
            Kind::Choice | Kind::Sentence => self.choose(questions, progress, cancel)?,
        };
        if let Some(text) = self.decoder.news() {
            progress(Progress::Note(text));
        }
        if cancel.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        Ok(out)
    }

    fn write(
        &mut self,
        questions: &TaskQuestions<'_>,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<ModelAnswer>, Timing)> {
        let task = questions.task;
        let mut prompts = Vec::new();
        let mut limits = Vec::new();
        let places = questions.places();
        for &(split, index) in &places {
            let question = &task.questions(split)[index];
            let limit = task
                .most_tokens(question, |text| self.reader.tokenizer.ids(text, false).map(|ids| ids.len()))?;
            let prompt = self.prompt(questions, split, index)?;
            let positions = self.decoder.max_positions();
            prompts.push(match questions.images.get(&(split, index)) {
                Some(_) => whole(prompt, positions, limit, task, question)?,
                None => fit(prompt, positions, limit),
            });
            limits.push(limit);
        }
        let options = Options {
            max_new_tokens: limits.iter().copied().max().unwrap_or(0),
            limits: if matches!(task.length, Length::Tokens(_)) { Vec::new() } else { limits },
            eos: self.reader.ends.clone(),
            stop: task.stop.clone(),
            decoding: questions.decoding.unwrap_or(task.decoding),
            threads: questions.threads,
            ..Options::default()
        };
        let first = questions.ask.first().map(|a| a.split);
        let watched = |i: usize| Some(places[i].0) == first && questions.watch.contains(&places[i].1);
        let (done, of) = (AtomicU64::new(0), places.len() as u64);
        let began = Instant::now();
        // Microseconds, stored by the thread that completes an answer.
        let finished: Vec<AtomicU64> = places.iter().map(|_| AtomicU64::new(0)).collect();
        let on = |stream: GenerationEvent| match stream {
            GenerationEvent::Text { index, text } => {
                progress(Progress::Token { question: places[index].1, text });
            }
            GenerationEvent::Done { index } => {
                finished[index].store(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                progress(Progress::Done { done: done.fetch_add(1, Ordering::Relaxed) + 1, of });
            }
        };
        let (generated, timing) =
            lm::generate(&self.decoder, &self.reader.tokenizer, &prompts, &options, &watched, &on, cancel)?;
        let said = generated.into_iter().zip(&finished).map(|(g, at)| ModelAnswer {
            text: g.text,
            log_likelihoods: None,
            tokens: g.tokens.len(),
            seconds: at.load(Ordering::Relaxed) as f64 / 1e6,
        });
        Ok((said.collect(), timing))
    }

    fn choose(
        &mut self,
        questions: &TaskQuestions<'_>,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<ModelAnswer>, Timing)> {
        let began = Instant::now();
        let mut groups = Vec::new();
        let places = questions.places();
        for &(split, index) in &places {
            let images = questions.images.get(&(split, index)).map(Vec::as_slice);
            groups.push(self.continuations(
                questions.task,
                &questions.task.questions(split)[index],
                images,
            )?);
        }
        let (done, of) = (AtomicU64::new(0), places.len() as u64);
        let on = |_| progress(Progress::Done { done: done.fetch_add(1, Ordering::Relaxed) + 1, of });
        let found = lm::likelihoods(&self.decoder, &groups, questions.threads, &on, cancel)?;
        let said: Vec<ModelAnswer> = found
            .iter()
            .map(|group| ModelAnswer {
                text: String::new(),
                log_likelihoods: Some(group.iter().map(|l| l.sum).collect()),
                tokens: group.iter().map(|l| l.tokens).sum(),
                seconds: began.elapsed().as_secs_f64(),
            })
            .collect();
        let tokens = said.iter().map(|s| s.tokens).sum();
        Ok((said, Timing { prefill_s: began.elapsed().as_secs_f64(), decode_s: 0.0, tokens }))
    }

    /// A question's choices as token ids that follow its prompt.
    fn continuations(
        &self,
        task: &Task,
        question: &Question,
        images: Option<&[Digest]>,
    ) -> anyhow::Result<Vec<Continuation>> {
        let Some(prefix) = self.reader.prefix() else {
            bail!(BadInput::error(
                "the model names neither a beginning-of-sequence nor an end-of-sequence token: add bos_token_id \
                 or eos_token_id to its config.json"
            ))
        };
        let prompt = prompt_text(&self.reader, task, question)?;
        if let Some(images) = images {
            return self.continuations_of_pictures(task, question, &prompt, images);
        }
        let pair = |choice: &String| match task.encode {
            Encode::Joined if task.chat => self.reader.tokenizer.joined_chat(&prompt, choice, prefix),
            Encode::Joined => self.reader.tokenizer.joined(&prompt, choice, prefix),
            Encode::Apart => {
                self.reader.tokenizer.apart(&prompt, choice, self.reader.eos().unwrap_or(prefix))
            }
        };
        question.choices.iter().map(|choice| Ok(pair(choice)?)).collect()
    }

    /// The same after a prompt with pictures: the tokens that prompt and choice have together beyond the prompt's own.
    fn continuations_of_pictures(
        &self,
        task: &Task,
        question: &Question,
        prompt: &str,
        images: &[Digest],
    ) -> anyhow::Result<Vec<Continuation>> {
        let context = self.picture_ids(task, prompt.trim_end(), images)?;
        let positions = self.decoder.max_positions();
        let mut out = Vec::new();
        for choice in &question.choices {
            let all = self.picture_ids(task, &format!("{prompt}{choice}"), images)?;
            let tokens = all[context.len().min(all.len().saturating_sub(1))..].to_vec();
            let context = whole(context.clone(), positions, tokens.len(), task, question)?;
            out.push(Continuation { context, tokens });
        }
        Ok(out)
    }

    /// Ids of a prompt with pictures.
    fn picture_ids(&self, task: &Task, text: &str, images: &[Digest]) -> anyhow::Result<Vec<u32>> {
        let rows = self.sight.ids(images).context("a picture has no features")?;
        let chat = task.chat || task.encode == Encode::Apart;
        Ok(self.reader.image_prompt(text, chat, &rows)?)
    }

    fn prompt(
        &mut self,
        questions: &TaskQuestions<'_>,
        split: Split,
        index: usize,
    ) -> anyhow::Result<Vec<u32>> {
        let task = questions.task;
        let key = (questions.name.to_owned(), split, index);
        if let Some(prompt) = self.prompts.get(&key) {
            return Ok(prompt.clone());
        }
        let text = prompt_text(&self.reader, task, &task.questions(split)[index])?;
        let prompt = if let Some(images) = questions.images.get(&(split, index)) {
            self.picture_ids(task, &text, images)?
        } else if task.chat || task.encode == Encode::Apart {
            self.reader.chat_prompt(&text)?
        } else {
            self.reader.prompt(&text)?
        };
        self.prompts.insert(key, prompt.clone());
        Ok(prompt)
    }
}

/// A question's prompt. It goes through the model's chat template if the task says so: examples become earlier
/// turns, and the description begins the first turn.
pub(super) fn prompt_text(reader: &Reader, task: &Task, question: &Question) -> anyhow::Result<String> {
    if !task.chat {
        return task.prompt(question).map_err(BadInput::error);
    }
    let template = match reader.chat() {
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

/// A prompt with pictures, which is not shortened: its beginning may be a picture.
fn whole(
    prompt: Vec<u32>,
    positions: usize,
    limit: usize,
    task: &Task,
    question: &Question,
) -> anyhow::Result<Vec<u32>> {
    if prompt.len() <= most(positions, limit) {
        return Ok(prompt);
    }
    Err(BadInput::error(format!(
        "{}, question {}: its prompt with pictures has {} tokens and an answer may have {limit}, which are more than the \
         {positions} positions of the model: take fewer or smaller pictures, or lower max_new_tokens",
        visible_line(&task.name),
        visible_line(&question.id),
        prompt.len(),
    )))
}

/// Shortens a prompt so that an answer of `limit` tokens fits after it. A prompt that is too long loses its beginning,
/// as in lm-evaluation-harness. The prompt keeps at least half of the positions.
fn fit(mut prompt: Vec<u32>, positions: usize, limit: usize) -> Vec<u32> {
    let cut = prompt.len().saturating_sub(most(positions, limit));
    prompt.drain(..cut);
    prompt
}

/// The most tokens of a prompt before an answer of `limit` tokens.
fn most(positions: usize, limit: usize) -> usize {
    positions.saturating_sub(limit).max(positions / 2)
}
