//! One thread's share of a generation: prompts enter, their answers grow a token a step, and leave.
//!
//! Threads take prompts from one queue and share nothing else, so there is no waiting between
//! steps. An answer that ends leaves its slots at once and the next prompt takes them. Where memory runs
//! out the batch is halved: what was in flight is put back, enters again as there is room, and goes on where it
//! was.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{
    batch_size,
    job::Job,
    options::{Finish, Generated, Stream},
    sequence::{Live, Rows},
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
    /// None before the first run, and while memory is looked for.
    workspace: Option<Workspace<B>>,
    /// Sequences that the cache has room for, of how many tokens.
    pub slots: usize,
    capacity: usize,
    /// Most rows of a forward pass while prompts run.
    most: usize,
    /// Slots of the cache that nobody has, as many together as an answer needs.
    free: Vec<Vec<usize>>,
    live: Vec<Live<'a>>,
    /// Those that memory had no room for.
    waiting: VecDeque<Live<'a>>,
    rows: Rows,
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
            most: model.backend.prefill_rows(),
            free: Vec::new(),
            live: Vec::new(),
            waiting: VecDeque::new(),
            rows: Rows::default(),
            chosen: Vec::new(),
            logits: Vec::new(),
            prefill_s: 0.0,
        }
    }

    /// Gives the buffers back.
    pub fn close(self) {
        if let Some(workspace) = self.workspace {
            self.model.put_back(workspace);
        }
    }

    /// Decodes until no prompt is left, handing over each answer as it ends. Where memory runs out it goes
    /// on with half as many sequences.
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
                for live in std::mem::take(&mut self.live).into_iter().chain(self.waiting.drain(..)) {
                    end(self.job, &mut self.free, live, Finish::Cancelled, done);
                }
                return Ok(());
            }
            let began = Instant::now();
            let entered = self.admit(done)?;
            if entered > 0 {
                self.advance(self.live.len() - entered, done)?;
                self.prefill_s += began.elapsed().as_secs_f64();
            } else if self.live.is_empty() {
                return Ok(());
            } else {
                self.advance(0, done)?;
            }
        }
    }

    /// Slots of an answer.
    fn group(&self) -> usize {
        self.job.options.decoding.num_beams.max(1)
    }

    fn limit(&self, index: usize) -> usize {
        self.job.limit(index, self.model.shape.max_positions)
    }

    /// Halves the batch. All that is in flight is put back.
    fn shrink(
        &mut self,
        what: &'static str,
        bytes: usize,
        done: &dyn Fn(usize, Generated),
    ) -> Result<(), LmError> {
        // What has been chosen already counts.
        self.accept(0, done);
        let (job, positions) = (self.job, self.model.shape.max_positions);
        let back = self.live.drain(..).map(|live| {
            let limit = job.limit(live.index, positions);
            live.put_back(job, limit)
        });
        let mut waiting: VecDeque<Live<'a>> = back.collect();
        waiting.append(&mut self.waiting);
        self.waiting = waiting;
        self.free.clear();
        let spent = (self.workspace.take(), self.slots, self.capacity);
        self.slots = batch_size::halved(self.model, spent, self.group(), (what, bytes))?;
        self.most = (self.most / 2).max(1);
        Ok(())
    }

    /// Gives free slots to prompts that wait; returns how many entered.
    fn admit(&mut self, done: &dyn Fn(usize, Generated)) -> Result<usize, LmError> {
        let mut entered = 0;
        while let Some(slots) = self.free.pop() {
            let Some(mut live) = self.waiting.pop_front().or_else(|| self.next()) else {
                self.free.push(slots);
                break;
            };
            live.slots = slots;
            if self.limit(live.index) == 0 {
                end(self.job, &mut self.free, live, Finish::Length, done);
                continue;
            }
            if let (Some((from, len)), Some(workspace)) = (self.prefix, &mut self.workspace) {
                self.model.backend.copy_prefix(&from.cache, *len, &mut workspace.cache, live.slots[0])?;
                live.cached = *len;
            }
            self.live.push(live);
            entered += 1;
        }
        Ok(entered)
    }

    /// The next prompt that no thread has taken.
    fn next(&self) -> Option<Live<'a>> {
        let place = self.job.next.fetch_add(1, Ordering::Relaxed);
        let index = *self.job.order.get(place)?;
        Some(Live::new(self.job, index, self.limit(index)))
    }

    /// Runs what is not in the cache yet of the sequences from `first` on, and takes their next tokens.
    fn advance(&mut self, first: usize, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        let mut at = first;
        while at < self.live.len() {
            if at > first && self.job.cancel.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.rows.clear();
            let from = at;
            while at < self.live.len() && self.rows.ids.len() < self.most {
                let live = &mut self.live[at];
                let room = self.most - self.rows.ids.len();
                if !live.gather(&self.job.prompts[live.index], room, &mut self.rows) {
                    break;
                }
                at += 1;
            }
            self.forward(from, at)?;
        }
        self.accept(first, done);
        Ok(())
    }

    /// Runs the gathered rows and chooses tokens for the sequences `from..to`, which are through.
    fn forward(&mut self, from: usize, to: usize) -> Result<(), LmError> {
        let Some(workspace) = &mut self.workspace else { return Ok(()) };
        let Rows { ids, spans, asked } = &self.rows;
        self.model.forward(ids, spans, asked, workspace)?;
        if asked.is_empty() {
            return Ok(());
        }
        let (backend, vocab) = (&self.model.backend, self.model.shape.vocab);
        let live = &mut self.live[from..to];
        if self.job.options.decoding.is_plain() {
            backend.argmax(&workspace.logits, vocab, &mut self.chosen)?;
            live.iter_mut().zip(&self.chosen).for_each(|(live, token)| live.take(*token));
            return Ok(());
        }
        backend.read_into(&workspace.logits, vocab, &mut self.logits)?;
        let mut logits = self.logits.as_mut_slice();
        for live in live {
            let prompt = &self.job.prompts[live.index];
            let own;
            (own, logits) = logits.split_at_mut(live.asks(prompt) * vocab);
            live.choose(own, prompt.len(), self.model, workspace)?;
        }
        Ok(())
    }

    /// Adds each sequence's chosen token to its answer; those that end leave.
    fn accept(&mut self, first: usize, done: &dyn Fn(usize, Generated)) {
        for i in (first..self.live.len()).rev() {
            let live = &mut self.live[i];
            let finish = live.accept();
            if self.job.watched[live.index] {
                let text = live.news();
                if !text.is_empty() {
                    (self.job.on)(Stream::Text { index: live.index, text });
                }
            }
            if let Some(finish) = finish {
                let live = self.live.swap_remove(i);
                end(self.job, &mut self.free, live, finish, done);
            }
        }
    }
}

/// Closes an answer and frees its slots.
fn end<'a>(
    job: &Job<'a>,
    free: &mut Vec<Vec<usize>>,
    mut live: Live<'a>,
    finish: Finish,
    done: &dyn Fn(usize, Generated),
) {
    let index = live.index;
    let slots = std::mem::take(&mut live.slots);
    if !slots.is_empty() {
        free.push(slots);
    }
    let Some((answer, finish)) = live.answer(finish) else { return };
    let (answer, rest) = answer.close(job.tokenizer, finish);
    if job.watched[index] && !rest.is_empty() {
        (job.on)(Stream::Text { index, text: rest });
    }
    done(index, answer);
    (job.on)(Stream::Done { index });
}
