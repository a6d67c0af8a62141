//! Models that are made in memory, as outlines for a plan: their tensors are zeros that no page holds, because nothing
//! reads or writes them. Before such a model is really made, [`room_for`] refuses it if it does not fit.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, Dtype};
use crate::error::BadInput;
use crate::memory::{self, size};
use crate::merge::{Footprint, Pool};
use crate::recipe::Recipe;
use crate::text::visible_line;

/// Name, shape and type of a tensor.
pub type Header = (String, Vec<usize>, Dtype);

/// The outline of a merge.
///
/// # Errors
/// A recipe that cannot be merged from the pool.
pub fn of_merge(pool: Pool, recipe: &Recipe) -> anyhow::Result<Checkpoint> {
    let Footprint { config, tensors, .. } = pool.footprint(recipe).map_err(BadInput::error)?;
    of_tensors(pool.into_file_giver(), &config.raw, tensors)
}

/// `model` with another config and zeros for these tensors.
///
/// # Errors
/// Tensors that do not fit the config.
pub fn of_tensors(
    model: Checkpoint,
    config: &serde_json::Value,
    tensors: Vec<Header>,
) -> anyhow::Result<Checkpoint> {
    let zeros = tensors.into_iter().map(|(name, shape, dtype)| {
        let bytes = shape.iter().product::<usize>() * dtype.size();
        (name, shape, dtype, vec![0; bytes])
    });
    model.replaced(config, zeros.collect(), BTreeMap::new()).map_err(BadInput::error)
}

/// A source with zeros for the tensors that an alignment may move.
///
/// # Errors
/// None that an open checkpoint can give.
pub fn of_aligned(source: Checkpoint) -> anyhow::Result<Checkpoint> {
    let (config, moved) = (source.config().raw.clone(), movable(&source));
    of_tensors(source, &config, moved)
}

/// Bytes of the tensors that an alignment may move.
#[must_use]
pub fn aligned_bytes(source: &Checkpoint) -> u64 {
    movable(source)
        .iter()
        .map(|(_, shape, dtype)| (shape.iter().product::<usize>() * dtype.size()) as u64)
        .sum()
}

/// The tensors of neurons and heads.
fn movable(source: &Checkpoint) -> Vec<Header> {
    let moves = |name: &&str| name.contains(".mlp.") || name.contains(".self_attn.");
    let header =
        |name: &str| source.extent(name).map(|(dtype, shape)| (name.to_owned(), shape.to_vec(), dtype));
    source.names().into_iter().filter(moves).filter_map(header).collect()
}

/// Refuses a model that is made in memory if so many bytes are not free.
///
/// # Errors
/// The sentence, as bad input.
pub fn room_for(what: &str, bytes: u64) -> anyhow::Result<()> {
    let Some(free) = memory::free().filter(|free| free.bytes < bytes) else { return Ok(()) };
    Err(BadInput::error(format!(
        "{} needs {} in memory and {} are free ({}): write it with `yosegi merge` and name the folder, or free {}",
        visible_line(what),
        size(bytes),
        size(free.bytes),
        free.limit.words(),
        size(bytes - free.bytes),
    )))
}
