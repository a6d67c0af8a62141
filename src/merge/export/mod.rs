//! Writes a merge as an ordinary Hugging Face checkpoint: config, tokenizer, model card, and safetensors in shards. A
//! recipe and a pool come in; `cli` and `evaluate` call it. Tensors are made and written a few at a time. An
//! interrupted export continues where it stopped.

mod card;
mod folded;
mod llava;
mod piecewise;
mod plan;
mod shards;
mod stream;

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::checkpoint::{Checkpoint, ResumableFolder};
use crate::progress::{Observer, What};
use crate::recipe::{Recipe, RecipeFile};
use crate::text::visible;

use super::{MergeError, Pool};

pub use card::Measured;
pub use folded::{export_folded, path_vision_giver};
use llava::WithVision;
use piecewise::Piecewise;
pub use plan::ExportPlan;
pub use shards::{Shard, TensorHeader, read_size};
use stream::{Failure, Maker};

/// How a checkpoint is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Upper limit for the tensor bytes in one file; a larger single tensor gets its own file.
    pub shard_size: u64,
    /// Measured scores for the model card.
    pub measured: Option<Measured>,
    /// Recipes whose results this merge uses by name, in merging order. They are written out with this merge's own
    /// recipe.
    pub before: Vec<Recipe>,
}

impl Default for Options {
    fn default() -> Self {
        Self { shard_size: 5_000_000_000, measured: None, before: Vec::new() }
    }
}

impl Options {
    /// A recipe and the recipes that it depends on, as one text.
    #[must_use]
    pub fn recipe_file(&self, recipe: &Recipe) -> RecipeFile {
        RecipeFile::from_recipes(
            self.before.iter().cloned().chain(RecipeFile::from_recipe(recipe).recipes).collect(),
        )
    }
}

/// The result of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Number of weight files, and how many of them an earlier, interrupted export had finished.
    pub shards: usize,
    pub kept: usize,
    /// Bytes of all weight files.
    pub bytes: u64,
}

/// Everything in a checkpoint except its tensors.
struct Frame {
    config: Value,
    card: String,
    /// The recipe in TOML.
    recipe: String,
    /// Whether the vision part is among the merged tensors.
    merges_vision: bool,
}

/// [`export`] with default options.
pub fn write_checkpoint(recipe: &Recipe, pool: &Pool, out: &Path) -> Result<(), MergeError> {
    export(recipe, pool, out, &Options::default(), &Observer::none()).map(|_| ())
}

/// Merges `recipe` and writes the result to the folder `out`: config and tokenizer of the pool's base, tensors in the
/// recipe's types, and a model card with the recipe. With a LLaVA model in the pool, the result is one: its vision part,
/// outer config, tokenizer and small files are those of the pool's vision giver. `out` must be empty or absent, and never holds a half-written
/// checkpoint. The observer may end the export: whole shards then stay for the next one, as after a kill.
pub fn export(
    recipe: &Recipe,
    pool: &Pool,
    out: &Path,
    options: &Options,
    observer: &Observer<'_>,
) -> Result<Written, MergeError> {
    let outline = ExportPlan::of(recipe, pool, options)?;
    let mut maker = Piecewise::new(recipe, pool)?;
    let frame = Frame {
        config: outline.config.clone(),
        card: card::of_recipe(recipe, out, pool, options),
        recipe: options.recipe_file(recipe).to_toml(),
        merges_vision: maker.merges_vision(),
    };
    let (shards, order) = (&outline.shards, outline.order(recipe, pool, options));
    write((out, observer), shards, &order, &frame, pool.file_giver(), &mut maker)
}

fn write(
    (out, observer): (&Path, &Observer<'_>),
    shards: &[Shard],
    order: &str,
    frame: &Frame,
    donor: &Checkpoint,
    maker: &mut dyn Maker,
) -> Result<Written, MergeError> {
    let staged = ResumableFolder::begin(out, order)?;
    let tensors = shards.iter().map(|shard| shard.tensors.len()).sum();
    let mut with_vision = WithVision::new(maker, Some(donor).filter(|_| !frame.merges_vision), tensors);
    let missing = shards.iter().filter(|shard| !staged.has(&shard.file, shard.bytes));
    let bytes = missing.flat_map(|shard| &shard.tensors).map(TensorHeader::bytes).sum();
    let meter = observer.meter(What::Writing(out.display().to_string()), bytes);
    let kept = match stream::write(&staged, shards, &mut with_vision, &meter) {
        Ok(kept) => kept,
        Err(failure) => return Err(failure.told(staged)),
    };
    if let Err(error) = write_small(&staged, shards, frame, donor) {
        return Err(Failure::Io(error).told(staged));
    }
    staged.finish()?;
    Ok(Written { shards: shards.len(), kept, bytes: shards.iter().map(|s| s.bytes).sum() })
}

fn write_small(
    staged: &ResumableFolder,
    shards: &[Shard],
    frame: &Frame,
    donor: &Checkpoint,
) -> io::Result<()> {
    if let Some(index) = shards::index(shards) {
        staged.file("model.safetensors.index.json", index.as_bytes())?;
    }
    staged.file("config.json", format!("{:#}\n", frame.config).as_bytes())?;
    for (name, bytes) in donor.handed_on() {
        staged.file(&name, &bytes)?;
    }
    staged.file("README.md", visible(&frame.card).as_bytes())?;
    staged.file("recipe.toml", frame.recipe.as_bytes())
}
