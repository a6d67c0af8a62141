//! One thread's share of a beam search: several prompts at once, each with as many places in the
//! cache as it has beams.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{
    Finish, Generated, LmError, Stream,
    answer::Answer,
    batch::Job,
    beam::Search,
    model::{Model, Workspace},
    ops::{Backend, Span},
};

/// The beams of one prompt.
struct Group<'a> {
    index: usize,
    search: Search<'a>,
    /// Its places in the cache: the first so many are those of the beams that run, in their order.
    slots: Vec<usize>,
    /// Whether a place holds the prompt.
    filled: Vec<bool>,
    /// Tokens in the cache.
    cached: usize,
    prompt: usize,
}

/// Searches of one thread and their buffers.
pub(super) struct Beams<'a, B: Backend> {
    model: &'a Model<B>,
    job: &'a Job<'a>,
    prefix: Option<&'a (Workspace<B>, usize)>,
    workspace: Workspace<B>,
    /// Places in the cache of groups to come.
    free: Vec<Vec<usize>>,
    live: Vec<Group<'a>>,
    ids: Vec<u32>,
    spans: Vec<Span>,
    rows: Vec<usize>,
    logits: Vec<f32>,
    /// Seconds spent on prompts.
    pub prefill_s: f64,
}

impl<'a, B: Backend> Beams<'a, B> {
    /// At most `groups` prompts of at most `capacity` tokens with their answers.
    pub fn new(
        model: &'a Model<B>,
        job: &'a Job<'a>,
        prefix: Option<&'a (Workspace<B>, usize)>,
        groups: usize,
        capacity: usize,
    ) -> Result<Self, LmError> {
        let beams = job.options.decoding.num_beams;
        let slots: Vec<usize> = (0..groups * beams).collect();
        Ok(Self {
            model,
            job,
            prefix,
            workspace: model.workspace(slots.len(), capacity)?,
            free: slots.chunks(beams).rev().map(<[usize]>::to_vec).collect(),
            live: Vec::new(),
            ids: Vec::new(),
            spans: Vec::new(),
            rows: Vec::new(),
            logits: Vec::new(),
            prefill_s: 0.0,
        })
    }

    /// Gives the buffers back.
    pub fn close(self) {
        self.model.put_back(self.workspace);
    }

    /// Searches until no prompt is left, handing over each answer as it ends.
    pub fn run(&mut self, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        loop {
            if self.job.cancel.load(Ordering::Relaxed) {
                for group in std::mem::take(&mut self.live) {
                    self.end(group, done);
                }
                return Ok(());
            }
            let began = Instant::now();
            if let Some(group) = self.admit(done) {
                self.prefill(group, done)?;
                self.prefill_s += began.elapsed().as_secs_f64();
            } else if self.live.is_empty() {
                return Ok(());
            } else {
                self.step(done)?;
            }
        }
    }

