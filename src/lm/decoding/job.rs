//! A generation's shared state: prompts, options, and the queue of prompts that its threads take from. `generate` makes
//! it.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::options::{GenerationEvent, Options};
use crate::lm::Tokenizer;

/// What all threads of a generation share.
pub(super) struct Job<'a> {
    pub tokenizer: &'a Tokenizer,
    pub prompts: &'a [Vec<u32>],
    pub options: &'a Options,
    pub watched: &'a [bool],
    /// The order in which prompts are taken.
    pub order: &'a [usize],
    pub on: &'a (dyn Fn(GenerationEvent) + Sync),
    pub cancel: &'a AtomicBool,
    /// Index into that order of the next prompt that no thread has taken.
    pub next: &'a AtomicUsize,
}

impl Job<'_> {
    /// Most tokens of a prompt's answer, for a model with the given number of positions.
    pub fn limit(&self, index: usize, positions: usize) -> usize {
        let own = self.options.limits.get(index).copied().unwrap_or(usize::MAX);
        self.options.max_new_tokens.min(own).min(positions - self.prompts[index].len())
    }
}
