//! A live sequence: one prompt's growing answer, either a single sequence or the beams of a search.
//!
//! `batch` asks each sequence for its next rows ([`Sequence::gather`]), runs them, and gives back the likeliest
//! token ([`Sequence::take`]) or the logits ([`Sequence::sample`]).

use super::{answer::Answer, beam::BeamSearch, job::Job, options::Finish, sampler::Sampler};
use crate::lm::{
    LmError,
    backend::{Backend, Span},
    model::{Model, Workspace},
};

/// A growing answer.
pub(super) enum SequenceState<'a> {
    Single(Single<'a>),
    Beams(Beams<'a>),
}

/// One sequence, token by token.
pub(super) struct Single<'a> {
    answer: Answer<'a>,
    /// `None` for plain greedy decoding, where the device picks the likeliest token.
    sampler: Option<Sampler>,
    /// The next token, before it is added to the answer.
    chosen: Option<u32>,
}

/// The beams of one prompt.
pub(super) struct Beams<'a> {
    search: BeamSearch<'a>,
    /// For each slot, whether it holds the prompt.
    filled: Vec<bool>,
    /// Whether the search has ended.
    over: bool,
}

/// A prompt in flight: its answer, and the location of its keys and values.
pub(super) struct Sequence<'a> {
    /// Index of its prompt.
    pub index: usize,
    /// Its slots in the cache. In a search the first ones belong to the running beams, in their order.
    pub slots: Vec<usize>,
    /// Tokens in the cache.
    pub cached: usize,
    state: SequenceState<'a>,
}

/// The rows of one forward pass.
#[derive(Default)]
pub(super) struct ForwardInput {
    pub ids: Vec<u32>,
    pub spans: Vec<Span>,
    /// Indices of the rows whose logits are needed.
    pub asked: Vec<usize>,
}

impl ForwardInput {
    pub fn clear(&mut self) {
        self.ids.clear();
        self.spans.clear();
        self.asked.clear();
    }
}

impl<'a> Sequence<'a> {
    /// An empty answer to a prompt, of at most `limit` tokens.
    pub fn new(job: &'a Job<'a>, index: usize, limit: usize) -> Self {
        let options = job.options;
        // A beam search streams nothing before its end, because the best beam changes on the way.
        let answer = Answer::new(job.tokenizer, options, limit, job.watched[index]);
        let decoding = &options.decoding;
        let state = if decoding.num_beams > 1 {
            let search = BeamSearch::new(decoding, &job.tokens(index), answer, limit, options.eos.len());
            SequenceState::Beams(Beams { search, filled: vec![false; decoding.num_beams], over: false })
        } else {
            let sampler = (!decoding.is_plain()).then(|| Sampler::new(decoding, &job.tokens(index)));
            SequenceState::Single(Single { answer, sampler, chosen: None })
        };
        Self { index, slots: Vec::new(), cached: 0, state }
    }

    /// Takes the sequence out of the cache and keeps its tokens. A beam search starts again, and ends in the same
    /// answer.
    pub fn put_back(self, job: &'a Job<'a>, limit: usize) -> Self {
        match self.state {
            SequenceState::Single(_) => Self { slots: Vec::new(), cached: 0, ..self },
            SequenceState::Beams(_) => Self::new(job, self.index, limit),
        }
    }

    /// Adds at most `room` rows: tokens of the sequence that are not in the cache yet. Returns whether no more tokens
    /// remain; in that case it requests the logits of the last row, or of each beam.
    pub fn gather(&mut self, prompt: &[u32], room: usize, rows: &mut ForwardInput) -> bool {
        let said = match &self.state {
            SequenceState::Single(single) => single.answer.tokens.as_slice(),
            SequenceState::Beams(beams) if self.cached >= prompt.len() => {
                for (beam, slot) in beams.search.running.iter().zip(&self.slots) {
                    rows.asked.push(rows.ids.len());
                    rows.ids.push(beam.token());
                    rows.spans.push(Span { slot: *slot, start: self.cached, len: 1 });
                }
                self.cached += 1;
                return true;
            }
            SequenceState::Beams(_) => &[],
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

    /// Number of rows whose logits [`Self::gather`] asks for once all rows are in.
    pub fn asks(&self, prompt: &[u32]) -> usize {
        match &self.state {
            SequenceState::Beams(beams) if self.cached > prompt.len() => beams.search.running.len(),
            _ => 1,
        }
    }

    /// Accepts the likeliest token as the next one.
    pub fn take(&mut self, token: u32) {
        if let SequenceState::Single(single) = &mut self.state {
            single.chosen = Some(token);
        }
    }

    /// Samples the next token from the logits of the rows asked for, `[rows][vocab]`, which are overwritten. In a
    /// beam search it advances all beams and copies caches from parents to children.
    pub fn sample<B: Backend>(
        &mut self,
        logits: &mut [f32],
        prompt: usize,
        model: &Model<B>,
        workspace: &mut Workspace<B>,
    ) -> Result<(), LmError> {
        let beams = match &mut self.state {
            SequenceState::Single(single) => {
                single.chosen = single.sampler.as_mut().map(|sampler| sampler.sample(logits));
                return Ok(());
            }
            SequenceState::Beams(beams) => beams,
        };
        beams.filled[0] |= self.cached == prompt;
        let parents = beams.search.advance(logits);
        if parents.is_empty() {
            beams.over = true;
            return Ok(());
        }
        // A parent's first child keeps its slot, the others get a copy in a free slot.
        let mut taken = vec![false; self.slots.len()];
        let keeps: Vec<bool> = parents.iter().map(|p| !std::mem::replace(&mut taken[*p], true)).collect();
        let mut open = (0..taken.len()).filter(|place| !taken[*place]).collect::<Vec<_>>().into_iter();
        let mut places = Vec::with_capacity(self.slots.len());
        for (&parent, keeps) in parents.iter().zip(keeps) {
            let place = if keeps { Some(parent) } else { open.next() };
            // There are as many slots as beams, so one is always left.
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
        match &mut self.state {
            SequenceState::Single(single) => single.chosen.take().and_then(|token| single.answer.push(token)),
            SequenceState::Beams(beams) => beams.over.then_some(Finish::Length),
        }
    }

    /// Text to stream now.
    pub fn new_text(&mut self) -> String {
        match &mut self.state {
            SequenceState::Single(single) => single.answer.new_text(),
            SequenceState::Beams(_) => String::new(),
        }
    }

    /// The final answer and why it ended; `None` for a search that has none.
    pub fn answer(self, finish: Finish) -> Option<(Answer<'a>, Finish)> {
        match self.state {
            SequenceState::Single(single) => Some((single.answer, finish)),
            SequenceState::Beams(beams) => {
                let (answer, finish) = beams.search.best()?;
                let finish = if answer.limit() == 0 { Finish::Length } else { finish };
                Some((answer, finish))
            }
        }
    }
}
