//! Errors of loading or running a model. Each message names the file, tensor or key, and what to do.

use crate::limits::shown;

/// Errors of this room.
#[derive(Debug, thiserror::Error)]
pub enum LmError {
    /// The checkpoint lacks a tensor that its config calls for.
    #[error("tensor {name} is missing: the config calls for it; is the checkpoint complete?")]
    MissingTensor { name: String },
    /// A tensor's shape does not follow from the config.
    #[error("tensor {name} has shape {found:?} where the config calls for {expected:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    /// A tensor has fewer or more bytes than its shape and dtype require.
    #[error("tensor {name} holds {found} bytes where its shape and dtype call for {expected}")]
    Bytes { name: String, expected: usize, found: usize },
    /// A weight file changed or cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
    /// The config asks for something that the decoder does not support.
    #[error("{key} = {} is not supported; supported: {supported}", shown(value))]
    Unsupported { key: String, value: String, supported: &'static str },
    /// The config's numbers contradict each other.
    #[error("the config is not usable: {}", shown(.0))]
    Config(String),
    /// The device does not exist, or this build lacks support for it.
    #[error("{0}")]
    Device(String),
    /// A checkpoint's tokenizer or chat-template files cannot be used.
    #[error("{0}")]
    Files(String),
    /// `tokenizer.json` cannot be read or a text cannot be encoded.
    #[error("tokenizer: {}", shown(.0))]
    Tokenizer(String),
    /// A chat template that cannot be used or that refuses the messages.
    #[error("chat template: {0}")]
    Chat(String),
    /// A prompt that cannot be run.
    #[error("prompt {index}: {reason}")]
    Prompt { index: usize, reason: String },
    /// Not enough memory for weights, activations or the key-value cache.
    #[error(
        "there is no room for {} of {what}: free memory, or take a smaller model or a smaller batch",
        size(*bytes)
    )]
    Memory { what: &'static str, bytes: usize },
    /// The keys and values of the smallest possible batch need more memory than is free.
    #[error(
        "{sequences} sequences of {tokens} tokens at once need {} of memory for keys and values, and {} are \
         free: shorten the prompts, allow fewer new tokens, take fewer threads or beams, or free memory",
        size(*needed), size(*free)
    )]
    Room { sequences: usize, tokens: usize, needed: usize, free: usize },
    /// A decoding option that is out of range.
    #[error("{key} {why}")]
    Decoding { key: &'static str, why: String },
    /// A refresh that does not fit the loaded model.
    #[error("refresh names {found} layer groups, the model has {expected}")]
    Groups { expected: usize, found: usize },
    /// A merge that was to write weights on the card failed.
    #[error("{0}")]
    DeviceWeights(String),
    /// A path that cannot be run.
    #[error("path: {0}")]
    Path(String),
    /// The tensor library failed.
    #[error("{0}")]
    Backend(String),
}

/// A number of bytes, in readable units.
fn size(bytes: usize) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 100.0 { format!("{mib:.2} MiB") } else { format!("{:.2} GiB", mib / 1024.0) }
}

impl From<candle_core::Error> for LmError {
    fn from(error: candle_core::Error) -> Self {
        // Its `Display` appends a backtrace when RUST_BACKTRACE is set: the first line is enough.
        let text = error.to_string();
        Self::Backend(text.lines().next().unwrap_or("tensor library error").to_owned())
    }
}
