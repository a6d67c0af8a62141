//! The text settings of a checkpoint's files, read like transformers 5 reads them. In: an open checkpoint. Out: its
//! tokenizer's files as one value ([`TokenizerFiles`]), its chat template, and the tokens that end an answer. `lm`
//! builds the tokenizer from these.
//!
//! | file, key | counts |
//! |---|---|
//! | `tokenizer.json`: `truncation`, `padding` | never |
//! | `tokenizer_config.json`: `tokenizer_class`, else that of `config.json` | chooses the [`Class`], with the model's family |
//! | … `bos_token`, `eos_token`, … | text or object; what is left out is the class's own |
//! | … `added_tokens_decoder` | added to the tokenizer; where it is there, the next two files do not count |
//! | `special_tokens_map.json` | before `tokenizer_config.json` |
//! | `added_tokens.json` | added to the tokenizer |
//! | … `add_bos_token`, `add_eos_token` | never: `tokenizer.json`'s own post-processor counts |
//! | `chat_template.jinja`, `additional_chat_templates/*.jinja` | before `chat_template` of `tokenizer_config.json` |
//! | `generation_config.json`: `eos_token_id` | alone where the file is there; else `config.json`'s |
//!
//! For a checkpoint without `tokenizer.json`, `convert` makes one from its other files.

pub(super) mod chat_template;
mod class;
pub(super) mod convert;
pub(super) mod end_tokens;
pub(super) mod files;
mod json_file;
mod parts;
mod token;

pub use class::Class;
pub use files::TokenizerFiles;
pub use parts::Parts;
pub use token::Token;
