//! Fetches a model or an adapter from the Hugging Face hub into the cache. In: a repository and revision. Out: the
//! folder of the snapshot. Called when a checkpoint is opened that is not complete in the cache.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use super::cache::{access, hub_cache};
use super::id::HubId;
use crate::checkpoint::adapter::{self, config::CONFIG};
use crate::checkpoint::formats::safetensors::SINGLE;
use crate::checkpoint::formats::shards::index_names;
use crate::checkpoint::formats::table::{FORMATS, is_index};
use crate::checkpoint::formats::unsupported;
use crate::checkpoint::untrusted::printable;
use crate::checkpoint::{CheckpointError, companions};
use crate::limits;
use crate::progress::{Meter, Observer, What};

/// Fetches the missing files of the model `id` and returns the folder of its snapshot. Config and small files are
/// fetched before the weights, so that a snapshot with weights is complete.
pub(in crate::checkpoint) fn fetch(id: &HubId, observer: &Observer<'_>) -> Result<PathBuf, CheckpointError> {
    let mut hub = Hub::ask(id, observer)?;
    if !hub.names.contains("config.json") {
        return Err(hub.failed("the repository holds no config.json".to_owned()));
    }
    let weights = FORMATS.iter().flat_map(|f| [f.single, f.index]).find(|name| hub.names.contains(*name));
    let Some(weights) = weights else {
        let names: Vec<&str> = hub.names.iter().map(String::as_str).collect();
        let what = unsupported::advice(&names, &id.repo);
        return Err(hub.failed(what.unwrap_or_else(|| format!("the repository holds no {SINGLE}"))));
    };
    let companions: Vec<String> = hub.names.iter().filter(|n| companions::is_one(n)).cloned().collect();
    let mut folder = PathBuf::new();
    for name in companions {
        let path = hub.get(&name)?;
        if name == "config.json" {
            folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        }
    }
    let path = hub.get(weights)?;
    if is_index(weights) {
        let file = format!("{}/{weights}", id.repo);
        let index =
            limits::read(&path, limits::SMALL_FILE).map_err(|source| CheckpointError::Io { path, source })?;
        for shard in index_names(&file, &index)? {
            if !hub.names.contains(&shard) {
                let shard = printable(&shard);
                return Err(
                    hub.failed(format!("its {weights} names {shard}, which the repository does not hold"))
                );
            }
            hub.get(&shard)?;
        }
    }
    Ok(folder)
}

/// Like [`fetch`], for a `LoRA` adapter.
pub(in crate::checkpoint) fn fetch_adapter(
    id: &HubId,
    observer: &Observer<'_>,
) -> Result<PathBuf, CheckpointError> {
    let mut hub = Hub::ask(id, observer)?;
    if !hub.names.contains(CONFIG) {
        return Err(hub.failed(format!("the repository holds no {CONFIG}")));
    }
    let Some(weights) = adapter::weights_in(|name| hub.names.contains(name)) else {
        return Err(hub.failed("the repository holds no weights of an adapter".to_owned()));
    };
    if hub.names.contains("README.md") {
        hub.get("README.md")?;
    }
    hub.get(weights)?;
    let config = hub.get(CONFIG)?;
    Ok(config.parent().map(Path::to_path_buf).unwrap_or_default())
}

/// Bytes of the files that a model's or an adapter's repository holds and the cache does not, as the hub says.
///
/// # Errors
/// The hub may not be asked, does not answer, or does not know the repository.
pub(in crate::checkpoint) fn missing_bytes(id: &HubId) -> Result<u64, CheckpointError> {
    let hub = Hub::ask(id, &Observer::none())?;
    let failed = |why: &dyn std::fmt::Display| hub.failed(printable(&why.to_string()));
    let mut answer = hub.repo.info_request().query("blobs", "true").call().map_err(|e| failed(&e))?;
    let text = answer.body_mut().read_to_string().map_err(|e| failed(&e))?;
    let sizes: Sizes = serde_json::from_str(&text).map_err(|e| failed(&e))?;
    let folder = id.snapshot(&hub.cache);
    let missing = |file: &&FileSize| !folder.as_ref().is_some_and(|f| f.join(&file.rfilename).exists());
    let wanted = wanted(&hub.names);
    let files = sizes.siblings.iter().filter(|file| wanted(&file.rfilename)).filter(missing);
    Ok(files.fold(0, |sum: u64, file| sum.saturating_add(file.size.unwrap_or(0))))
}

