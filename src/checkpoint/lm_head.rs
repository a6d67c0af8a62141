//! Whose LM head it is: `tie_word_embeddings` against the tensors that are stored.
//!
//! transformers 5 ties a model's head to its embeddings only where that loses nothing: another head that is
//! stored stays, and embeddings that are not stored are the head's.

use std::collections::BTreeMap;

use super::bytes::Bytes;
use super::stored::Held;
use super::{ModelConfig, TensorView};

const EMBEDDINGS: &str = "model.embed_tokens.weight";
const LM_HEAD: &str = "lm_head.weight";

/// Brings config and tensors of a tied model to one word about its LM head. An adapted one is not
/// looked at: adapters are put on settled models.
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

/// What becomes of a tied model's stored LM head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// There is nothing to be done.
    AsSaid,
    /// It says what the embeddings say: it is left out.
    Same,
    /// It says something else: the model is not tied.
    Own,
    /// There are no embeddings: it is those.
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
    const PIECE: usize = 1 << 16;
    if a.shape != b.shape || a.dtype == b.dtype {
        // Two names of one storage need no look at it.
        return a.shape == b.shape && (std::ptr::eq(a.data, b.data) || a.data == b.data);
    }
    let (mut one, mut other) = (vec![0.0; PIECE], vec![0.0; PIECE]);
    (0..a.len()).step_by(PIECE).all(|start| {
        let n = PIECE.min(a.len() - start);
        a.read_f32(start, &mut one[..n]);
        b.read_f32(start, &mut other[..n]);
        one[..n] == other[..n]
    })
}
