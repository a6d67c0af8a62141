//! The models on this machine: the bundled models, then those in the Hugging Face cache. In: the base to merge with, if
//! one is chosen. Out: a summary of each model, from headers alone; nothing is fetched. `yosegi models` and the
//! workbench call it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::adapter::{self, Adapter};
use super::hub::cache::hub_cache;
use super::hub::id::HubId;
use super::summary::VisionSummary;
use super::{Checkpoint, CheckpointError, Dtype, Fit, ModelSummary, VisionConfig, has_chat_template, zoo};

/// All models found, each with its fit to `base` if one is given. A broken model is listed with the reason and never
/// makes the call fail.
#[must_use]
pub fn discover(base: Option<&str>) -> Vec<ModelSummary> {
    let base = base.map(|reference| (reference, open_local(reference)));
    let zoo = zoo::models().iter().map(|m| format!("zoo:{}", m.name));
    zoo.chain(cached(&hub_cache()))
        .map(|reference| {
            let found = open_local(&reference);
            summarise(&reference, &found, base.as_ref().map(|(r, b)| (*r, b.as_ref())))
        })
        .collect()
}

/// One local model with its fit to `base`. It is never fetched; if it can't be read, it is listed with the reason.
#[must_use]
pub fn look_up(reference: &str, base: Option<&str>) -> ModelSummary {
    let base = base.map(|reference| (reference, open_local(reference)));
    summarise(reference, &open_local(reference), base.as_ref().map(|(r, b)| (*r, b.as_ref())))
}

/// Opens a checkpoint without fetching.
fn open_local(reference: &str) -> Result<Checkpoint, CheckpointError> {
    use super::locate::{Found, Location, locate, locate_adapter, split_adapter};
    let incomplete = |reference: &str| CheckpointError::NotFetched {
        reference: reference.to_owned(),
        cache: hub_cache(),
        why: "its download is incomplete".to_owned(),
    };
    if let Some((base, adapter)) = split_adapter(reference) {
        let Found::Here(folder) = locate_adapter(adapter)? else { return Err(incomplete(adapter)) };
        return open_local(base)?.adapted(reference, Adapter::open(adapter, &folder)?);
    }
    match locate(reference)? {
        Found::Here(Location::Zoo(_)) => Checkpoint::open(reference),
        Found::Here(Location::Folder(folder)) if adapter::is_adapter(&folder) => {
            Err(CheckpointError::Adapter {
                adapter: reference.to_owned(),
                problem: format!(
                    "is a LoRA adapter for {0}: name it as {0}+{reference}",
                    adapter::base_of(&folder).unwrap_or_else(|| "MODEL".to_owned())
                ),
            })
        }
        Found::Here(Location::Folder(folder)) => Checkpoint::from_folder(reference, &folder),
        Found::OnHub(_) => Err(incomplete(reference)),
    }
}

/// References of the models in a hub cache, sorted: `org/name`, or `org/name@commit` for a snapshot that the main
/// revision does not point to. A `LoRA` adapter is listed with its base (`org/base+org/adapter`) if the base is also in
/// the cache.
fn cached(cache: &Path) -> Vec<String> {
    let folders = |path: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|e| e.file_name().into_string().ok()).collect()
    };
    let mut out = Vec::new();
    for folder in folders(cache) {
        let Some(id) = folder.strip_prefix("models--").map(|n| n.replacen("--", "/", 1)) else { continue };
        let main = crate::limits::read_text(&cache.join(&folder).join("refs/main"), 1000).unwrap_or_default();
        for commit in folders(&cache.join(&folder).join("snapshots")) {
            let name = if commit == main.trim() { id.clone() } else { format!("{id}@{commit}") };
            let snapshot = cache.join(&folder).join("snapshots").join(&commit);
            let base = if adapter::is_adapter(&snapshot) { adapter::base_of(&snapshot) } else { None };
            let base = base.filter(|b| HubId::parse(b).is_some_and(|id| id.snapshot(cache).is_some()));
            out.push(base.map_or_else(|| name.clone(), |base| format!("{base}+{name}")));
        }
    }
    out.sort();
    out
}

fn summarise(
    reference: &str,
    found: &Result<Checkpoint, CheckpointError>,
    base: Option<(&str, Result<&Checkpoint, &CheckpointError>)>,
) -> ModelSummary {
    let checkpoint = match found {
        Ok(checkpoint) => checkpoint,
        Err(error) => return broken(reference, error),
    };
    let mut summary = checkpoint.summary();
    summary.fit = match base {
        None => Fit::Unasked,
        Some((name, _)) if name == reference => Fit::IsBase,
        Some((_, Ok(base))) => checkpoint.fit(base),
        Some((_, Err(error))) => Fit::No(error.to_string()),
    };
    summary
}

