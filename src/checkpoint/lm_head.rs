//! Ties a model's LM head to its embeddings, or not: `tie_word_embeddings` of the config against the tensors that are
//! stored. Called by `open` and `derive` before shapes are checked.
//!
//! As transformers 5, a head is tied only where nothing is lost: a stored head with other values stays, and where the
//! embeddings are not stored the head's values are theirs.

use std::collections::BTreeMap;

use super::bytes::Bytes;
use super::stored::Held;
use super::{ModelConfig, TensorView};

const EMBEDDINGS: &str = "model.embed_tokens.weight";
const LM_HEAD: &str = "lm_head.weight";

/// Makes config and tensors of a tied model agree about its LM head. A model with an adapter was settled before the
/// adapter was applied, and is left alone.
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
    /// Nothing: the config says what is stored.
    AsSaid,
    /// It equals the embeddings: drop it.
    Same,
    /// It differs from the embeddings: the model is not tied.
    Own,
    /// The embeddings are not stored: it takes their name.
    Embeddings,
}

impl Head {
    /// Of a model with these tensors.
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
        // Two names of one storage are equal without reading it.
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
