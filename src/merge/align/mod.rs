//! Similarity-matched merging: reorders a source's units to match the base. Two checkpoints come in, optionally with
//! their activations on some prompts; an [`Alignment`] goes out, and [`aligned`] applies it. `evaluate` and `cli` call
//! both.
//!
//! The neurons of an MLP and the heads of an attention can be reordered without changing the model's output. Two models
//! that were not trained from one base have their units in different orders, so a mean of their weights mixes units
//! that do different things. This module pairs each unit of the base with one unit of the source so that the sum of
//! similarities is greatest, and permutes the source to match. Any method then merges the two.
//!
//! Similarity follows Xu et al., "Training-Free Pretrained Model Merging" (CVPR 2024, arXiv 2403.01753): the
//! correlation of the units' weights, of their outputs on some prompts, or a mix of the two. Query heads can only move
//! together with their key-value head: query heads are paired first within each pair of groups, then the groups are
//! paired by the resulting similarity. The residual stream keeps its order.

mod activations;
mod assign;
mod permute;
mod similarity;
mod units;

pub use activations::{Activations, LayerActivations};
pub use permute::aligned;

use crate::checkpoint::{Checkpoint, ModelConfig};

use super::MergeError;
use assign::{Pairs, best_pairs};
use similarity::mix;

/// Maps each unit of the base to a unit of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// One entry per decoder block.
    pub layers: Vec<LayerAlignment>,
}

/// The pairs of one decoder block: element i of a list is the source's unit for the base's unit i.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerAlignment {
    /// MLP neurons.
    pub neurons: Vec<usize>,
    /// Query heads; the query heads of one key-value head stay together.
    pub heads: Vec<usize>,
    /// Key-value heads.
    pub groups: Vec<usize>,
    /// Mean similarity of a neuron and its partner: before and after pairing.
    pub neuron_similarity: (f32, f32),
    /// The same for key-value heads with their query heads.
    pub head_similarity: (f32, f32),
}

impl Alignment {
    /// Whether the alignment leaves the source unchanged.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        let stays = |list: &[usize]| list.iter().enumerate().all(|(i, at)| i == *at);
        self.layers.iter().all(|l| stays(&l.neurons) && stays(&l.heads) && stays(&l.groups))
    }
}

/// Pairs the units of `source` with those of `base`. `activations` are the outputs of base and source on the same
/// tokens. `balance`, from 0 to 1, is the share of the weights' similarity; the rest is the activations' similarity.
/// Without activations, `balance` is ignored.
pub fn align(
    base: &Checkpoint,
    source: &Checkpoint,
    activations: Option<(&Activations, &Activations)>,
    balance: f32,
) -> Result<Alignment, MergeError> {
    check(base, source)?;
    let config = base.config();
    if let Some((mine, theirs)) = activations {
        mine.check(config, base.reference())?;
        theirs.check(config, source.reference())?;
    }
    let layer = |i: usize| {
        let pair = activations.map(|(a, b)| (&a.layers[i], &b.layers[i]));
        align_layer(base, source, i, pair, balance)
    };
    // One block after another: each matrix product already uses all cores.
    let layers = (0..config.num_hidden_layers).map(layer).collect::<Result<_, _>>()?;
    Ok(Alignment { layers })
}