    /// The next prompt that waits, where there is room.
    fn admit(&mut self, done: &dyn Fn(usize, Generated)) -> Option<Group<'a>> {
        while let Some(slots) = self.free.pop() {
            let place = self.job.next.fetch_add(1, Ordering::Relaxed);
            let Some(&index) = self.job.order.get(place) else {
                self.free.push(slots);
                return None;
            };
            let (job, prompt) = (self.job, &self.job.prompts[index]);
            let limit = job.limit(index, self.model.shape.max_positions);
            // What is watched is told when it is complete: the best beam changes on the way.
            let answer = Answer::new(job.tokenizer, job.options, limit, job.watched[index]);
            let decoding = &job.options.decoding;
            let search = Search::new(decoding, prompt, answer, limit, job.options.eos.len());
            let filled = vec![false; slots.len()];
            let group = Group { index, search, slots, filled, cached: 0, prompt: prompt.len() };
            if limit > 0 {
                return Some(group);
            }
            self.end(group, done);
        }
        None
    }

    /// Runs a prompt and takes the first tokens of its beams.
    fn prefill(&mut self, mut group: Group<'a>, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        let (prompt, slot) = (&self.job.prompts[group.index], group.slots[0]);
        if let Some((from, len)) = self.prefix {
            self.model.backend.copy_prefix(&from.cache, *len, &mut self.workspace.cache, slot)?;
            group.cached = *len;
        }
        while group.cached < prompt.len() && !self.job.cancel.load(Ordering::Relaxed) {
            let len = (prompt.len() - group.cached).min(self.model.backend.prefill_rows());
            let span = Span { slot, start: group.cached, len };
            let last = [len - 1];
            let rows = if group.cached + len == prompt.len() { last.as_slice() } else { &[] };
            let ids = &prompt[group.cached..group.cached + len];
            self.model.forward(ids, &[span], rows, &mut self.workspace)?;
            group.cached += len;
        }
        self.live.push(group);
        if self.job.cancel.load(Ordering::Relaxed) {
            return Ok(());
        }
        let at = self.live.len() - 1;
        self.live[at].filled[0] = true;
        self.read()?;
        self.advance(at, 0, done)?;
        Ok(())
    }

    /// One token more for every beam.
    fn step(&mut self, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        self.ids.clear();
        self.spans.clear();
        self.rows.clear();
        for group in &mut self.live {
            for (beam, slot) in group.search.running.iter().zip(&group.slots) {
                self.rows.push(self.ids.len());
                self.ids.push(beam.token());
                self.spans.push(Span { slot: *slot, start: group.cached, len: 1 });
            }
            group.cached += 1;
        }
        self.model.forward(&self.ids, &self.spans, &self.rows, &mut self.workspace)?;
        self.read()?;
        let firsts: Vec<usize> = self
            .live
            .iter()
            .scan(0, |row, group| Some(std::mem::replace(row, *row + group.search.running.len())))
            .collect();
        for (at, first) in firsts.into_iter().enumerate().rev() {
            self.advance(at, first, done)?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), LmError> {
        self.model.backend.read_into(&self.workspace.logits, self.model.shape.vocab, &mut self.logits)
    }

    /// Lets a group's beams choose from the logits from row `first` on, and moves their caches; ends
    /// the group where its search does.
    fn advance(&mut self, at: usize, first: usize, done: &dyn Fn(usize, Generated)) -> Result<(), LmError> {
        let vocab = self.model.shape.vocab;
        let group = &mut self.live[at];
        let logits = &mut self.logits[first * vocab..][..group.search.running.len() * vocab];
        let parents = group.search.advance(logits);
        if parents.is_empty() {
            let group = self.live.swap_remove(at);
            self.end(group, done);
            return Ok(());
        }
        // The first beam that grew from another keeps its place, the next ones get a copy.
        let mut taken = vec![false; group.slots.len()];
        let keeps: Vec<bool> = parents.iter().map(|p| !std::mem::replace(&mut taken[*p], true)).collect();
        let mut open = (0..taken.len()).filter(|place| !taken[*place]).collect::<Vec<_>>().into_iter();
        let mut places = Vec::with_capacity(group.slots.len());
        for (&parent, keeps) in parents.iter().zip(keeps) {
            let place = if keeps { Some(parent) } else { open.next() };
            // There are as many places as beams, so that none is ever short.
            let Some(place) = place else { continue };
            if place != parent {
                let start = if group.filled[place] { group.prompt } else { 0 };
                let (from, to) = (group.slots[parent], group.slots[place]);
                let cache = &mut self.workspace.cache;
                self.model.backend.copy_slot(cache, from, start..group.cached, to)?;
                group.filled[place] = true;
            }
            places.push(place);
        }
        places.extend(open);
        group.slots = places.iter().map(|place| group.slots[*place]).collect();
        group.filled = places.iter().map(|place| group.filled[*place]).collect();
        Ok(())
    }

    /// Closes a group's best answer and frees its places.
    fn end(&mut self, group: Group<'a>, done: &dyn Fn(usize, Generated)) {
        let Group { index, search, slots, .. } = group;
        self.free.push(slots);
        let Some((answer, finish)) = search.best() else { return };
        let finish = if answer.limit() == 0 { Finish::Length } else { finish };
        let (answer, text) = answer.close(self.job.tokenizer, finish);
        if self.job.watched[index] && !text.is_empty() {
            (self.job.on)(Stream::Text { index, text });
        }
        done(index, answer);
        (self.job.on)(Stream::Done { index });
    }
}
