//! A source with its units in another order: a checkpoint and an alignment come in, a checkpoint goes out.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, TensorView, Weights};
use crate::merge::MergeError;

use super::{Alignment, LayerAlignment};

/// `source` with its units as paired: unit i is where the base's unit i is. The model computes what it computed
/// before, but for the order of its sums.
pub fn aligned(source: Checkpoint, alignment: &Alignment) -> Result<Checkpoint, MergeError> {
    let dim = source.config().head_dim;
    let named = alignment.layers.iter().enumerate().flat_map(|(i, layer)| {
        let moves = moves(layer, dim);
        moves.into_iter().map(move |(part, order)| (format!("model.layers.{i}.{part}"), order))
    });
    let named: Vec<(String, Order<'_>)> = named.collect();
    // A bias that the model does not have, and a tensor whose units stay where they are, are passed over.
    let moved = named.into_par_iter().filter(|(_, order)| !order.stays()).filter_map(|(name, order)| {
        let view = source.tensor(&name)?;
        Some((name, view.shape.to_vec(), view.dtype, order.apply(&view)))
    });
    let moved: Vec<_> = moved.collect();
    let config = source.config().raw.clone();
    Ok(source.replaced(&config, moved, BTreeMap::new())?)
}

/// Which blocks of a tensor go where.
struct Order<'a> {
    /// Place i takes what was at `from[i]`.
    from: &'a [usize],
    /// Rows (or columns) of a unit.
    each: usize,
    /// Whether units are columns.
    columns: bool,
}

/// Every tensor of a block that has units, and their order.
fn moves(layer: &LayerAlignment, dim: usize) -> Vec<(String, Order<'_>)> {
    let mut out = Vec::new();
    let mut put = |part: &str, from, each, columns| {
        out.push((format!("{part}.weight"), Order { from, each, columns }));
        if !columns {
            out.push((format!("{part}.bias"), Order { from, each, columns }));
        }
    };
    put("mlp.gate_proj", &layer.neurons, 1, false);
    put("mlp.up_proj", &layer.neurons, 1, false);
    put("mlp.down_proj", &layer.neurons, 1, true);
    put("self_attn.q_proj", &layer.heads, dim, false);
    put("self_attn.k_proj", &layer.groups, dim, false);
    put("self_attn.v_proj", &layer.groups, dim, false);
    put("self_attn.o_proj", &layer.heads, dim, true);
    out
}

impl Order<'_> {
    fn stays(&self) -> bool {
        self.from.iter().enumerate().all(|(i, from)| i == *from)
    }

    fn apply(&self, view: &TensorView<'_>) -> Vec<u8> {
        let row = view.shape[1..].iter().product::<usize>() * view.dtype.size();
        let (lines, unit) = if self.columns {
            (row, self.each * view.dtype.size())
        } else {
            (view.data.len(), self.each * row)
        };
        let mut out = vec![0; view.data.len()];
        for (out, from) in out.chunks_mut(lines).zip(view.data.chunks(lines)) {
            for (out, unit_from) in out.chunks_mut(unit).zip(self.from) {
                out.copy_from_slice(&from[unit_from * unit..][..unit]);
            }
        }
        out
    }
}
