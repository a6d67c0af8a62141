//! Fetching a checkpoint from the Hugging Face hub into its cache.

use std::env;
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use super::locate::{HubId, hub_cache};
use super::{CheckpointError, adapter};

/// Small files of a checkpoint that are fetched where the repository has them.
const COMPANIONS: [&str; 8] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "README.md",
    "model.safetensors.index.json",
];

/// Called while a file arrives: its name, bytes so far, bytes in all.
pub type OnProgress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// Fetches what is missing of the model `id` and returns the folder of its snapshot.
pub(super) fn fetch(id: &HubId, progress: OnProgress<'_>) -> Result<PathBuf, CheckpointError> {
    let wanted = |name: &str, sharded: bool| {
        COMPANIONS.contains(&name)
            || name == "model.safetensors" && !sharded
            || name.starts_with("model-") && is_safetensors(name) && !name.contains('/')
    };
    fetch_files(id, progress, "config.json", "model.safetensors", wanted)
}

/// As [`fetch`], for a `LoRA` adapter.
pub(super) fn fetch_adapter(id: &HubId, progress: OnProgress<'_>) -> Result<PathBuf, CheckpointError> {
    let wanted = |name: &str, _| matches!(name, adapter::CONFIG | adapter::WEIGHTS | "README.md");
    fetch_files(id, progress, adapter::CONFIG, adapter::WEIGHTS, wanted)
}

/// Fetches the files that `wanted` picks (by name, and whether there is a shard index), among
/// which must be `config` and some safetensors file, commonly called `weights`.
fn fetch_files(
    id: &HubId,
    progress: OnProgress<'_>,
    config: &str,
    weights: &str,
    wanted: impl Fn(&str, bool) -> bool,
) -> Result<PathBuf, CheckpointError> {
    let cache = hub_cache();
    let failed = |why: String| CheckpointError::NotFetched {
        reference: if id.revision == "main" {
            id.repo.clone()
        } else {
            format!("{}@{}", id.repo, id.revision)
        },
        cache: cache.clone(),
        why,
    };
    if is_offline() {
        return Err(failed("HF_HUB_OFFLINE is set".to_owned()));
    }
    let mut builder = ApiBuilder::from_cache(Cache::new(cache.clone())).with_progress(false);
    if let Ok(endpoint) = env::var("HF_ENDPOINT") {
        builder = builder.with_endpoint(endpoint);
    }
    if let Ok(token) = env::var("HF_TOKEN") {
        builder = builder.with_token(Some(token));
    }
    let api = builder.build().map_err(|e| failed(words(&e)))?;
    let repo = api.repo(Repo::with_revision(id.repo.clone(), RepoType::Model, id.revision.clone()));
    let info = repo.info().map_err(|e| failed(words(&e)))?;

    let names: Vec<&str> = info.siblings.iter().map(|s| s.rfilename.as_str()).collect();
    let sharded = names.contains(&"model.safetensors.index.json");
    if !names.iter().any(|n| wanted(n, sharded) && is_safetensors(n)) {
        return Err(failed(format!("the repository holds no {weights}")));
    }
    let mut folder = None;
    for name in names.into_iter().filter(|n| wanted(n, sharded)) {
        let bar = Bar { name: name.to_owned(), done: 0, of: 0, tell: progress };
        // A snapshot that is partly there keeps its files.
        let cached = id.snapshot(&cache).map(|s| s.join(name)).filter(|p| p.exists());
        let path = match cached {
            Some(path) => path,
            None => repo
                .download_with_progress(name, bar)
                .map_err(|e| failed(format!("{name}: {}", words(&e))))?,
        };
        if name == config {
            folder = path.parent().map(Path::to_path_buf);
        }
    }
    folder.ok_or_else(|| failed(format!("the repository holds no {config}")))
}

fn is_safetensors(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "safetensors")
}

/// Whether `HF_HUB_OFFLINE` asks for no network, as `huggingface_hub` reads it.
fn is_offline() -> bool {
    env::var("HF_HUB_OFFLINE")
        .is_ok_and(|v| matches!(v.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}

/// A network error in one plain line.
fn words(error: &ApiError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("request error: ").unwrap_or(&text);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

struct Bar<'a> {
    name: String,
    done: u64,
    of: u64,
    tell: &'a mut dyn FnMut(&str, u64, u64),
}

impl Progress for Bar<'_> {
    fn init(&mut self, size: usize, _: &str) {
        self.of = size as u64;
        (self.tell)(&self.name, 0, self.of);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        (self.tell)(&self.name, self.done, self.of);
    }

    fn finish(&mut self) {
        (self.tell)(&self.name, self.of, self.of);
    }
}
