//! Fetching a checkpoint from the Hugging Face hub into its cache.

use std::env;
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use super::CheckpointError;
use super::locate::{HubId, hub_cache};

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

/// Fetches what is missing of `id` and returns the folder of its snapshot.
pub(super) fn fetch(id: &HubId, progress: OnProgress<'_>) -> Result<PathBuf, CheckpointError> {
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
    let wanted = |name: &str| {
        COMPANIONS.contains(&name)
            || name == "model.safetensors" && !sharded
            || name.starts_with("model-") && is_safetensors(name) && !name.contains('/')
    };
    if !names.iter().any(|n| wanted(n) && is_safetensors(n)) {
        return Err(failed("the repository holds no model.safetensors".to_owned()));
    }
    let mut config = None;
    for name in names.into_iter().filter(|n| wanted(n)) {
        let bar = Bar { name: name.to_owned(), done: 0, of: 0, tell: progress };
        // A snapshot that is partly there keeps its files.
        let cached = id.snapshot(&cache).map(|s| s.join(name)).filter(|p| p.exists());
        let path = match cached {
            Some(path) => path,
            None => repo
                .download_with_progress(name, bar)
                .map_err(|e| failed(format!("{name}: {}", words(&e))))?,
        };
        if name == "config.json" {
            config = path.parent().map(Path::to_path_buf);
        }
    }
    config.ok_or_else(|| failed("the repository holds no config.json".to_owned()))
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
