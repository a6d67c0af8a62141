//! One thread's share of a generation: prompts enter a batch, grow by one token per step, and leave when they end.
//!
//! Threads take prompts from one queue and share nothing else, so they never wait for each other between steps. An
//! answer that ends frees its slots at once for the next prompt. If memory runs out, the batch is halved: sequences in
//! flight are put back and continue later where they stopped.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{
    batch_size,
    job::Job,
    options::{Finish, Generated, GenerationEvent},
    sequence::{ForwardInput, Sequence},
};
use crate::lm::{
    LmError,
    backend::Backend,
    model::{Model, Workspace},
};

/// Sequences of one thread and their buffers.
pub(super) struct Batch<'a, B: Backend> {
    model: &'a Model<B>,
    job: &'a Job<'a>,
    prefix: Option<&'a (Workspace<B>, usize)>,
    /// `None` before the first run and while a smaller batch is being found.
    workspace: Option<Workspace<B>>,
    /// Sequences that the cache has room for.
    pub slots: usize,
    /// Tokens of a sequence that it has room for.
    capacity: usize,
    /// Most rows of a forward pass while prompts are read.
    max_rows: usize,
    /// Free slots of the cache, in groups of the size that an answer needs.
    free: Vec<Vec<usize>>,
    running: Vec<Sequence<'a>>,
    /// Sequences put back because memory ran out.
    waiting: VecDeque<Sequence<'a>>,
    rows: ForwardInput,
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
    ) -> Self {
        Self {
            model,
            job,
            prefix,
            workspace: None,
            slots,
            capacity,
            max_rows: model.backend.prefill_rows(),
            free: Vec::new(),
            running: Vec::new(),
            waiting: VecDeque::new(),
            rows: ForwardInput::default(),
            chosen: Vec::new(),
            logits: Vec::new(),
            prefill_s: 0.0,
        }
    }

    /// Puts the buffers back for the next generation.
    pub fn close(self) {
        if let Some(workspace) = self.workspace {
            self.model.put_back(workspace);
        }
    }

    /// Decodes until no prompt is left, and passes each answer to `done` as it ends. If memory runs out, it continues
    /// with half as many sequences.
    pub fn run(&mut self, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        loop {
            match self.run_at_this_size(done) {
                Err(LmError::Memory { what, bytes }) => self.shrink(what, bytes, done)?,
                other => return other,
            }
        }
    }

    fn run_at_this_size(&mut self, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        if self.workspace.is_none() {
            self.workspace = Some(self.model.workspace(self.slots, self.capacity)?);
            let slots: Vec<usize> = (0..self.slots).collect();
            self.free = slots.chunks_exact(self.group()).rev().map(<[usize]>::to_vec).collect();
        }
        loop {
            if self.job.cancel.load(Ordering::Relaxed) {
                for sequence in std::mem::take(&mut self.running).into_iter().chain(self.waiting.drain(..)) {
                    end(self.job, &mut self.free, sequence, Finish::Cancelled, done);
                }
                return Ok(());
            }
            let began = Instant::now();
            let entered = self.admit(done)?;
            if entered > 0 {
                self.advance(self.running.len() - entered, done)?;
                self.prefill_s += began.elapsed().as_secs_f64();
            } else if self.running.is_empty() {
                return Ok(());
            } else {
                self.advance(0, done)?;
            }
        }
    }

    /// Slots per answer.
    fn group(&self) -> usize {
        self.job.options.decoding.num_beams.max(1)
    }

    fn limit(&self, index: usize) -> usize {
        self.job.limit(index, self.model.shape.max_positions)
    }

    /// Halves the batch. Every sequence in flight is put back.
    fn shrink(
        &mut self,
        what: &'static str,
        bytes: usize,
        done: &dyn Fn(usize, Generated),
    ) -> Result<(), LmError> {
        // Tokens that were already chosen count.
        self.accept(0, done);
        let (job, positions) = (self.job, self.model.shape.max_positions);
        let back = self.running.drain(..).map(|sequence| {
            let limit = job.limit(sequence.index, positions);
            sequence.put_back(job, limit)
        });
        let mut waiting: VecDeque<Sequence<'a>> = back.collect();
        waiting.append(&mut self.waiting);
        self.waiting = waiting;
        self.free.clear();
        let spent = (self.workspace.take(), self.slots, self.capacity);
        self.slots = batch_size::halved(self.model, spent, self.group(), (what, bytes))?;
        self.max_rows = (self.max_rows / 2).max(1);
        Ok(())
    }

    /// Gives free slots to waiting prompts; returns how many entered.
    fn admit(&mut self, done: &dyn Fn(usize, Generated)) -> Result<usize, LmError> {
        let mut entered = 0;
        while let Some(slots) = self.free.pop() {
            let Some(mut sequence) = self.waiting.pop_front().or_else(|| self.next()) else {
                self.free.push(slots);
                break;
            };
            sequence.slots = slots;
            if self.limit(sequence.index) == 0 {
                end(self.job, &mut self.free, sequence, Finish::Length, done);
                continue;
            }
            if let (Some((from, len)), Some(workspace)) = (self.prefix, &mut self.workspace) {
                self.model.backend.copy_prefix(&from.cache, *len, &mut workspace.cache, sequence.slots[0])?;
                sequence.cached = *len;
            }
            self.running.push(sequence);
            entered += 1;
        }
        Ok(entered)
    }

    /// The next prompt that no thread has taken yet.
    fn next(&self) -> Option<Sequence<'a>> {
        let place = self.job.next.fetch_add(1, Ordering::Relaxed);
        let index = *self.job.order.get(place)?;
        Some(Sequence::new(self.job, index, self.limit(index)))
    }

    /// Runs the tokens that are not in the cache yet, for the sequences from `first` on, and adds their next tokens.
    fn advance(&mut self, first: usize, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        let mut at = first;
        while at < self.running.len() {
            if at > first && self.job.cancel.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.rows.clear();
            let from = at;
            while at < self.running.len() && self.rows.ids.len() < self.max_rows {
                let sequence = &mut self.running[at];
                let room = self.max_rows - self.rows.ids.len();
                if !sequence.gather(&self.job.prompts[sequence.index], room, &mut self.rows) {
                    break;
                }
                at += 1;
            }
            self.forward(from, at)?;
        }
        self.accept(first, done);
        Ok(())
    }

    /// Runs the gathered rows and chooses the next tokens of the sequences `from..to`, whose rows are complete.
    fn forward(&mut self, from: usize, to: usize) -> Result<(), LmError> {
        let Some(workspace) = &mut self.workspace else { return Ok(()) };
        let ForwardInput { ids, spans, asked } = &self.rows;
        self.model.forward(ids, spans, asked, workspace)?;
        if asked.is_empty() {
            return Ok(());
        }
        let (backend, vocab) = (&self.model.backend, self.model.shape.vocab);
        let sequences = &mut self.running[from..to];
        if self.job.options.decoding.is_plain() {
            backend.argmax(&workspace.logits, vocab, &mut self.chosen)?;
            sequences.iter_mut().zip(&self.chosen).for_each(|(sequence, token)| sequence.take(*token));
            return Ok(());
        }
        backend.read_into(&workspace.logits, vocab, &mut self.logits)?;
        let mut logits = self.logits.as_mut_slice();
        for sequence in sequences {
            let prompt = &self.job.prompts[sequence.index];
            let own;
            (own, logits) = logits.split_at_mut(sequence.asks(prompt) * vocab);
            sequence.sample(own, prompt.len(), self.model, workspace)?;
        }
        Ok(())
    }

    /// Adds each sequence's chosen token to its answer; sequences that end leave the batch.
    fn accept(&mut self, first: usize, done: &dyn Fn(usize, Generated)) {
        for i in (first..self.running.len()).rev() {
            let sequence = &mut self.running[i];
            let finish = sequence.accept();
            if self.job.watched[sequence.index] {
                let text = sequence.new_text();
                if !text.is_empty() {
                    (self.job.on)(GenerationEvent::Text { index: sequence.index, text });
                }
            }
            if let Some(finish) = finish {
                let sequence = self.running.swap_remove(i);
                end(self.job, &mut self.free, sequence, finish, done);
            }
        }
    }
}

/// Completes an answer and frees its slots.
fn end<'a>(
    job: &Job<'a>,
    free: &mut Vec<Vec<usize>>,
    mut sequence: Sequence<'a>,
    finish: Finish,
    done: &dyn Fn(usize, Generated),
) {
    let index = sequence.index;
    let slots = std::mem::take(&mut sequence.slots);
    if !slots.is_empty() {
        free.push(slots);
    }
    let Some((answer, finish)) = sequence.answer(finish) else { return };
    let (answer, rest) = answer.close(job.tokenizer, finish);
    if job.watched[index] && !rest.is_empty() {
        (job.on)(GenerationEvent::Text { index, text: rest });
    }
    done(index, answer);
    (job.on)(GenerationEvent::Done { index });
}
