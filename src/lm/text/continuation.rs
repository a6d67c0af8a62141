//! A context and its continuation as tokens, split as lm-evaluation-harness splits them.
//!
//! In: two texts. Out: a [`Continuation`], whose likelihood `decoding` computes. Called by tasks that score choices.

use super::Tokenizer;
use crate::lm::LmError;

/// Tokens to be scored, and the context that they follow. Neither is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    pub context: Vec<u32>,
    pub tokens: Vec<u32>,
}

impl Tokenizer {
    /// Encodes both as one text and takes off the context's tokens; white space at the end of the context belongs to
    /// the continuation. `prefix` (the beginning-of-sequence token, else the end-of-sequence token) stands for
    /// an empty context. (`_encode_pair` and `loglikelihood` of lm-evaluation-harness.)
    ///
    /// # Errors
    /// A text that cannot be encoded, or a continuation without tokens.
    pub fn joined(&self, context: &str, continuation: &str, prefix: u32) -> Result<Continuation, LmError> {
        // A text that already begins with the first token gets no second one.
        let whole = format!("{context}{continuation}");
        let special = self.spelling(prefix).is_none_or(|bos| !whole.starts_with(&bos));
        self.join(context, continuation, prefix, special)
    }

    /// As [`Self::joined`], after a rendered chat: its template has written all special tokens.
    ///
    /// # Errors
    /// As [`Self::joined`].
    pub fn joined_chat(
        &self,
        context: &str,
        continuation: &str,
        prefix: u32,
    ) -> Result<Continuation, LmError> {
        self.join(context, continuation, prefix, false)
    }

    fn join(
        &self,
        context: &str,
        continuation: &str,
        prefix: u32,
        special: bool,
    ) -> Result<Continuation, LmError> {
        if context.is_empty() {
            return self.alone(continuation, prefix);
        }
        if continuation.is_empty() {
            return checked(Continuation { context: Vec::new(), tokens: Vec::new() }, continuation);
        }
        let bare = context.trim_end();
        let whole = format!("{context}{continuation}");
        if bare.is_empty() {
            // A context of white space alone belongs to the continuation.
            return self.alone(&whole, prefix);
        }
        let (all, own) = (self.ids(&whole, special)?, self.ids(bare, special)?);
        let at = own.len().min(all.len().saturating_sub(1));
        checked(Continuation { context: own, tokens: all[at..].to_vec() }, continuation)
    }

    /// Encodes each by itself, without special tokens, as jp-stable's harness does, where `prefix` is the
    /// end-of-sequence token.
    ///
    /// # Errors
    /// As [`Self::joined`].
    pub fn apart(&self, context: &str, continuation: &str, prefix: u32) -> Result<Continuation, LmError> {
        if context.is_empty() {
            return self.alone(continuation, prefix);
        }
        let pair =
            Continuation { context: self.ids(context, false)?, tokens: self.ids(continuation, false)? };
        checked(pair, continuation)
    }

    fn alone(&self, text: &str, prefix: u32) -> Result<Continuation, LmError> {
        let mut ids = self.ids(text, false)?;
        let pair = if ids.first() == Some(&prefix) && ids.len() > 1 {
            let rest = ids.split_off(1);
            Continuation { context: ids, tokens: rest }
        } else {
            Continuation { context: vec![prefix], tokens: ids }
        };
        checked(pair, text)
    }
}

fn checked(pair: Continuation, text: &str) -> Result<Continuation, LmError> {
    if pair.tokens.is_empty() {
        let start: String = text.chars().take(40).collect();
        return Err(LmError::Tokenizer(format!("{start:?} has no tokens: its likelihood means nothing")));
    }
    Ok(pair)
}
