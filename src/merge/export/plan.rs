//! What an export will write, planned from headers alone. `yosegi merge --dry-run` shows the plan, and the export
//! follows it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::checkpoint::Checkpoint;
use crate::recipe::Recipe;

use super::piecewise::Piecewise;
use super::shards::{Shard, TensorHeader, layout};
use super::{Options, llava, stream};
use crate::merge::{MergeError, Pool};

/// A planned export: every file's tensors and sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportPlan {
    pub shards: Vec<Shard>,
    /// `config.json` of the result.
    pub config: Value,
    /// Memory for tensors while they are made and written; mapped models are not counted.
    pub memory: u64,
}

impl ExportPlan {
    /// Plans the export of `recipe`.
    pub fn of(recipe: &Recipe, pool: &Pool, options: &Options) -> Result<Self, MergeError> {
        let merge = Piecewise::new(recipe, pool)?;
        let giver = pool.vision_giver();
        let tensors = llava::headers(merge.tensors(), giver, merge.merges_vision());
        let config = llava::config(merge.config(), giver);
        let shards = layout(tensors, options.shard_size);
        let memory = stream::memory(&shards);
        Ok(Self { shards, config, memory })
    }

    /// The tensors of all shards.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorHeader> {
        self.shards.iter().flat_map(|s| &s.tensors)
    }

    /// A text that is equal for two plans only if they produce the same files.
    pub(super) fn order(&self, recipe: &Recipe, pool: &Pool, options: &Options) -> String {
        let models = std::iter::once(pool.base()).chain(pool.sources());
        order(&options.recipe_file(recipe).to_toml(), models, &self.shards)
    }
}

/// A text that is equal only if `recipe` and `models` produce the same files.
pub(super) fn order<'a>(
    recipe: &str,
    models: impl Iterator<Item = &'a Checkpoint>,
    shards: &[Shard],
) -> String {
    let mut order = format!("yosegi {}\n{recipe}\n", env!("CARGO_PKG_VERSION"));
    for model in models {
        let _ = writeln!(order, "{} {} {}", model.reference(), model.stamp(), model.whole_config());
    }
    for shard in shards {
        let names: Vec<&str> = shard.tensors.iter().map(|t| t.name.as_str()).collect();
        let _ = writeln!(order, "{} {} {}", shard.file, shard.bytes, names.join(" "));
    }
    order
}
