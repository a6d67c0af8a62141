//! The options of a generation, and its results. `generate` takes and returns them.

use crate::task::Decoding;

/// How to decode.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Most tokens of an answer. The answer also ends at the model's last position.
    pub max_new_tokens: usize,
    /// A lower limit for each prompt, in prompt order; may be empty.
    pub limits: Vec<usize>,
    /// Tokens that end an answer.
    pub eos: Vec<u32>,
    /// Strings that end an answer; its text is cut before the first one.
    pub stop: Vec<String>,
    /// Greedy, sampled or beam search.
    pub decoding: Decoding,
    /// Threads on a CPU, each with its own share of the sequences; 0 means one per core.
    pub threads: usize,
    /// Most sequences that a thread decodes at once; it uses fewer if that is faster. 0 lets the device decide.
    pub batch: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            limits: Vec::new(),
            eos: Vec::new(),
            stop: Vec::new(),
            decoding: Decoding::default(),
            threads: 0,
            batch: 0,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// All generated tokens, including the token that ended the answer.
    pub tokens: Vec<u32>,
    /// The text, without special tokens, up to the first stop string.
    pub text: String,
    pub finish: Finish,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// An end-of-sequence token.
    Eos,
    /// A stop string.
    Stop,
    /// The limit of new tokens, or the model's last position.
    Length,
    /// The caller cancelled.
    Cancelled,
}

/// Time spent; prefill and decode add up to the wall time of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timing {
    /// Reading prompts; mean over the threads.
    pub prefill_s: f64,
    /// Everything else.
    pub decode_s: f64,
    /// Tokens generated.
    pub tokens: usize,
}

/// Events that are reported while answers grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GenerationEvent {
    /// More text of a watched answer, in whole characters.
    Text { index: usize, text: String },
    /// An answer is complete.
    Done { index: usize },
}