fn broken(reference: &str, error: &CheckpointError) -> ModelSummary {
    ModelSummary {
        reference: reference.to_owned(),
        family: String::new(),
        layers: 0,
        hidden: 0,
        heads: 0,
        kv_heads: 0,
        vocab: 0,
        parameters: 0,
        bytes: 0,
        dtype: String::new(),
        tied: false,
        chat_template: false,
        about: String::new(),
        vision: None,
        fit: Fit::No(error.to_string()),
    }
}

impl Checkpoint {
    /// The summary of this checkpoint, without its fit.
    #[must_use]
    pub fn summary(&self) -> ModelSummary {
        let config = self.config();
        let mut parameters = 0;
        let mut bytes = 0;
        let mut dtypes = BTreeSet::new();
        let text = self.names().into_iter().filter_map(|name| self.extent(name));
        let of_vision = self.vision_names().into_iter().filter_map(|name| self.vision_extent(name));
        let mut vision = self.vision_config().map(VisionSummary::of);
        let sides = text.map(|tensor| (tensor, false)).chain(of_vision.map(|tensor| (tensor, true)));
        for ((dtype, shape), sees) in sides {
            let count = shape.iter().product::<usize>() as u64;
            parameters += count;
            if let Some(vision) = vision.as_mut().filter(|_| sees) {
                vision.parameters += count;
            }
            bytes += count * dtype.size() as u64;
            dtypes.insert(match dtype {
                Dtype::F32 => "f32",
                Dtype::F16 => "f16",
                Dtype::BF16 => "bf16",
            });
        }
        let dtype = if dtypes.len() > 1 { "mixed" } else { dtypes.first().copied().unwrap_or_default() };
        ModelSummary {
            reference: self.reference().to_owned(),
            family: config.model_type.clone(),
            layers: config.num_hidden_layers,
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            vocab: config.vocab_size,
            parameters,
            bytes,
            dtype: dtype.to_owned(),
            tied: config.tie_word_embeddings,
            chat_template: has_chat_template(self),
            about: self.file("README.md").map(|card| first_lines(&card)).unwrap_or_default(),
            vision,
            fit: Fit::Unasked,
        }
    }
}

impl VisionSummary {
    /// A vision part whose parameters are not counted yet.
    fn of(config: &VisionConfig) -> Self {
        Self {
            layout: config.layout.title().to_owned(),
            tower: config.tower.title().to_owned(),
            layers: config.layers,
            hidden: config.hidden_size,
            image_size: config.image_size,
            patch_size: config.patch_size,
            parameters: 0,
        }
    }
}

/// The first paragraph of a model card: without YAML front matter, headings, images and tags,
/// without control characters, at most 300 characters.
fn first_lines(card: &[u8]) -> String {
    let card = String::from_utf8_lossy(card);
    let body = match card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---")) {
        Some((_, body)) => body,
        None => &card,
    };
    let mut out = String::new();
    for line in body.lines().map(str::trim) {
        let prose = !line.is_empty() && !line.starts_with(['#', '!', '<', '[', '|', '-', '`']);
        if prose {
            out.extend(line.chars().filter(|c| !c.is_control()));
            out.push(' ');
        } else if !out.is_empty() {
            break;
        }
    }
    out.trim().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_lose_their_front_matter_and_escapes() {
        let card = b"---\nlicense: mit\n---\n# Title\n\nA small\x1b[31m model.\nOf two lines.\n\nMore.";
        assert_eq!(first_lines(card), "A small[31m model. Of two lines.");
        assert_eq!(first_lines(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(first_lines(b""), "");
    }

    #[test]
    fn a_cache_lists_its_models_and_what_is_wrong() {
        let cache = tempfile::tempdir().unwrap();
        let snapshot = cache.path().join("models--o--m--x/snapshots/abc");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(cache.path().join("models--o--m--x/refs")).unwrap();
        fs::write(cache.path().join("models--o--m--x/refs/main"), "abc").unwrap();
        fs::create_dir_all(cache.path().join("models--o--m--x/snapshots/def")).unwrap();
        fs::create_dir_all(cache.path().join("datasets--o--d/snapshots/abc")).unwrap();
        assert_eq!(cached(cache.path()), ["o/m--x", "o/m--x@def"]);
        assert!(cached(&cache.path().join("nowhere")).is_empty());
    }
}
