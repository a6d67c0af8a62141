//! [`Reader`]: everything that a checkpoint's files define about text: tokenizer, chat template, special and end
//! tokens.
//!
//! It uses all files, like transformers 5 (`checkpoint::TokenizerFiles`). All code that runs a model calls it.

use std::ops::Range;

use super::{ChatTemplate, Tokenizer};
use crate::checkpoint::{Checkpoint, TokenizerFiles, end_tokens};
use crate::lm::LmError;
use crate::task::IMAGE_MARK;

/// How a checkpoint reads and writes text.
pub struct Reader {
    pub tokenizer: Tokenizer,
    /// Tokens that end an answer.
    pub ends: Vec<u32>,
    /// The beginning-of-sequence token that the files name, else the config's.
    bos: Option<u32>,
    /// The end-of-sequence token that the files name, else the config's.
    eos: Option<u32>,
    /// The chat template, or why it cannot be used.
    chat: Result<Option<ChatTemplate>, LmError>,
}

impl Reader {
    /// From a checkpoint's files. A chat template that cannot be used is an error only when a chat is asked for.
    ///
    /// # Errors
    /// A file that is missing, broken or inconsistent.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, LmError> {
        let bad = |e: crate::checkpoint::CheckpointError| LmError::Files(e.to_string());
        let files = TokenizerFiles::read(checkpoint).map_err(bad)?;
        let tokenizer = Tokenizer::from_files(&files, checkpoint.reference())?;
        let named = |name: &str| files.named(name).and_then(|text| tokenizer.id(text));
        let config = checkpoint.config();
        Ok(Self {
            ends: end_tokens(checkpoint).map_err(bad)?,
            bos: named("bos_token").or(if named("eos_token").is_none() { config.bos_token_id } else { None }),
            eos: named("eos_token").or(config.eos_token_ids.first().copied()),
            chat: ChatTemplate::with_files(checkpoint, &files),
            tokenizer,
        })
    }

    /// The token that stands for an empty context, as in lm-evaluation-harness: the beginning-of-sequence token, else
    /// the end-of-sequence token.
    #[must_use]
    pub fn prefix(&self) -> Option<u32> {
        self.bos.or(self.eos)
    }

    /// The token that ends a sequence.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The checkpoint's chat template; `None` where it has none.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn chat(&self) -> Result<Option<&ChatTemplate>, &LmError> {
        self.chat.as_ref().map(Option::as_ref)
    }

    /// Ids of a prompt, with the special tokens that the tokenizer puts around a text.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.tokenizer.ids(text, true)
    }

    /// Ids of a prompt with images: each `<image>` of the text becomes the rows of the next image, whose ids are
    /// `images` (see [`ImageRows::push`](crate::lm::ImageRows::push)). `chat`: the text is a rendered chat, as in
    /// [`Self::chat_prompt`].
    ///
    /// # Errors
    /// A text that cannot be encoded, another number of images than marks, or a tokenizer without the image token.
    pub fn image_prompt(&self, text: &str, chat: bool, images: &[Range<u32>]) -> Result<Vec<u32>, LmError> {
        let ids = self.tokenizer.ids(text, !chat)?;
        let Some(token) = self.image_token() else {
            return Err(LmError::Tokenizer(format!(
                "it has no token {IMAGE_MARK}, which stands for an image in a prompt: is this the tokenizer of a \
                 model that takes images?"
            )));
        };
        let marks = ids.iter().filter(|id| **id == token).count();
        if marks != images.len() {
            return Err(LmError::Tokenizer(format!(
                "{IMAGE_MARK} stands {marks} times in the prompt, and the number of images is {}: write it once for each",
                images.len()
            )));
        }
        let mut images = images.iter();
        let mut out = Vec::with_capacity(ids.len() + images.clone().map(Range::len).sum::<usize>());
        for id in ids {
            match images.as_slice().first().filter(|_| id == token) {
                Some(rows) => {
                    out.extend(rows.clone());
                    images.next();
                }
                None => out.push(id),
            }
        }
        Ok(out)
    }

    /// Lets the reader of a text model read prompts with images: gives its tokenizer the image token if it has none.
    ///
    /// # Errors
    /// A tokenizer that takes no further token.
    pub fn learn_images(&mut self) -> Result<(), LmError> {
        match self.image_token() {
            Some(_) => Ok(()),
            None => self.tokenizer.add_special(IMAGE_MARK),
        }
    }

    /// The token that stands for an image in a text, if the tokenizer has one.
    #[must_use]
    pub fn image_token(&self) -> Option<u32> {
        self.tokenizer.id(IMAGE_MARK)
    }

    /// Ids of a rendered chat, whose template has written all special tokens.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn chat_prompt(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.tokenizer.ids(text, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_of_a_text_model_learns_to_read_prompts_with_images() {
        let text = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/transformers/tied-gqa");
        let checkpoint = Checkpoint::open(text).unwrap();
        let mut reader = Reader::of(&checkpoint).unwrap();
        let said = reader
            .image_prompt("a <image> b", false, std::slice::from_ref(&(90..93)))
            .unwrap_err()
            .to_string();
        assert!(said.contains("no token <image>"), "{said}");
        reader.learn_images().unwrap();
        reader.learn_images().unwrap();
        let ids = reader.image_prompt("a <image> b<image>", false, &[90..93, 90..92]).unwrap();
        let text = |text: &str| reader.tokenizer.ids(text, false).unwrap();
        let start = reader.prompt("a ").unwrap();
        assert_eq!(ids, [start, vec![90, 91, 92], text(" b"), vec![90, 91]].concat());
        let said = reader.image_prompt("a", false, std::slice::from_ref(&(90..93))).unwrap_err().to_string();
        assert!(said.contains("stands 0 times"), "{said}");
    }
}
