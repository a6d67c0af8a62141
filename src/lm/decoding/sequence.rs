//! How an answer grows: one sequence, token by token, or the beams of a search. `batch` runs what either
//! asks for and hands back what came out.

use super::{answer::Answer, beam::Search, job::Job, options::Finish, sampler::Chooser};
use crate::lm::{
    LmError,
    backend::{Backend, Span},
    model::{Model, Workspace},
};

/// An answer that is growing.
pub(super) enum Growth<'a> {
    One(One<'a>),
    Beams(Beams<'a>),
}

/// One sequence.
pub(super) struct One<'a> {
    answer: Answer<'a>,
    /// Where the next token is not simply the likeliest.
    chooser: Option<Chooser<'a>>,
    /// The next token, until it is taken.
    chosen: Option<u32>,
}

/// The beams of one prompt.
pub(super) struct Beams<'a> {
    search: Search<'a>,
    /// Whether a place in the cache holds the prompt.
    filled: Vec<bool>,
    /// Whether the search has ended.
    over: bool,
}

/// A prompt in flight: its answer, and where its keys and values lie.
pub(super) struct Live<'a> {
    /// Which prompt it answers.
    pub index: usize,
    /// Its places in the cache; of a search the first so many are those of the beams that run, in their
    /// order.
    pub slots: Vec<usize>,
    /// Tokens in the cache.
    pub cached: usize,
    growth: Growth<'a>,
}

/// Rows of a forward pass.
#[derive(Default)]
pub(super) struct Rows {
    pub ids: Vec<u32>,
    pub spans: Vec<Span>,
    /// Those whose logits are asked for.
    pub asked: Vec<usize>,
}

impl Rows {
    pub fn clear(&mut self) {
        self.ids.clear();
        self.spans.clear();
        self.asked.clear();
    }
}

impl<'a> Live<'a> {
    /// A prompt's answer before its first token, of at most `limit`.
    pub fn new(job: &'a Job<'a>, index: usize, limit: usize) -> Self {
        let (options, prompt) = (job.options, job.prompts[index].as_slice());
        // Of a search what is watched is told when it is complete: the best beam changes on the way.
        let answer = Answer::new(job.tokenizer, options, limit, job.watched[index]);
        let decoding = &options.decoding;
        let growth = if decoding.num_beams > 1 {
            let search = Search::new(decoding, prompt, answer, limit, options.eos.len());
            Growth::Beams(Beams { search, filled: vec![false; decoding.num_beams], over: false })
        } else {
            let chooser = (!decoding.is_plain()).then(|| Chooser::new(decoding, prompt));
            Growth::One(One { answer, chooser, chosen: None })
        };
        Self { index, slots: Vec::new(), cached: 0, growth }
    }

    /// Takes the sequence out of the cache; what it said stays said. A search begins anew, which ends in
    /// the same answer.
    pub fn put_back(self, job: &'a Job<'a>, limit: usize) -> Self {
        match self.growth {
            Growth::One(_) => Self { slots: Vec::new(), cached: 0, ..self },
            Growth::Beams(_) => Self::new(job, self.index, limit),
        }
    }

    /// Adds at most `room` rows: what is known of the sequence and not in the cache. Gives whether that
    /// was all; then the last row's logits, or those of each beam, are asked for.
    pub fn gather(&mut self, prompt: &[u32], room: usize, rows: &mut Rows) -> bool {
        let said = match &self.growth {
            Growth::One(one) => one.answer.tokens.as_slice(),
            Growth::Beams(beams) if self.cached >= prompt.len() => {
                for (beam, slot) in beams.search.running.iter().zip(&self.slots) {
                    rows.asked.push(rows.ids.len());
                    rows.ids.push(beam.token());
                    rows.spans.push(Span { slot: *slot, start: self.cached, len: 1 });
                }
                self.cached += 1;
                return true;
            }
            Growth::Beams(_) => &[],
        };
        let left = prompt.len() + said.len() - self.cached;
        let len = left.min(room);
        rows.spans.push(Span { slot: self.slots[0], start: self.cached, len });
        rows.ids.extend(prompt.iter().chain(said).skip(self.cached).take(len));
        self.cached += len;
        if len == left {
            rows.asked.push(rows.ids.len() - 1);
        }
        len == left
    }

    /// How many rows' logits [`Self::gather`] asks for in the end.
    pub fn asks(&self, prompt: &[u32]) -> usize {
        match &self.growth {
            Growth::Beams(beams) if self.cached > prompt.len() => beams.search.running.len(),
            _ => 1,
        }
    }

    /// Takes the likeliest token.
    pub fn take(&mut self, token: u32) {
        if let Growth::One(one) = &mut self.growth {
            one.chosen = Some(token);
        }
    }

    /// Chooses from the logits of the rows asked for, `[rows][vocab]`, which are spoilt; moves the caches
    /// of beams to those that grew from them.
    pub fn choose<B: Backend>(
        &mut self,
        logits: &mut [f32],
        prompt: usize,
        model: &Model<B>,
        workspace: &mut Workspace<B>,
    ) -> Result<(), LmError> {
        let beams = match &mut self.growth {
            Growth::One(one) => {
                one.chosen = one.chooser.as_mut().map(|chooser| chooser.choose(logits));
                return Ok(());
            }
            Growth::Beams(beams) => beams,
        };
        beams.filled[0] |= self.cached == prompt;
        let parents = beams.search.advance(logits);
        if parents.is_empty() {
            beams.over = true;
            return Ok(());
        }
        // The first beam that grew from another keeps its place, the next ones get a copy.
        let mut taken = vec![false; self.slots.len()];
        let keeps: Vec<bool> = parents.iter().map(|p| !std::mem::replace(&mut taken[*p], true)).collect();
        let mut open = (0..taken.len()).filter(|place| !taken[*place]).collect::<Vec<_>>().into_iter();
        let mut places = Vec::with_capacity(self.slots.len());
        for (&parent, keeps) in parents.iter().zip(keeps) {
            let place = if keeps { Some(parent) } else { open.next() };
            // There are as many places as beams, so that none is ever short.
            let Some(place) = place else { continue };
            if place != parent {
                let start = if beams.filled[place] { prompt } else { 0 };
                let (from, to) = (self.slots[parent], self.slots[place]);
                model.backend.copy_slot(&mut workspace.cache, from, start..self.cached, to)?;
                beams.filled[place] = true;
            }
            places.push(place);
        }
        places.extend(open);
        self.slots = places.iter().map(|place| self.slots[*place]).collect();
        beams.filled = places.iter().map(|place| beams.filled[*place]).collect();
        Ok(())
    }

    /// Adds the chosen token to the answer; `Some` once it has ended.
    pub fn accept(&mut self) -> Option<Finish> {
        match &mut self.growth {
            Growth::One(one) => one.chosen.take().and_then(|token| one.answer.push(token)),
            Growth::Beams(beams) => beams.over.then_some(Finish::Length),
        }
    }

    /// Text to stream now.
    pub fn news(&mut self) -> String {
        match &mut self.growth {
            Growth::One(one) => one.answer.news(),
            Growth::Beams(_) => String::new(),
        }
    }

    /// The answer as it ends, and why it did; none of a search that has nothing.
    pub fn answer(self, finish: Finish) -> Option<(Answer<'a>, Finish)> {
        match self.growth {
            Growth::One(one) => Some((one.answer, finish)),
            Growth::Beams(beams) => {
                let (answer, finish) = beams.search.best()?;
                let finish = if answer.limit() == 0 { Finish::Length } else { finish };
                Some((answer, finish))
            }
        }
    }
}
