//! Text and token ids: a checkpoint's files come in; tokenizer, chat template and text streams go out.
//!
//! `reader` bundles what a checkpoint's files define about text: `tokenizer` (with `tokenizer_class` and
//! `token_limits`), chat template, end tokens. `text_stream` turns tokens into text as they arrive; `continuation`
//! splits a context and its continuation. Tasks and commands call it; nothing here runs a model.

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
