//! One thread's share of a generation: sequences enter, grow a token a step, and leave.
//!
//! Threads take prompts from one queue and share nothing else, so there is no waiting between
//! steps. A sequence that ends leaves its slot at once and the next prompt takes it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::{
    Finish, Generated, LmError, Options, Stream, Tokenizer,
    answer::Answer,
    choose::Chooser,
    model::{Model, Workspace},
    ops::{Backend, Span},
};

/// What a generation is about; the same for all of its threads.
pub(super) struct Job<'a> {
    pub tokenizer: &'a Tokenizer,
    pub prompts: &'a [Vec<u32>],
    pub options: &'a Options,
    pub watched: &'a [bool],
    /// The order in which prompts are taken.
    pub order: &'a [usize],
    pub on: &'a (dyn Fn(Stream) + Sync),
    pub cancel: &'a AtomicBool,
    /// The place in that order of the next prompt that no thread has taken.
    pub next: &'a AtomicUsize,
}

impl Job<'_> {
    /// Most tokens of a prompt's answer, by a model of so many positions.
    pub fn limit(&self, index: usize, positions: usize) -> usize {
        let own = self.options.limits.get(index).copied().unwrap_or(usize::MAX);
        self.options.max_new_tokens.min(own).min(positions - self.prompts[index].len())
    }
}

/// A sequence in flight.
struct Sequence<'a> {
    /// Which prompt it answers.
    index: usize,
    slot: usize,
    /// Tokens in the cache.
    cached: usize,
    /// The token to run next, once the prompt is through.
    token: u32,
    answer: Answer<'a>,
    /// Where the next token is not simply the likeliest.
    chooser: Option<Chooser<'a>>,
}

/// Sequences of one thread and their buffers.
pub(super) struct Batch<'a, B: Backend> {
    model: &'a Model<B>,
    job: &'a Job<'a>,
    prefix: Option<&'a (Workspace<B>, usize)>,
    workspace: Workspace<B>,
    /// Slots of the cache that no sequence has.
    free: Vec<usize>,
    live: Vec<Sequence<'a>>,
    ids: Vec<u32>,
    spans: Vec<Span>,
    rows: Vec<usize>,
    chosen: Vec<u32>,
    logits: Vec<f32>,
    /// Seconds spent on prompts.
    pub prefill_s: f64,
}

impl<'a, B: Backend> Batch<'a, B> {
    /// A batch of at most `slots` sequences of `capacity` tokens.
    pub fn new(
        model: &'a Model<B>,
        job: &'a Job<'a>,
        prefix: Option<&'a (Workspace<B>, usize)>,
        slots: usize,
        capacity: usize,
    ) -> Result<Self, LmError> {
        Ok(Self {
            model,
            job,
            prefix,
            workspace: model.workspace(slots, capacity)?,
            free: (0..slots).rev().collect(),
            live: Vec::new(),
            ids: Vec::new(),
            spans: Vec::new(),
            rows: Vec::new(),
            chosen: Vec::new(),
            logits: Vec::new(),
            prefill_s: 0.0,
        })
    }

    /// Gives the buffers back.
    pub fn close(self) {
        self.model.put_back(self.workspace);
    }

    /// Decodes until no prompt is left, handing over each answer as it ends.
    pub fn run(&mut self, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        loop {
            if self.job.cancel.load(Ordering::Relaxed) {
                for sequence in std::mem::take(&mut self.live) {
                    self.end(sequence, Finish::Cancelled, done);
                }
                return Ok(());
            }
            let began = Instant::now();
            let entered = self.admit(done)?;
            if entered > 0 {
                self.prefill(self.live.len() - entered, done)?;
                self.prefill_s += began.elapsed().as_secs_f64();
            } else if self.live.is_empty() {
                return Ok(());
            } else {
                self.step(done)?;
            }
        }
    }

    /// Gives free slots to waiting prompts; returns how many entered.
    fn admit(&mut self, done: &dyn Fn(usize, Generated)) -> Result<usize, LmError> {
        let mut entered = 0;
        while let Some(slot) = self.free.pop() {
            let place = self.job.next.fetch_add(1, Ordering::Relaxed);
            let Some(&index) = self.job.order.get(place) else {
                self.free.push(slot);
                break;
            };
            let prompt = &self.job.prompts[index];
            let (tokenizer, options) = (self.job.tokenizer, self.job.options);
            let limit = self.job.limit(index, self.model.shape.max_positions);
            let answer = Answer::new(tokenizer, options, limit, self.job.watched[index]);
            let decoding = &options.decoding;
            let chooser = (!decoding.is_plain()).then(|| Chooser::new(decoding, prompt));
            let mut sequence = Sequence { index, slot, cached: 0, token: 0, answer, chooser };
            if limit == 0 {
                self.end(sequence, Finish::Length, done);
                continue;
            }
            if let Some((from, len)) = self.prefix {
                self.model.backend.copy_prefix(&from.cache, *len, &mut self.workspace.cache, slot)?;
                sequence.cached = *len;
            }
            self.live.push(sequence);
            entered += 1;
        }
        Ok(entered)
    }

