//! Text and token ids: tokenizer, chat template, special tokens, and text that comes a token at a time.

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
