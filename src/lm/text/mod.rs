//! Text and token ids.
//!
//! `reader` bundles what a checkpoint's files say about text: `tokenizer` (with `tokenizer_class` and `token_limits`),
//! chat template, end tokens. `text_stream` turns tokens into text as they come; `continuation` splits a context
//! and its continuation. Called by tasks and by the commands; nothing here runs a model.

mod chat;
mod continuation;
mod reader;
mod text_stream;
mod token_limits;
mod tokenizer;
mod tokenizer_class;

pub use chat::{ChatTemplate, Message};
pub use continuation::Continuation;
pub use reader::Reader;
pub use text_stream::TextStream;
pub use tokenizer::Tokenizer;
