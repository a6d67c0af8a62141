//! A growing answer: its tokens, its text, and whether an end token, a stop string or the limit has ended it.
//! `sequence` and `beam` use it.

use super::options::{Finish, Generated, Options};
use crate::lm::{TextStream, Tokenizer};

/// A growing answer.
#[derive(Clone)]
pub(super) struct Answer<'a> {
    pub tokens: Vec<u32>,
    options: &'a Options,
    /// Most tokens of the answer.
    limit: usize,
    /// The text so far, if it is streamed or searched for stop strings.
    text: Option<TextStream<'a>>,
    /// Bytes already searched for stop strings.
    searched: usize,
    /// Start of the first stop string, where the text ends.
    cut: Option<usize>,
}

impl<'a> Answer<'a> {
    /// An empty answer of at most `limit` tokens; `watched` if its text is streamed.
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

    /// Most tokens of the answer.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Adds the next token; `Some` if it ends the answer.
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

    /// Text to stream now: whole characters, without a tail that could be the start of a stop string.
    pub fn new_text(&mut self) -> String {
        let Some(text) = &mut self.text else { return String::new() };
        let bytes = text.bytes();
        let held = self.options.stop.iter().map(|stop| overlap(bytes, stop.as_bytes())).max().unwrap_or(0);
        let end = self.cut.unwrap_or(bytes.len() - held);
        text.take(end)
    }

    /// The final answer, and the part of its text that has not been streamed yet.
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

    /// The tokens that are text: all except an end token.
    fn text_tokens(&self, finish: Finish) -> &[u32] {
        match finish {
            Finish::Eos => &self.tokens[..self.tokens.len() - 1],
            Finish::Stop | Finish::Length | Finish::Cancelled => &self.tokens,
        }
    }
}

/// Start of the first stop string, searched from byte `from` on.
fn find_stop(bytes: &[u8], from: usize, stops: &[String]) -> Option<usize> {
    let find = |stop: &String| bytes[from..].windows(stop.len()).position(|w| w == stop.as_bytes());
    stops.iter().filter(|s| !s.is_empty()).filter_map(find).min().map(|at| from + at)
}

/// Length of the longest suffix of `bytes` that is a prefix of `stop`.
fn overlap(bytes: &[u8], stop: &[u8]) -> usize {
    (1..stop.len().min(bytes.len() + 1)).rev().find(|n| bytes.ends_with(&stop[..*n])).unwrap_or(0)
}
