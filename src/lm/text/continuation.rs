//! A context and its continuation as tokens, joined as lm-evaluation-harness joins them.

use super::Tokenizer;
use crate::lm::LmError;

/// Tokens of a context and of what is to be judged after it. Neither is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub context: Vec<u32>,
    pub continuation: Vec<u32>,
}

impl Tokenizer {
    /// Both as one text, less the context's own tokens; white space that ends the context belongs
    /// to the continuation. `prefix` (the beginning-of-sequence token, else the end's) stands for an
    /// empty context. (`_encode_pair` and `loglikelihood` of lm-evaluation-harness.)
    pub fn joined(&self, context: &str, continuation: &str, prefix: u32) -> Result<Pair, LmError> {
        // A text that brings its own first token gets no second one.
        let whole = format!("{context}{continuation}");
        let special = self.spelling(prefix).is_none_or(|bos| !whole.starts_with(&bos));
        self.join(context, continuation, prefix, special)
    }

    /// As [`Self::joined`], after a rendered chat, whose template wrote every special token that belongs there.
    pub fn joined_chat(&self, context: &str, continuation: &str, prefix: u32) -> Result<Pair, LmError> {
        self.join(context, continuation, prefix, false)
    }

    fn join(&self, context: &str, continuation: &str, prefix: u32, special: bool) -> Result<Pair, LmError> {
        if context.is_empty() {
            return self.alone(continuation, prefix);
        }
        if continuation.is_empty() {
            return checked(Pair { context: Vec::new(), continuation: Vec::new() }, continuation);
        }
        let bare = context.trim_end();
        let whole = format!("{context}{continuation}");
        if bare.is_empty() {
            // Nothing but white space: it all belongs to the continuation.
            return self.alone(&whole, prefix);
        }
        let (all, own) = (self.ids(&whole, special)?, self.ids(bare, special)?);
        let at = own.len().min(all.len().saturating_sub(1));
        checked(Pair { context: own, continuation: all[at..].to_vec() }, continuation)
    }

    /// Each encoded by itself, without special tokens, as jp-stable's harness does; there `prefix` is
    /// the end-of-sequence token.
    pub fn apart(&self, context: &str, continuation: &str, prefix: u32) -> Result<Pair, LmError> {
        if context.is_empty() {
            return self.alone(continuation, prefix);
        }
        let pair = Pair { context: self.ids(context, false)?, continuation: self.ids(continuation, false)? };
        checked(pair, continuation)
    }

    fn alone(&self, text: &str, prefix: u32) -> Result<Pair, LmError> {
        let mut ids = self.ids(text, false)?;
        let pair = if ids.first() == Some(&prefix) && ids.len() > 1 {
            let rest = ids.split_off(1);
            Pair { context: ids, continuation: rest }
        } else {
            Pair { context: vec![prefix], continuation: ids }
        };
        checked(pair, text)
    }
}

fn checked(pair: Pair, text: &str) -> Result<Pair, LmError> {
    if pair.continuation.is_empty() {
        let start: String = text.chars().take(40).collect();
        return Err(LmError::Tokenizer(format!("{start:?} has no tokens: its likelihood means nothing")));
    }
    Ok(pair)
}
