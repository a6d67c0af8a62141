//! What an export would write, from headers alone.

use std::fmt::Write as _;

use serde_json::Value;

use crate::recipe::Recipe;

use super::super::{MergeError, Pool};
use super::piecewise::Piecewise;
use super::shards::{Extent, Shard, layout};
use super::{Options, stream};

/// An export before it is made: every file's tensors and sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    pub shards: Vec<Shard>,
    /// `config.json` of the result.
    pub config: Value,
    /// Bytes of memory taken for tensors on their way; models that are mapped take none.
    pub memory: u64,
}

impl Outline {
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
    pub fn tensors(&self) -> impl Iterator<Item = &Extent> {
        self.shards.iter().flat_map(|s| &s.tensors)
    }

    /// A text that is the same only if the same files come out.
    pub(super) fn order(&self, recipe: &Recipe, pool: &Pool) -> String {
        let mut order = format!("yosegi {}\n{}\n", env!("CARGO_PKG_VERSION"), recipe.to_toml());
        for model in std::iter::once(pool.base()).chain(pool.sources()) {
            let _ = writeln!(order, "{} {} {}", model.reference(), model.stamp(), model.config().raw);
        }
        for shard in &self.shards {
            let names: Vec<&str> = shard.tensors.iter().map(|t| t.name.as_str()).collect();
            let _ = writeln!(order, "{} {} {}", shard.file, shard.bytes, names.join(" "));
        }
        order
    }
}
