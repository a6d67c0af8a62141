//! Reorders the units of a source: a checkpoint and an alignment come in, a checkpoint goes out. `align` calls it.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, TensorView, Weights};
use crate::merge::MergeError;

use super::{Alignment, LayerAlignment};

/// Reorders the units of `source` so that unit i matches the base's unit i. The model computes the same function,
/// except for the order of its sums.
pub fn aligned(source: Checkpoint, alignment: &Alignment) -> Result<Checkpoint, MergeError> {
    let dim = source.config().head_dim;
    let named = alignment.layers.iter().enumerate().flat_map(|(i, layer)| {
        let moves = moves(layer, dim);
        moves.into_iter().map(move |(part, order)| (format!("model.layers.{i}.{part}"), order))
    });
    let named: Vec<(String, Order<'_>)> = named.collect();
    // Skips biases that the model lacks and tensors whose units keep their order.
    let moved = named.into_par_iter().filter(|(_, order)| !order.stays()).filter_map(|(name, order)| {
        let view = source.tensor(&name)?;
        Some((name, view.shape.to_vec(), view.dtype, order.apply(&view)))
    });
    let moved: Vec<_> = moved.collect();
    let config = source.config().raw.clone();
    Ok(source.replaced(&config, moved, BTreeMap::new())?)
}

/// How the blocks of a tensor are permuted.
struct Order<'a> {
    /// Block i of the result is block `from[i]` of the input.
    from: &'a [usize],
    /// Rows (or columns) per unit.
    each: usize,
    /// Whether units are columns instead of rows.
    columns: bool,
}

/// Lists every tensor of a block that holds units, with the permutation of its units.
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
