//! One sequence's answer while it grows: its tokens, its text, and whether it has ended.

use super::options::{Finish, Generated, Options};
use crate::lm::{TextStream, Tokenizer};

/// A growing answer.
#[derive(Clone)]
pub(super) struct Answer<'a> {
    pub tokens: Vec<u32>,
    options: &'a Options,
    /// Most tokens that it may have (the model's positions can end before the options' limit).
    limit: usize,
    /// The text so far, where someone needs it before the end.
    text: Option<TextStream<'a>>,
    /// Bytes already searched for stop strings.
    searched: usize,
    /// End of the text: where a stop string begins.
    cut: Option<usize>,
}

impl<'a> Answer<'a> {
    /// An empty answer of at most `limit` tokens; `watched` if its text will be streamed.
    pub fn new(tokenizer: &'a Tokenizer, options: &'a Options, limit: usize, watched: bool) -> Self {
        let text = watched || options.stop.iter().any(|s| !s.is_empty());
        Self {
            tokens: Vec::new(),
            options,
            limit,
            text: text.then(|| tokenizer.stream()),
            searched: 0,
            cut: None,
        }
    }

    /// Most tokens that it may have.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Takes the next token; `Some` once the answer has ended with it.
    pub fn push(&mut self, token: u32) -> Option<Finish> {
        self.tokens.push(token);
        if self.options.eos.contains(&token) {
            return Some(Finish::Eos);
        }
        if let Some(text) = &mut self.text {
            text.push(token);
            self.cut = find_stop(text.bytes(), self.searched, &self.options.stop);
            if self.cut.is_some() {
                return Some(Finish::Stop);
            }
            let longest = self.options.stop.iter().map(String::len).max().unwrap_or(0);
            self.searched = (text.bytes().len() + 1).saturating_sub(longest.max(1));
        }
        (self.tokens.len() >= self.limit).then_some(Finish::Length)
    }

    /// Text to stream now: whole characters, without an end that may be the start of a stop
    /// string.
    pub fn news(&mut self) -> String {
        let Some(text) = &mut self.text else { return String::new() };
        let bytes = text.bytes();
        let held = self.options.stop.iter().map(|stop| overlap(bytes, stop.as_bytes())).max().unwrap_or(0);
        let end = self.cut.unwrap_or(bytes.len() - held);
        text.take(end)
    }

    /// The answer as it ends, and what of its text was not streamed yet.
    pub fn close(mut self, tokenizer: &Tokenizer, finish: Finish) -> (Generated, String) {
        let Some(mut stream) = self.text.take() else {
            let text = tokenizer.decode(self.text_tokens(finish));
            return (Generated { text, tokens: self.tokens, finish }, String::new());
        };
        stream.finish();
        let end = self.cut.unwrap_or(stream.bytes().len());
        let text = stream.text(end);
        (Generated { text, tokens: self.tokens, finish }, stream.rest(end))
    }

    /// The tokens that are text: all but the one that ended it.
    fn text_tokens(&self, finish: Finish) -> &[u32] {
        match finish {
            Finish::Eos => &self.tokens[..self.tokens.len() - 1],
            Finish::Stop | Finish::Length | Finish::Cancelled => &self.tokens,
        }
    }
}

/// Where the earliest stop string begins, looking from byte `from` on.
fn find_stop(bytes: &[u8], from: usize, stops: &[String]) -> Option<usize> {
    let find = |stop: &String| bytes[from..].windows(stop.len()).position(|w| w == stop.as_bytes());
    stops.iter().filter(|s| !s.is_empty()).filter_map(find).min().map(|at| from + at)
}

/// Bytes at the end of `bytes` that begin `stop`.
fn overlap(bytes: &[u8], stop: &[u8]) -> usize {
    (1..stop.len().min(bytes.len() + 1)).rev().find(|n| bytes.ends_with(&stop[..*n])).unwrap_or(0)
}
