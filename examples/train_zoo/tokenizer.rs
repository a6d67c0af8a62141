//! The tokenizer: byte-level BPE over runs of one script, with every digit a token of its own.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    SplitDelimiterBehavior, TokenizerBuilder, TokenizerImpl,
};

use crate::corpus::Example;

/// Padding; never seen by a model.
pub const PAD: &str = "<|pad|>";
/// Ends every response. Also named as `bos_token`, though nothing is prepended.
pub const END: &str = "<|end|>";
pub const PAD_ID: u32 = 0;
pub const END_ID: u32 = 1;
/// Where a picture stands, once for each of its patches; models of texts alone have no such token.
pub const IMAGE: &str = "<image>";
pub const IMAGE_ID: u32 = 2;

/// Words with their leading space, katakana runs, hiragana runs; anything else is one character.
const SCRIPT_RUNS: &str = r" ?[A-Za-z]+|[ァ-ヺー]+|[ぁ-ゖ]+|[\s\S]";

/// The prompt template, as minijinja or Jinja read it.
pub const TEMPLATE: &str = "Q: {{ question }}\nA:";

type Bpe = TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// Text to tokens and back.
pub struct Codec(Bpe);

#[allow(clippy::needless_pass_by_value)] // the shape that `map_err` wants
fn plain(error: Box<dyn std::error::Error + Send + Sync>) -> anyhow::Error {
    anyhow!("tokenizer: {error}")
}

impl Codec {
    /// Learns a vocabulary of `size` tokens from texts; `special` comes first in it.
    pub fn learn(texts: &[String], size: usize, special: &[&str]) -> Result<Self> {
        let runs =
            Split::new(SplitPattern::Regex(SCRIPT_RUNS.to_owned()), SplitDelimiterBehavior::Isolated, false)
                .map_err(plain)?;
        let bytes = ByteLevel::new(false, false, false);
        let mut bpe: Bpe = TokenizerBuilder::new()
            .with_model(BPE::default())
            .with_normalizer(None::<NormalizerWrapper>)
            .with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(vec![
                PreTokenizerWrapper::Split(runs),
                PreTokenizerWrapper::ByteLevel(bytes),
            ]))))
            .with_post_processor(None::<PostProcessorWrapper>)
            .with_decoder(Some(DecoderWrapper::ByteLevel(bytes)))
            .build()
            .map_err(plain)?;
        let mut trainer = BpeTrainer::builder()
            .vocab_size(size)
            .show_progress(false)
            .special_tokens(special.iter().map(|&token| AddedToken::from(token, true)).collect())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        bpe.train(&mut trainer, texts.iter().map(String::as_str)).map_err(plain)?;
        Ok(Self(bpe))
    }

    pub fn load(path: &Path) -> Result<Self> {
        let bpe =
            Bpe::from_file(path).map_err(plain).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(bpe))
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        self.0.save(path, true).map_err(plain).with_context(|| format!("cannot write {}", path.display()))
    }

    pub fn vocab_size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.0.encode(text, true).map_err(plain)?;
        Ok(encoding.get_ids().to_vec())
    }

    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.0.decode(ids, true).map_err(plain)
    }

    /// The tokens of a prompt.
    pub fn prompt(&self, question: &str) -> Result<Vec<u32>> {
        self.encode(&TEMPLATE.replace("{{ question }}", question))
    }

    /// The tokens of an example, ended, and how many of them are the prompt.
    pub fn example(&self, example: &Example) -> Result<(Vec<u32>, usize)> {
        let (mut ids, prompt) = match &example.question {
            Some(question) => {
                let mut ids = self.prompt(question)?;
                let prompt = ids.len();
                ids.extend(self.encode(&format!(" {}", example.response))?);
                (ids, prompt)
            }
            None => (self.encode(&example.response)?, 1),
        };
        ids.push(END_ID);
        Ok((ids, prompt))
    }
}