    /// Runs the prompts of the sequences from `first` on, and takes their first tokens.
    fn prefill(&mut self, first: usize, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        let most = self.model.backend.prefill_rows();
        let mut at = first;
        while at < self.live.len() {
            if self.job.cancel.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.clear();
            let from = at;
            while at < self.live.len() && self.ids.len() < most {
                let sequence = &mut self.live[at];
                let prompt = &self.job.prompts[sequence.index];
                let len = (prompt.len() - sequence.cached).min(most - self.ids.len());
                self.spans.push(Span { slot: sequence.slot, start: sequence.cached, len });
                self.ids.extend_from_slice(&prompt[sequence.cached..sequence.cached + len]);
                sequence.cached += len;
                if sequence.cached < prompt.len() {
                    break;
                }
                self.rows.push(self.ids.len() - 1);
                at += 1;
            }
            self.forward(from)?;
        }
        self.accept(first, done);
        Ok(())
    }

    /// One token more for every sequence.
    fn step(&mut self, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        self.clear();
        for (row, sequence) in self.live.iter_mut().enumerate() {
            self.ids.push(sequence.token);
            self.spans.push(Span { slot: sequence.slot, start: sequence.cached, len: 1 });
            self.rows.push(row);
            sequence.cached += 1;
        }
        self.forward(0)?;
        self.accept(0, done);
        Ok(())
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.spans.clear();
        self.rows.clear();
    }

    /// Runs the gathered rows and chooses a token for each of `self.rows`, which are those of the
    /// sequences from `first` on.
    fn forward(&mut self, first: usize) -> Result<(), LmError> {
        self.model.forward(&self.ids, &self.spans, &self.rows, &mut self.workspace)?;
        if self.rows.is_empty() {
            return Ok(());
        }
        let (backend, vocab) = (&self.model.backend, self.model.shape.vocab);
        let sequences = &mut self.live[first..first + self.rows.len()];
        if self.job.options.decoding.is_plain() {
            backend.argmax(&self.workspace.logits, vocab, &mut self.chosen)?;
            sequences.iter_mut().zip(&self.chosen).for_each(|(sequence, token)| sequence.token = *token);
            return Ok(());
        }
        backend.read_into(&self.workspace.logits, vocab, &mut self.logits)?;
        for (sequence, logits) in sequences.iter_mut().zip(self.logits.chunks_exact_mut(vocab)) {
            if let Some(chooser) = &mut sequence.chooser {
                sequence.token = chooser.choose(logits);
            }
        }
        Ok(())
    }

    /// Adds each sequence's chosen token to its answer; those that end leave.
    fn accept(&mut self, first: usize, done: &dyn Fn(usize, Generated)) {
        for i in (first..self.live.len()).rev() {
            let sequence = &mut self.live[i];
            let finish = sequence.answer.push(sequence.token);
            if self.job.watched[sequence.index] {
                self.tell(i);
            }
            if let Some(finish) = finish {
                let sequence = self.live.swap_remove(i);
                self.end(sequence, finish, done);
            }
        }
    }

    /// Streams what is new of a watched answer.
    fn tell(&mut self, i: usize) {
        let sequence = &mut self.live[i];
        let text = sequence.answer.news();
        if !text.is_empty() {
            (self.job.on)(Stream::Text { index: sequence.index, text });
        }
    }

    /// Closes an answer and frees its slot.
    fn end(&mut self, sequence: Sequence<'a>, finish: Finish, done: &dyn Fn(usize, Generated)) {
        let (answer, rest) = sequence.answer.close(self.job.tokenizer, finish);
        if self.job.watched[sequence.index] && !rest.is_empty() {
            (self.job.on)(Stream::Text { index: sequence.index, text: rest });
        }
        self.free.push(sequence.slot);
        done(sequence.index, answer);
        (self.job.on)(Stream::Done { index: sequence.index });
    }
}