/// Whether a download takes a file of a repository that holds `names`: the small files, and the weights in the first
/// format that is there.
fn wanted(names: &BTreeSet<String>) -> impl Fn(&str) -> bool + '_ {
    let adapter = adapter::weights_in(|name| names.contains(name)).filter(|_| names.contains(CONFIG));
    let format = FORMATS.iter().find(|f| names.contains(f.single) || names.contains(f.index));
    move |name| {
        if let Some(weights) = adapter {
            return name == weights || name == CONFIG;
        }
        let is_weights = match format {
            Some(format) if names.contains(format.single) => name == format.single,
            Some(format) => {
                let end = name.rsplit_once('.').map(|(_, end)| end);
                name == format.index || !name.contains('/') && end == Some(format.extension)
            }
            None => false,
        };
        is_weights || companions::is_one(name)
    }
}

#[derive(serde::Deserialize)]
struct Sizes {
    siblings: Vec<FileSize>,
}

#[derive(serde::Deserialize)]
struct FileSize {
    rfilename: String,
    #[serde(default)]
    size: Option<u64>,
}

/// One revision of a repository on the hub.
struct Hub<'a> {
    id: &'a HubId,
    cache: PathBuf,
    repo: ApiRepo,
    /// Its files.
    names: BTreeSet<String>,
    observer: Observer<'a>,
}

impl<'a> Hub<'a> {
    /// Asks the hub for the list of files.
    fn ask(id: &'a HubId, observer: &Observer<'a>) -> Result<Self, CheckpointError> {
        let cache = hub_cache();
        let failed = |why: String| not_fetched(id, &cache, why);
        let access = access();
        let endpoint = access.endpoint.ok_or_else(|| failed(format!("{} is set", access.offline)))?;
        let api = ApiBuilder::from_cache(Cache::new(cache.clone()))
            .with_progress(false)
            .with_endpoint(endpoint)
            .with_token(access.token)
            .build()
            .map_err(|e| failed(words(&e)))?;
        let repo = api.repo(Repo::with_revision(id.repo.clone(), RepoType::Model, id.revision.clone()));
        let info = repo.info().map_err(|e| failed(words(&e)))?;
        let names = info.siblings.into_iter().map(|s| s.rfilename).collect();
        Ok(Self { id, cache, repo, names, observer: *observer })
    }

    /// The path of a file in the cache; the file is fetched if it is missing.
    fn get(&mut self, name: &str) -> Result<PathBuf, CheckpointError> {
        let cached = self.id.snapshot(&self.cache).map(|s| s.join(name)).filter(|p| p.exists());
        if let Some(path) = cached {
            return Ok(path);
        }
        if self.observer.stopped() {
            return Err(self.failed("it was interrupted; what has come stays there".to_owned()));
        }
        let what = What::Fetching(format!("{}: {}", self.id.repo, printable(name)));
        let bar = Bar { observer: self.observer, what, meter: None };
        let got = self.repo.download_with_progress(name, bar);
        got.map_err(|e| self.failed(format!("{}: {}", printable(name), words(&e))))
    }

    fn failed(&self, why: String) -> CheckpointError {
        not_fetched(self.id, &self.cache, why)
    }
}

fn not_fetched(id: &HubId, cache: &Path, why: String) -> CheckpointError {
    let reference =
        if id.revision == "main" { id.repo.clone() } else { format!("{}@{}", id.repo, id.revision) };
    CheckpointError::NotFetched { reference, cache: cache.to_path_buf(), why }
}

/// A network error as one plain line.
fn words(error: &ApiError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("request error: ").unwrap_or(&text);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// Counts the bytes of a file that arrives.
struct Bar<'a> {
    observer: Observer<'a>,
    what: What,
    meter: Option<Meter<'a>>,
}

impl Progress for Bar<'_> {
    fn init(&mut self, size: usize, _: &str) {
        self.meter = Some(self.observer.meter(self.what.clone(), size as u64));
    }

    fn update(&mut self, size: usize) {
        if let Some(meter) = &self.meter {
            meter.add(size as u64);
        }
    }

    fn finish(&mut self) {
        self.meter = None;
    }
}
