//! What an export would write, from headers alone: `yosegi merge --dry-run` shows it, and the export follows it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::checkpoint::Checkpoint;
use crate::recipe::Recipe;

use super::piecewise::Piecewise;
use super::shards::{Shard, TensorHeader, layout};
use super::{Options, stream};
use crate::merge::{MergeError, Pool};

/// An export before it is made: every file's tensors and sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportPlan {
    pub shards: Vec<Shard>,
    /// `config.json` of the result.
    pub config: Value,
    /// Bytes of memory taken for tensors on their way; models that are mapped take none.
    pub memory: u64,
}

impl ExportPlan {
    /// Works out what exporting `recipe` would write.
    pub fn of(recipe: &Recipe, pool: &Pool, options: &Options) -> Result<Self, MergeError> {
        let merge = Piecewise::new(recipe, pool)?;
        let tensors = merge.tensors();
        let config = merge.config();
        let shards = layout(tensors, options.shard_size);
        let memory = stream::memory(&shards);
        Ok(Self { shards, config, memory })
    }

    /// Tensors of all shards.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorHeader> {
        self.shards.iter().flat_map(|s| &s.tensors)
    }

    /// A text that is the same only if the same files come out.
    pub(super) fn order(&self, recipe: &Recipe, pool: &Pool, options: &Options) -> String {
        let models = std::iter::once(pool.base()).chain(pool.sources());
        order(&options.recipe_file(recipe).to_toml(), models, &self.shards)
    }
}

/// A text that is the same only if the same files come out of `recipe` and `models`.
pub(super) fn order<'a>(
    recipe: &str,
    models: impl Iterator<Item = &'a Checkpoint>,
    shards: &[Shard],
) -> String {
    let mut order = format!("yosegi {}\n{recipe}\n", env!("CARGO_PKG_VERSION"));
    for model in models {
        let _ = writeln!(order, "{} {} {}", model.reference(), model.stamp(), model.config().raw);
    }
    for shard in shards {
        let names: Vec<&str> = shard.tensors.iter().map(|t| t.name.as_str()).collect();
        let _ = writeln!(order, "{} {} {}", shard.file, shard.bytes, names.join(" "));
    }
    order
}
