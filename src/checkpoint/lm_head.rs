//! Decides whether a model's LM head is tied to its embeddings, from the config's `tie_word_embeddings` and the stored
//! tensors. `open` and `derive` call it before shapes are checked.
//!
//! As in transformers 5, a head is only tied if nothing is lost: a stored head with other values stays. If the
//! embeddings are not stored, the head's values are used for them.

use std::collections::BTreeMap;

use super::bytes::Bytes;
use super::stored::Held;
use super::{ModelConfig, TensorView};

pub(super) const EMBEDDINGS: &str = "model.embed_tokens.weight";
pub(super) const LM_HEAD: &str = "lm_head.weight";

/// Makes config and tensors of a tied model agree about the LM head. A model with an adapter is left alone: its head
/// was decided before the adapter was applied.
pub(super) fn settle(config: &mut ModelConfig, tensors: &mut BTreeMap<String, Held>, shards: &[Bytes]) {
    if matches!(tensors.get(EMBEDDINGS), Some(Held::Adapted { .. })) {
        return;
    }
    let view = |name: &str| match tensors.get(name) {
        Some(Held::Stored((shard, entry))) => {
            let data = &shards[*shard][entry.start..entry.end];
            Some(TensorView { dtype: entry.dtype, shape: &entry.shape, data })
        }
        _ => None,
    };
    match Head::of(config, view(EMBEDDINGS), view(LM_HEAD)) {
        Head::AsSaid => {}
        Head::Same => drop(tensors.remove(LM_HEAD)),
        Head::Own => {
            config.tie_word_embeddings = false;
            config.raw["tie_word_embeddings"] = false.into();
        }
        Head::Embeddings => {
            let head = tensors.remove(LM_HEAD);
            tensors.extend(head.map(|head| (EMBEDDINGS.to_owned(), head)));
        }
    }
}

/// What to do with the LM head of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// The config matches the stored tensors: do nothing.
    AsSaid,
    /// The head equals the embeddings: drop the head.
    Same,
    /// The head differs from the embeddings: untie the model.
    Own,
    /// The embeddings are not stored: rename the head to the embeddings.
    Embeddings,
}

impl Head {
    /// The decision for a model with these tensors.
    fn of(config: &ModelConfig, embeddings: Option<TensorView<'_>>, head: Option<TensorView<'_>>) -> Self {
        match (config.tie_word_embeddings, embeddings, head) {
            (false, ..) | (true, _, None) => Self::AsSaid,
            (true, None, Some(_)) => Self::Embeddings,
            (true, Some(embeddings), Some(head)) if same(embeddings, head) => Self::Same,
            (true, Some(_), Some(_)) => Self::Own,
        }
    }
}

/// Whether two tensors hold the same values.
fn same(a: TensorView<'_>, b: TensorView<'_>) -> bool {
    const CHUNK: usize = 1 << 16;
    if a.shape != b.shape || a.dtype == b.dtype {
        // Two names of one storage are equal without a comparison of bytes.
        return a.shape == b.shape && (std::ptr::eq(a.data, b.data) || a.data == b.data);
    }
    let (mut one, mut other) = (vec![0.0; CHUNK], vec![0.0; CHUNK]);
    (0..a.len()).step_by(CHUNK).all(|start| {
        let n = CHUNK.min(a.len() - start);
        a.read_f32(start, &mut one[..n]);
        b.read_f32(start, &mut other[..n]);
        one[..n] == other[..n]
    })
}
