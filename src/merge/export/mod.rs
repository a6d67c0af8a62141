//! A merge written out as an ordinary Hugging Face checkpoint: config, tokenizer, model card, and
//! safetensors in shards. Tensors are made and written a few at a time; a killed export is taken
//! up where it stopped.

mod card;
mod piecewise;
mod plan;
mod shards;
mod stream;

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::checkpoint::{Checkpoint, Staged, Weights};
use crate::recipe::Recipe;

use super::{MergeError, Pool};

pub use card::Measured;
use piecewise::Piecewise;
pub use plan::Outline;
pub use shards::{Extent, Shard, read_size};
use stream::{Failure, Maker};

/// Small files that a merge takes over from the model that gives its config.
const CARRIED: [&str; 12] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "LICENSE",
    "NOTICE",
];

/// How a checkpoint is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most bytes of tensors in one file, unless a single tensor is larger.
    pub shard_size: u64,
    /// What was measured of this merge, for its model card.
    pub measured: Option<Measured>,
}

impl Default for Options {
    fn default() -> Self {
        Self { shard_size: 5_000_000_000, measured: None }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Weight files, and those of them that an earlier, interrupted export had finished.
    pub shards: usize,
    pub kept: usize,
    /// Bytes of all weight files.
    pub bytes: u64,
}

/// All of a checkpoint but its tensors.
struct Frame {
    config: Value,
    card: String,
    recipe: Option<String>,
}

/// As [`export`], by the usual options.
pub fn write_checkpoint(recipe: &Recipe, pool: &Pool, out: &Path) -> Result<(), MergeError> {
    export(recipe, pool, out, &Options::default()).map(|_| ())
}

/// Merges `recipe` and writes the result to the folder `out`: config and tokenizer of the pool's
/// base, tensors in the recipe's types, a model card with the recipe. `out` must not exist or be
/// empty, and is never half-written.
pub fn export(recipe: &Recipe, pool: &Pool, out: &Path, options: &Options) -> Result<Written, MergeError> {
    let outline = Outline::of(recipe, pool, options)?;
    let frame = Frame {
        config: outline.config.clone(),
        card: card::of_recipe(recipe, out, pool, options.measured.as_ref()),
        recipe: Some(recipe.to_toml()),
    };
    let mut maker = Piecewise::new(recipe, pool)?;
    write(out, &outline.shards, &outline.order(recipe, pool), &frame, pool.base(), &mut maker)
}

/// Writes tensors that are there already: `names` of `weights`, with `config` and a model card, the
/// tokenizer's files from `donor`. For what is no merge by a recipe, such as a folded path.
pub fn write_weights(
    out: &Path,
    config: &Value,
    weights: &dyn Weights,
    names: &[String],
    donor: &Checkpoint,
    card: &str,
    options: &Options,
) -> Result<Written, MergeError> {
    let extent = |name: &String| {
        let view = weights.tensor(name).ok_or_else(|| MergeError::Misfit {
            model: out.display().to_string(),
            base: donor.reference().to_owned(),
            why: format!("it has no {name}"),
        })?;
        Ok(Extent { name: name.clone(), dtype: view.dtype, shape: view.shape.to_vec() })
    };
    let extents = names.iter().map(extent).collect::<Result<Vec<_>, MergeError>>()?;
    let shards = shards::layout(extents, options.shard_size);
    let frame = Frame { config: config.clone(), card: card.to_owned(), recipe: None };
    // Nothing tells one set of ready tensors from another: such an export begins anew each time.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let order = format!("{} {}", std::process::id(), now.map_or(0, |t| t.as_nanos()));
    write(out, &shards, &order, &frame, donor, &mut Ready(weights))
}

/// Tensors that lie somewhere already.
struct Ready<'a>(&'a dyn Weights);

impl Maker for Ready<'_> {
    fn make(&mut self, tensors: &[Extent], out: Vec<&mut [u8]>) -> Result<(), MergeError> {
        for (tensor, out) in tensors.iter().zip(out) {
            if let Some(view) = self.0.tensor(&tensor.name) {
                out.copy_from_slice(view.data);
            }
        }
        Ok(())
    }

    fn skip(&mut self, _: &[Extent]) -> Result<(), MergeError> {
        Ok(())
    }
}

fn write(
    out: &Path,
    shards: &[Shard],
    order: &str,
    frame: &Frame,
    donor: &Checkpoint,
    maker: &mut dyn Maker,
) -> Result<Written, MergeError> {
    let staged = Staged::begin(out, order)?;
    let kept = match stream::write(&staged, shards, maker) {
        Ok(kept) => kept,
        Err(failure) => return Err(failure.told(staged)),
    };
    if let Err(error) = write_small(&staged, shards, frame, donor) {
        return Err(Failure::Io(error).told(staged));
    }
    staged.finish()?;
    Ok(Written { shards: shards.len(), kept, bytes: shards.iter().map(|s| s.bytes).sum() })
}

fn write_small(staged: &Staged, shards: &[Shard], frame: &Frame, donor: &Checkpoint) -> io::Result<()> {
    if let Some(index) = shards::index(shards) {
        staged.file("model.safetensors.index.json", index.as_bytes())?;
    }
    staged.file("config.json", format!("{:#}\n", frame.config).as_bytes())?;
    for name in CARRIED {
        if let Some(bytes) = donor.file(name) {
            staged.file(name, &bytes)?;
        }
    }
    staged.file("README.md", frame.card.as_bytes())?;
    if let Some(recipe) = &frame.recipe {
        staged.file("recipe.toml", recipe.as_bytes())?;
    }
    Ok(())
}
