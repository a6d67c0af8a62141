//! A model on disk: its location, its config, its tensors. In: references such as `zoo:ja`, a folder,
//! `org/name@revision`, each with an optional `+adapter`. Out: an open [`Checkpoint`] with a checked [`ModelConfig`],
//! memory-mapped tensors, its tokenizer's files, and a summary in words. Every higher room reads models through it.
//!
//! | to find | look in |
//! |---|---|
//! | keys of `config.json`, model families | `config` |
//! | safetensors, PyTorch archives, shards | `formats` |
//! | `LoRA` adapters | `adapter` |
//! | the Hugging Face hub and its cache | `hub` |
//! | the vision part of a LLaVA model, and the names of its tensors | `vision`, `config/vision.rs` |
//! | tokenizer files and classes, chat templates, end tokens | `tokenizer` |
//! | writing a checkpoint | `write` |

mod adapter;
mod bytes;
mod companions;
mod config;
mod derive;
mod discover;
mod error;
mod files;
mod fingerprint;
mod fit;
mod formats;
mod hub;
mod lm_head;
mod locate;
mod model;
mod open;
mod place;
mod stored;
mod summary;
mod tensor;
#[cfg(test)]
mod tests;
mod tokenizer;
mod untrusted;
mod vision;
mod write;
mod zoo;

pub use config::ModelConfig;
pub use config::family::{FAMILIES, Family, Windows};
pub use config::layers::Origin;
pub use config::rotary::Rotary;
pub use config::shapes::tensor_shapes;
pub use config::vision::{TowerKind, VisionConfig, VisionLayout};
pub use discover::{discover, look_up};
pub use error::CheckpointError;
pub use fingerprint::{Fingerprint, bytes_to_fingerprint, fingerprints};
pub use hub::cache::{RepoKind, hub_cache, repo_folder, snapshot};
pub use model::Checkpoint;
pub use place::{Place, place_of};
pub use summary::{Fit, ModelSummary, VisionSummary};
pub use tensor::{Dtype, TensorView, Weights};
pub use tokenizer::chat_template::{chat_template, has_chat_template};
pub use tokenizer::end_tokens::end_tokens;
pub use tokenizer::{Class, Parts, Token, TokenizerFiles};
pub use write::resumable::{ResumableFolder, ShardWriter, shard_bytes};
pub use write::safe_files::{new_file, own_file, own_folder, user_id, write_beside, write_whole};
pub use write::{Sink, check_out, write_folder};
pub use zoo::{NAMES as ZOO_NAMES, write_zoo};
