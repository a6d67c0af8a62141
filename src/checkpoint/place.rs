//! Where a model lies: with the program, in a folder, in the hub cache, or only on the hub. In: a reference. Out: a
//! [`Place`]; nothing is fetched, no tensor is read. The plan of a session calls it.

use serde::{Deserialize, Serialize};

use super::CheckpointError;
use super::hub::cache::hub_cache;
use super::hub::fetch::missing_bytes;
use super::locate::{Found, Location, locate, locate_adapter, split_adapter};

/// Where a model, with its adapter if it has one, lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum Place {
    /// In the program itself.
    Bundled,
    /// In a folder that the reference names.
    Folder,
    /// In the hub cache.
    Cache,
    /// Not on this machine: it is fetched from the hub first.
    Hub {
        /// Bytes to fetch, if the hub said so.
        download: Option<u64>,
        /// Why the hub did not say so.
        why: String,
    },
}

/// Where a model lies. The hub is asked for sizes if the model is not on this machine.
///
/// # Errors
/// The reference is none, or names a bundled model or a folder that does not exist.
pub fn place_of(reference: &str) -> Result<Place, CheckpointError> {
    if let Some((model, adapter)) = split_adapter(reference) {
        let (model, adapter) = (place_of(model)?, adapter_place(adapter)?);
        return Ok(match (model, adapter) {
            (Place::Hub { download, why }, Place::Hub { download: more, why: or }) => Place::Hub {
                download: download.zip(more).map(|(a, b)| a.saturating_add(b)),
                why: if why.is_empty() { or } else { why },
            },
            (model, hub @ Place::Hub { .. }) if !matches!(model, Place::Hub { .. }) => hub,
            (model, _) => model,
        });
    }
    Ok(match locate(reference)? {
        Found::Here(Location::Zoo(_)) => Place::Bundled,
        Found::Here(Location::Folder(folder)) if folder.starts_with(hub_cache()) => Place::Cache,
        Found::Here(Location::Folder(_)) => Place::Folder,
        Found::OnHub(id) => on_hub(missing_bytes(&id)),
    })
}

fn adapter_place(adapter: &str) -> Result<Place, CheckpointError> {
    Ok(match locate_adapter(adapter)? {
        Found::Here(_) => Place::Folder,
        Found::OnHub(id) => on_hub(missing_bytes(&id)),
    })
}

fn on_hub(answer: Result<u64, CheckpointError>) -> Place {
    match answer {
        Ok(bytes) => Place::Hub { download: Some(bytes), why: String::new() },
        Err(why) => Place::Hub { download: None, why: why.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(place_of("zoo:base").unwrap(), Place::Bundled);
        assert_eq!(place_of(folder.path().to_str().unwrap()).unwrap(), Place::Folder);
        assert!(place_of("zoo:bass").unwrap_err().to_string().contains("zoo:base"));
        assert!(place_of("no folder").is_err());
    }
}
