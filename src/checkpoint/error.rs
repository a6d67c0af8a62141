//! What can be wrong with a checkpoint, each in one sentence.

use std::path::PathBuf;

use crate::limits::shown;

/// Why a checkpoint cannot be used. Each message names the file, tensor or key, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(
        "{reference} is not a model: there is no such folder, and it is neither zoo:NAME nor org/name[@revision]"
    )]
    NotAReference { reference: String },
    #[error("{reference}: the bundled models are {}; name one of them", .known.join(", "))]
    NotInZoo { reference: String, known: Vec<String> },
    #[error(
        "{path} is not a model folder: it has no {missing}; name the folder of a Hugging Face checkpoint"
    )]
    NotAFolder { path: String, missing: &'static str },
    #[error("{path}: {what}")]
    Tokenizer { path: String, what: String },
    #[error("{path} is not a model folder that is read here: {what}")]
    Foreign { path: String, what: String },
    #[error(
        "{reference} is not in the Hugging Face cache ({cache}) and cannot be fetched: {why}; \
         fetch it on a machine with a network, or name a folder"
    )]
    NotFetched { reference: String, cache: PathBuf, why: String },
    #[error("{path}: {source}; check that the file is there and readable")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{file}: {problem}; fetch or write the file again")]
    Damaged { file: String, problem: String },
    #[error("{file}: tensor {tensor} {problem}; fetch or write the file again")]
    Tensor { file: String, tensor: String, problem: String },
    #[error("{file}: {key} {problem}")]
    Config { file: String, key: String, problem: String },
    #[error("{reference}: model_type {family} is not supported; the supported ones are {}", .known.join(", "))]
    Family { reference: String, family: String, known: Vec<String> },
    #[error("{file} lists the shard {shard}, which is outside its folder; such an index is not followed")]
    Escape { file: String, shard: String },
    #[error(
        "{folder}: the shard {} listed in model.safetensors.index.json is missing; fetch it again",
        shown(shard)
    )]
    MissingShard { folder: String, shard: String },
    #[error("{path} {what}; what was read of it is not used: start again when the file is whole")]
    Changed { path: PathBuf, what: String },
    #[error("{adapter} {problem}")]
    Adapter { adapter: String, problem: String },
    #[error("{out} exists and is not empty; name another folder or empty it first")]
    OutNotEmpty { out: PathBuf },
    #[error("{out} is being written by another process; wait for it, or name another folder")]
    BeingWritten { out: PathBuf },
    #[error(
        "writing {out}: {source}; {shards} finished shard{} in {folder}: the same command goes on from there",
        if *.shards == 1 { " is kept" } else { "s are kept" }
    )]
    Unfinished { out: PathBuf, folder: PathBuf, shards: usize, source: std::io::Error },
    #[error("writing {out}: {source}; nothing was left there")]
    Write { out: PathBuf, source: std::io::Error },
}
