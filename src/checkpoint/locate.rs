//! Finds a checkpoint by its reference. In: `zoo:NAME`, a folder, `org/name@revision`, with or without `+adapter`. Out:
//! a bundled model, a folder, or the hub name of a model that must be fetched first.

use std::env;
use std::path::{Path, PathBuf};

use super::CheckpointError;
use super::adapter::{self, config::CONFIG};
use super::formats::shards;
use super::hub::cache::hub_cache;
use super::hub::id::HubId;
use super::zoo::{self, ZooModel};

/// The result of looking up a reference on this machine.
pub(super) enum Found<T> {
    Here(T),
    /// The snapshot in the cache is missing or incomplete: it must be fetched.
    OnHub(HubId),
}

/// The location of a checkpoint.
pub(super) enum Location {
    Zoo(&'static ZooModel),
    Folder(PathBuf),
}

/// Splits `model+adapter` into its two parts; `None` for a plain model. A folder whose own name contains a plus sign is
/// a plain model.
pub(super) fn split_adapter(reference: &str) -> Option<(&str, &str)> {
    if folder_of(reference).exists() {
        return None;
    }
    let (base, adapter) = reference.rsplit_once('+')?;
    (!base.is_empty() && !adapter.is_empty()).then_some((base, adapter))
}

/// Finds an adapter.
pub(super) fn locate_adapter(reference: &str) -> Result<Found<PathBuf>, CheckpointError> {
    let path = folder_of(reference);
    if path.is_dir() {
        return Ok(Found::Here(path));
    }
    let problem = "is not an adapter: there is no such folder, and it is not org/name[@revision]";
    let refused = || CheckpointError::Adapter { adapter: reference.to_owned(), problem: problem.to_owned() };
    let id = HubId::parse(reference).ok_or_else(refused)?;
    let folder = id
        .snapshot(&hub_cache())
        .filter(|f| f.join(CONFIG).exists() && adapter::weights_in(|n| f.join(n).exists()).is_some());
    Ok(folder.map_or(Found::OnHub(id), Found::Here))
}

/// A reference as a path, where `~/` is the home folder.
fn folder_of(reference: &str) -> PathBuf {
    match (reference.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(reference),
    }
}

/// Finds a checkpoint.
pub(super) fn locate(reference: &str) -> Result<Found<Location>, CheckpointError> {
    if let Some(name) = reference.strip_prefix("zoo:") {
        return zoo::find(name).map(|m| Found::Here(Location::Zoo(m))).ok_or_else(|| {
            CheckpointError::NotInZoo {
                reference: reference.to_owned(),
                known: zoo::models().iter().map(|m| format!("zoo:{}", m.name)).collect(),
            }
        });
    }
    let path = folder_of(reference);
    if path.is_dir() {
        return Ok(Found::Here(Location::Folder(path)));
    }
    if path.exists() {
        return Err(CheckpointError::NotAFolder { path: reference.to_owned(), missing: "files of its own" });
    }
    match HubId::parse(reference) {
        Some(id) => match id.snapshot(&hub_cache()) {
            Some(folder) if shards::is_complete(&folder) => Ok(Found::Here(Location::Folder(folder))),
            _ => Ok(Found::OnHub(id)),
        },
        None => Err(CheckpointError::NotAReference { reference: reference.to_owned() }),
    }
}
