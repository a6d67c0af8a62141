//! Why a checkpoint cannot be opened, merged or written. Each case is one sentence with the file, tensor or key and
//! what to do.

use std::path::PathBuf;

use crate::limits::shown;

/// Why a checkpoint cannot be used. Each message names the file, tensor or key, and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The reference is neither a folder, a bundled model nor a name on the hub.
    #[error(
        "{reference} is not a model: there is no such folder, and it is neither zoo:NAME nor org/name[@revision]"
    )]
    NotAReference { reference: String },
    /// `zoo:NAME` with a name that no bundled model has.
    #[error("{reference}: the bundled models are {}; name one of them", .known.join(", "))]
    NotInZoo { reference: String, known: Vec<String> },
    /// A folder or file lacks something that a checkpoint needs.
    #[error(
        "{path} is not a model folder: it has no {missing}; name the folder of a Hugging Face checkpoint"
    )]
    NotAFolder { path: String, missing: &'static str },
    /// The checkpoint's files cannot be turned into a tokenizer.
    #[error("{path}: {}", shown(what))]
    Tokenizer { path: String, what: String },
    /// The weights are in an unsupported format.
    #[error("{path} is not a model folder that is read here: {what}")]
    Foreign { path: String, what: String },
    /// The hub may not be asked, or it refused.
    #[error(
        "{reference} is not in the Hugging Face cache ({cache}) and cannot be fetched: {why}; \
         fetch it on a machine with a network, or name a folder"
    )]
    NotFetched { reference: String, cache: PathBuf, why: String },
    /// A file cannot be read.
    #[error("{path}: {source}; check that the file is there and readable")]
    Io { path: PathBuf, source: std::io::Error },
    /// A file does not follow its format.
    #[error("{file}: {}; fetch or write the file again", shown(problem))]
    Damaged { file: String, problem: String },
    /// One tensor is missing, or has a wrong type, shape or place.
    #[error("{file}: tensor {tensor} {}; fetch or write the file again", shown(problem))]
    Tensor { file: String, tensor: String, problem: String },
    /// A key of a JSON file has a value that cannot be used.
    #[error("{file}: {key} {}", shown(problem))]
    Config { file: String, key: String, problem: String },
    /// The `model_type` is not a supported family.
    #[error("{reference}: model_type {family} is not supported; the supported ones are {}", .known.join(", "))]
    Family { reference: String, family: String, known: Vec<String> },
    /// An index names a file outside its own folder.
    #[error("{file} lists the shard {shard}, which is outside its folder; such an index is not followed")]
    Escape { file: String, shard: String },
    /// A weight file that the index names is missing.
    #[error(
        "{folder}: the shard {} listed in model.safetensors.index.json is missing; fetch it again",
        shown(shard)
    )]
    MissingShard { folder: String, shard: String },
    /// The reading was interrupted.
    #[error("{model}: its reading was interrupted")]
    Stopped { model: String },
    /// A mapped file was changed or shortened while it was in use.
    #[error("{path} {what}; what was read of it is not used: start again when the file is whole")]
    Changed { path: PathBuf, what: String },
    /// An adapter that cannot be applied.
    #[error("{adapter} {}", shown(problem))]
    Adapter { adapter: String, problem: String },
    /// The target of a write exists and is not empty.
    #[error("{out} exists and is not empty; name another folder or empty it first")]
    OutNotEmpty { out: PathBuf },
    /// Another process is writing the same checkpoint.
    #[error("{out} is being written by another process; wait for it, or name another folder")]
    BeingWritten { out: PathBuf },
    /// Writing stopped early; complete shards were kept.
    #[error(
        "writing {out}: {source}; {shards} finished shard{} in {folder}: the same command goes on from there",
        if *.shards == 1 { " is kept" } else { "s are kept" }
    )]
    Unfinished { out: PathBuf, folder: PathBuf, shards: usize, source: std::io::Error },
    /// Writing failed, and nothing was kept.
    #[error("writing {out}: {source}; nothing was left there")]
    Write { out: PathBuf, source: std::io::Error },
}
