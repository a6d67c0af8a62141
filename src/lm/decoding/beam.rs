//! Beam search over one prompt's answers, like transformers' `_beam_search` (version 5): the tokens that each beam
//! takes, the complete answers, and when the search ends.
//!
//! One thing differs: if stop strings end so many candidates that fewer than `num_beams` remain, the search goes on
//! with those; transformers adds beams that cannot win.

use super::{answer::Answer, options::Finish, sampler::SeenTokens};
use crate::task::{Decoding, EarlyStopping};

/// An unfinished answer.
#[derive(Clone)]
pub(super) struct Beam<'a> {
    answer: Answer<'a>,
    /// Sum of its tokens' log-probabilities, after the repetition penalty.
    score: f64,
    seen: SeenTokens,
}

impl Beam<'_> {
    /// The token to run next.
    pub fn token(&self) -> u32 {
        self.answer.tokens.last().copied().unwrap_or(0)
    }
}

/// A complete answer.
struct Complete<'a> {
    answer: Answer<'a>,
    finish: Finish,
    /// Normalised by its length.
    score: f64,
}

/// A search in progress.
pub(super) struct BeamSearch<'a> {
    decoding: &'a Decoding,
    /// Most tokens of an answer.
    limit: usize,
    /// Candidates per step: enough that `num_beams` can go on when the others end.
    keep: usize,
    /// Best first.
    pub running: Vec<Beam<'a>>,
    complete: Vec<Complete<'a>>,
    length: usize,
}

impl<'a> BeamSearch<'a> {
    /// The state before the first token; `ends` is the number of tokens that end an answer.
    pub fn new(
        decoding: &'a Decoding,
        prompt: &[u32],
        answer: Answer<'a>,
        limit: usize,
        ends: usize,
    ) -> Self {
        let start = Beam { answer, score: 0.0, seen: SeenTokens::of(prompt) };
        let keep = (1 + ends).max(2) * decoding.num_beams;
        Self { decoding, limit, keep, running: vec![start], complete: Vec::new(), length: 0 }
    }

    /// Adds a token, from the logits of each running beam, `[running][vocab]`, which are overwritten. Returns the
    /// parent index of each new running beam; empty once the search has ended.
    pub fn advance(&mut self, logits: &mut [f32]) -> Vec<usize> {
        self.length += 1;
        let beams = self.decoding.num_beams;
        let mut next = Vec::with_capacity(beams);
        let mut parents = Vec::with_capacity(beams);
        let full = self.complete.len() == beams;
        let closed = full && self.decoding.early_stopping == EarlyStopping::Yes;
        let mut ended = Vec::new();
        for (place, (score, parent, token)) in self.candidates(logits).into_iter().enumerate() {
            let from = &self.running[parent];
            let mut answer = from.answer.clone();
            match answer.push(token) {
                None if next.len() < beams => {
                    let mut seen = from.seen.clone();
                    seen.add(token);
                    next.push(Beam { answer, score, seen });
                    parents.push(parent);
                }
                // Only the best `num_beams` candidates can become answers.
                Some(finish) if place < beams && !closed => {
                    ended.push(Complete { answer, finish, score: self.by_length(score, self.length) });
                }
                _ => {}
            }
        }
        self.complete.append(&mut ended);
        self.complete.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.complete.truncate(beams);
        if next.is_empty() || self.is_over(next[0].score) {
            // Running beams are kept: if the search is cancelled, the best of them is the answer.
            return Vec::new();
        }
        self.running = next;
        parents
    }

    /// Score, beam and token of the best continuations, best first, ties in order.
    fn candidates(&self, logits: &mut [f32]) -> Vec<(f64, usize, u32)> {
        let vocab = logits.len() / self.running.len().max(1);
        let mut best: Vec<(f64, usize, u32)> = Vec::with_capacity(self.keep + 1);
        for (parent, (row, beam)) in logits.chunks_exact_mut(vocab.max(1)).zip(&self.running).enumerate() {
            log_softmax(row);
            beam.seen.penalise(row, self.decoding.repetition_penalty);
            for (token, p) in row.iter().enumerate() {
                let score = beam.score + f64::from(*p);
                let worst = if best.len() < self.keep { f64::NEG_INFINITY } else { best[self.keep - 1].0 };
                if score > worst {
                    let at = best.partition_point(|(s, _, _)| *s >= score);
                    best.insert(at, (score, parent, token as u32));
                    best.truncate(self.keep);
                }
            }
        }
        if best.is_empty() {
            // If no score is a number, take token 0, as greedy decoding does.
            best.push((f64::MIN, 0, 0));
        }
        best
    }

    fn by_length(&self, score: f64, length: usize) -> f64 {
        score / (length as f64).powf(self.decoding.length_penalty)
    }

    /// Whether no beam can still beat the complete answers; `best` is the score of the best beam.
    fn is_over(&self, best: f64) -> bool {
        if self.complete.len() < self.decoding.num_beams {
            return false;
        }
        let length = match self.decoding.early_stopping {
            EarlyStopping::Yes => return true,
            EarlyStopping::Never if self.decoding.length_penalty > 0.0 => self.limit,
            EarlyStopping::Never | EarlyStopping::No => self.length,
        };
        let worst = self.complete.last().map_or(f64::NEG_INFINITY, |c| c.score);
        self.by_length(best, length) <= worst
    }

    /// The best answer, or the best beam of a search that was cancelled.
    pub fn best(mut self) -> Option<(Answer<'a>, Finish)> {
        if self.complete.is_empty() {
            return self.running.into_iter().next().map(|beam| (beam.answer, Finish::Cancelled));
        }
        let best = self.complete.swap_remove(0);
        Some((best.answer, best.finish))
    }
}

/// Turns logits into log-probabilities.
fn log_softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|v| f64::from(v - top).exp()).sum();
    let shift = f64::from(top) + sum.ln();
    for v in row {
        *v = (f64::from(*v) - shift) as f32;
    }
}