fn align_layer(
    base: &Checkpoint,
    source: &Checkpoint,
    layer: usize,
    activations: Option<(&LayerActivations, &LayerActivations)>,
    balance: f32,
) -> Result<LayerAlignment, MergeError> {
    let config = base.config();
    let weights = |units: fn(&Checkpoint, usize) -> units::Units| {
        similarity::correlation(units(base, layer), units(source, layer))
    };
    let acts = |units: fn(&LayerActivations, &ModelConfig) -> units::Units| {
        activations.map(|(a, b)| similarity::correlation(units(a, config), units(b, config))).transpose()
    };
    // A balance of 1 uses weights alone, 0 activations alone: the unused similarity is not computed.
    let both = |w: fn(&Checkpoint, usize) -> units::Units,
                a: fn(&LayerActivations, &ModelConfig) -> units::Units| {
        match (activations, balance) {
            (None, _) => weights(w),
            (Some(_), b) if b >= 1.0 => weights(w),
            (Some(_), b) => {
                let acts = acts(a)?.unwrap_or_default();
                if b <= 0.0 { Ok(acts) } else { Ok(mix(weights(w)?, &acts, b)) }
            }
        }
    };
    let neurons =
        best_pairs(config.intermediate_size, both(units::neurons, LayerActivations::neuron_units)?)?;
    let queries = both(units::query_heads, LayerActivations::head_units)?;
    let keys = weights(units::key_value_heads)?;
    let share = if activations.is_some() { balance } else { 1.0 };
    let (heads, groups) = pair_heads(config, &queries, &keys, share)?;
    Ok(LayerAlignment {
        neuron_similarity: (neurons.before, neurons.after),
        neurons: neurons.of,
        heads,
        head_similarity: (groups.before, groups.after),
        groups: groups.of,
    })
}

/// Pairs key-value heads, and within each pair the query heads. A pair's similarity is the mean of two similarities:
/// that of its key-value heads, and that of its query heads when best paired. Key-value heads are compared by weights
/// alone, so a `share` of 0 ignores them.
fn pair_heads(
    config: &ModelConfig,
    queries: &[f32],
    keys: &[f32],
    share: f32,
) -> Result<(Vec<usize>, Pairs), MergeError> {
    let (heads, groups) = (config.num_attention_heads, config.num_key_value_heads);
    let size = heads / groups;
    let mut inner = Vec::with_capacity(groups * groups);
    let mut outer = Vec::with_capacity(groups * groups);
    let mut before = 0.0;
    for g in 0..groups {
        for h in 0..groups {
            let part = |i: usize| queries[(g * size + i) * heads + h * size..][..size].iter().copied();
            let pairs = best_pairs(size, (0..size).flat_map(part).collect())?;
            let of_keys = keys[g * groups + h];
            let value = |queries: f32| if share > 0.0 { f32::midpoint(of_keys, queries) } else { queries };
            if g == h {
                before += value(pairs.before) / groups as f32;
            }
            outer.push(value(pairs.after));
            inner.push(pairs);
        }
    }
    let found = best_pairs(groups, outer)?;
    let heads_of = |(g, h): (usize, &usize)| {
        let first = h * size;
        inner[g * groups + h].of.iter().map(move |i| first + i).collect::<Vec<_>>()
    };
    let heads = found.of.iter().enumerate().flat_map(heads_of).collect();
    Ok((heads, Pairs { before, ..found }))
}

/// Decoder blocks must have the same shape and biases; embeddings and heads do not matter.
fn check(base: &Checkpoint, source: &Checkpoint) -> Result<(), MergeError> {
    let (mine, theirs) = (source.config(), base.config());
    let sizes = [
        ("num_hidden_layers", mine.num_hidden_layers, theirs.num_hidden_layers),
        ("hidden_size", mine.hidden_size, theirs.hidden_size),
        ("intermediate_size", mine.intermediate_size, theirs.intermediate_size),
        ("num_attention_heads", mine.num_attention_heads, theirs.num_attention_heads),
        ("num_key_value_heads", mine.num_key_value_heads, theirs.num_key_value_heads),
        ("head_dim", mine.head_dim, theirs.head_dim),
        ("attention_bias", mine.attention_bias.into(), theirs.attention_bias.into()),
        ("mlp_bias", mine.mlp_bias.into(), theirs.mlp_bias.into()),
    ];
    let why = if mine.family.fused || theirs.family.fused {
        // Units are looked up by projection tensor; a fused family stores several projections in one tensor.
        Some(format!("the family {} stores its projections in one tensor", mine.model_type))
    } else {
        let different = sizes.into_iter().find(|(_, a, b)| a != b);
        different.map(|(key, mine, theirs)| format!("{key} is {mine} against {theirs}"))
    };
    why.map_or(Ok(()), |why| {
        let (model, base) = (source.reference().to_owned(), base.reference().to_owned());
        Err(MergeError::Align { model, base, why })
    })
}
