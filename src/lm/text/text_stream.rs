//! [`TextStream`]: turns tokens into text as they arrive, never splitting a character.
//!
//! `decoding` uses it for answers that are streamed or searched for stop strings.

use super::Tokenizer;

/// Text of a growing sequence of tokens. Each piece consists of whole characters; together the pieces are exactly
/// the text of the whole sequence.
#[derive(Clone)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    /// All bytes so far (byte-level vocabularies), or the text so far.
    bytes: Vec<u8>,
    /// Number of bytes that have been taken.
    given: usize,
    /// For other vocabularies: the tokens.
    tokens: Vec<u32>,
    /// Number of tokens whose text is in `bytes`.
    decoded: usize,
    /// Index of the first token of the window that is decoded.
    window: usize,
}

impl Tokenizer {
    /// Turns ids into text as they arrive, never splitting a character.
    #[must_use]
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self)
    }
}

impl<'a> TextStream<'a> {
    const fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, bytes: Vec::new(), given: 0, tokens: Vec::new(), decoded: 0, window: 0 }
    }

    /// Adds a token.
    pub fn push(&mut self, id: u32) {
        if let Some(bytes) = self.tokenizer.bytes(id) {
            self.bytes.extend_from_slice(bytes);
            return;
        }
        // A token's text can depend on the one before (a leading space, a byte of a character): decode it with
        // its predecessors, and take what it adds once that is whole characters.
        self.tokens.push(id);
        let before = self.tokenizer.decode(&self.tokens[self.window..self.decoded]);
        let after = self.tokenizer.decode(&self.tokens[self.window..]);
        if after.len() > before.len() && !after.ends_with('\u{FFFD}') && after.starts_with(&before) {
            self.bytes.extend_from_slice(&after.as_bytes()[before.len()..]);
            self.window = self.decoded;
            self.decoded = self.tokens.len();
        }
    }

    /// All bytes so far; the last character may be incomplete.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// New text up to byte `end`, in whole characters. An incomplete character waits; a byte that can never become
    /// one is U+FFFD.
    pub fn take(&mut self, end: usize) -> String {
        let mut out = String::new();
        while let Some(rest) = self.bytes.get(self.given..end).filter(|r| !r.is_empty()) {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    out.push_str(text);
                    self.given = end;
                }
                Err(error) => {
                    let (whole, bad) = rest.split_at(error.valid_up_to());
                    out.push_str(&String::from_utf8_lossy(whole));
                    self.given += whole.len();
                    match error.error_len() {
                        Some(n) => {
                            out.push('\u{FFFD}');
                            self.given += n.min(bad.len());
                        }
                        None => break,
                    }
                }
            }
        }
        out
    }

    /// Marks the end of the tokens: pending bytes become text.
    pub fn finish(&mut self) {
        if self.decoded < self.tokens.len() {
            let before = self.tokenizer.decode(&self.tokens[self.window..self.decoded]);
            let after = self.tokenizer.decode(&self.tokens[self.window..]);
            self.bytes.extend_from_slice(after.strip_prefix(&before).unwrap_or("").as_bytes());
            self.decoded = self.tokens.len();
        }
    }

    /// The text of bytes `0..end`, as [`Tokenizer::decode`] would give it.
    #[must_use]
    pub fn text(&self, end: usize) -> String {
        String::from_utf8_lossy(&self.bytes[..end.min(self.bytes.len())]).into_owned()
    }

    /// The text up to byte `end` that has not been taken; an incomplete last character is U+FFFD.
    pub fn rest(&mut self, end: usize) -> String {
        let end = end.min(self.bytes.len());
        let text = String::from_utf8_lossy(self.bytes.get(self.given..end).unwrap_or(&[])).into_owned();
        self.given = end.max(self.given);
        text
    }
}
