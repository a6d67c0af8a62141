//! A generation's shared state: prompts, options, and the queue of prompts that its threads take from. `generate` makes
//! it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::options::{GenerationEvent, Options};
use crate::lm::{ImageRows, Tokenizer};

/// What all threads of a generation share.
pub(super) struct Job<'a> {
    pub tokenizer: &'a Tokenizer,
    pub prompts: &'a [Vec<u32>],
    /// Images that the prompts name.
    pub images: Option<&'a ImageRows>,
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
    /// A prompt's tokens: each row of an image counts as the image token.
    pub fn tokens(&self, index: usize) -> Cow<'_, [u32]> {
        let prompt = &self.prompts[index];
        self.images.map_or(Cow::Borrowed(prompt), |images| Cow::Owned(images.as_tokens(prompt)))
    }

    /// Most tokens of a prompt's answer, for a model with the given number of positions.
    pub fn limit(&self, index: usize, positions: usize) -> usize {
        let own = self.options.limits.get(index).copied().unwrap_or(usize::MAX);
        self.options.max_new_tokens.min(own).min(positions - self.prompts[index].len())
    }
}
