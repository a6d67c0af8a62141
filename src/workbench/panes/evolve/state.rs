//! The session on the screen: its events folded into a `SessionState`, and the live data that is sent but never
//! stored (streamed answers, rates, progress). `receive.rs` fills it; Evolve and Answers read it.

use std::collections::{BTreeMap, BTreeSet};

use crate::session::protocol::{CandidateId, Live, Origin, Record, Status, WatchedQuestion};
use crate::session::state::{Entry, SessionState};
use crate::workbench::messages;

/// The greatest number of bytes kept of a streamed answer.
const LONGEST_STREAM: usize = 16_000;

/// A session with its live data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    pub state: SessionState,
    /// The run stopped without an event: its process was killed, or the engine was told to end.
    pub halted: bool,
    /// The run's process was killed.
    pub killed: bool,
    /// All past events have been taken in.
    pub caught_up: bool,
    pub rate: Option<Rate>,
    /// The candidate being evaluated: its id, the questions done, and the number of questions.
    pub progress: Option<(CandidateId, u64, u64)>,
    /// The watched questions' texts.
    pub watching: Vec<WatchedQuestion>,
    /// The latest answer to each watched question.
    pub streams: BTreeMap<usize, Stream>,
    /// Index of the watched question that is shown first.
    pub first_sample: usize,
    /// Candidates that the user keeps in the list.
    pub kept: BTreeSet<CandidateId>,
}

/// An answer that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub candidate: CandidateId,
    pub text: String,
}

/// Rates over the last few seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    pub candidates_per_hour: f64,
    pub tokens_per_second: f64,
    pub eta_s: Option<f64>,
    pub memory_bytes: u64,
}

impl Run {
    /// A session before its first event.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let state = SessionState { name: name.to_owned(), ..SessionState::default() };
        Self { state, ..Self::default() }
    }

    /// The run's status. A halted run counts as stopped, whatever its journal says.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.state.status {
            Status::New | Status::Running if self.halted => Status::Stopped,
            status => status,
        }
    }

    /// The run's status in one word.
    #[must_use]
    pub fn status_word(&self) -> &'static str {
        match self.status() {
            Status::Stopped if self.halted && self.killed => messages::status_killed(),
            status => messages::status(status),
        }
    }

    /// Takes in a stored event.
    pub fn apply(&mut self, record: &Record) {
        // After a reconnection the engine may resend events that are known already.
        if record.seq > self.state.seq {
            self.state.apply(record);
            self.halted = false;
        }
        if self.state.status != Status::Running {
            self.progress = None;
            self.rate = None;
        }
        if matches!(self.state.status, Status::Stopped | Status::Finished) {
            // Nothing streams any more: the best candidate's stored answers are shown instead.
            self.streams.clear();
        }
    }

    /// Takes in a live message.
    pub fn live(&mut self, live: Live) {
        match live {
            Live::Token { candidate, question, text } => {
                let stream = self.streams.entry(question).or_default();
                if stream.candidate != candidate {
                    *stream = Stream { candidate, text: String::new() };
                }
                if stream.text.len() < LONGEST_STREAM {
                    stream.text.push_str(&text);
                }
            }
            Live::Watching { questions } => {
                self.streams.retain(|q, _| questions.iter().any(|w| w.index == *q));
                self.first_sample = self.first_sample.min(questions.len().saturating_sub(1));
                self.watching = questions;
            }
            Live::Progress { candidate, done, of } => {
                self.progress = Some((candidate, done, of));
            }
            Live::Rate { candidates_per_hour, tokens_per_second, eta_s, memory_bytes, device: _ } => {
                self.rate = Some(Rate { candidates_per_hour, tokens_per_second, eta_s, memory_bytes });
            }
            Live::Runs { .. } => self.halted = false,
            Live::Halted { killed, .. } => {
                (self.halted, self.killed) = (true, killed);
                self.progress = None;
                self.rate = None;
            }
            Live::TryToken { .. } | Live::Headway(_) | Live::Log { .. } | Live::LetGo { .. } => {}
        }
    }

    /// Candidates in Evolve's order: the best so far, hand-made ones, the mean, then the last generation from best to
    /// worst, with unscored candidates last.
    #[must_use]
    pub fn listed(&self) -> Vec<&Entry> {
        let state = &self.state;
        let mut out: Vec<&Entry> = state.best_entry().into_iter().collect();
        let aside = |e: &&Entry| {
            matches!(e.candidate.origin, Origin::Hand | Origin::Mean) || self.kept.contains(&e.candidate.id)
        };
        out.extend(state.entries.iter().filter(aside).filter(|e| Some(e.candidate.id) != state.best));
        if let Some(generation) = state.generations.last() {
            let mut rows: Vec<&Entry> =
                generation.candidates.iter().filter_map(|id| state.entry(*id)).collect();
            // A candidate that is still racing is sorted by its fitness so far.
            let fitness = |e: &Entry| match e.outcome {
                None if e.so_far.n > 0 => e.so_far.fitness,
                _ => e.fitness_or_least(),
            };
            rows.sort_by(|a, b| fitness(b).total_cmp(&fitness(a)));
            let shown = |e: &Entry| Some(e.candidate.id) == state.best || self.kept.contains(&e.candidate.id);
            out.extend(rows.into_iter().filter(|e| !shown(e)));
        }
        out
    }

    /// The best of the global weightings.
    #[must_use]
    pub fn best_global(&self) -> Option<&Entry> {
        let grid = self.state.entries.iter().filter(|e| e.candidate.origin == Origin::Grid);
        grid.max_by(|a, b| a.fitness_or_least().total_cmp(&b.fitness_or_least()))
    }

    /// The reference points that the table lists: base, sources, uniform, the best global weighting.
    #[must_use]
    pub fn references(&self) -> Vec<&Entry> {
        let state = &self.state;
        let single =
            |e: &&Entry| matches!(e.candidate.origin, Origin::Base | Origin::Source | Origin::Uniform);
        state.entries.iter().filter(single).chain(self.best_global()).collect()
    }
}
