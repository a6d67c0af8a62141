//! A model on disk: where it lies, what it is made of, its tensors. References such as
//! `zoo:ja`, a folder, `org/name@revision`, any of them `+adapter`, come in; memory-mapped tensors, a checked
//! configuration and a summary in words go out.

mod adapter;
mod bytes;
mod cache;
mod companions;
mod config;
mod discover;
mod error;
mod family;
mod fields;
mod files;
mod fit;
mod foreign;
mod head;
mod hub;
mod layers;
mod layout;
mod locate;
mod lora;
mod open;
mod own;
mod pairs;
mod pickle;
mod prints;
mod rotary;
mod safetensors;
mod shards;
mod staged;
mod summary;
mod tensor;
#[cfg(test)]
mod tests;
mod text;
mod tokenizer;
mod torch;
mod windows;
mod write;
mod zip;
mod zoo;

pub use cache::{RepoKind, hub_cache, repo_folder, snapshot};
pub use config::ModelConfig;
pub use discover::{discover, look_up};
pub use error::CheckpointError;
pub use family::{FAMILIES, Family, Windows};
pub use layers::Origin;
pub use layout::tensor_shapes;
pub use open::Checkpoint;
pub use own::{new_file, own_file, own_folder, user_id, write_whole};
pub use prints::{FilePrint, prints, unprinted};
pub use rotary::Rotary;
pub use staged::{ShardWriter, Staged, shard_bytes};
pub use summary::{Fit, ModelSummary};
pub use tensor::{Dtype, TensorView, Weights};
pub use text::{Class, NAMED, TextFiles, Token, chat_template, end_tokens, has_chat_template};
pub use write::{Sink, check_out, write_folder};
pub use zoo::{NAMES as ZOO_NAMES, write_zoo};
