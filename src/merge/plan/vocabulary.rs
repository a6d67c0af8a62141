//! The vocabulary of a merge: which tensors have a row for each token, and how vocabularies of different sizes are
//! merged with a LLaVA model. In: the pool's models. Out: the rows that all of them have.
//!
//! Rows that all models have are merged. Further rows follow unchanged, as the model has them that gives the vision
//! part, so that the result has its vocabulary and its token for pictures. The tokens of the merged rows must be the
//! same in all models.

use crate::checkpoint::{Checkpoint, ModelConfig, TensorView, Weights};

use crate::merge::{MergeError, vocab};

pub(crate) const LM_HEAD: &str = "lm_head.weight";
const EMBEDDINGS: &str = "model.embed_tokens.weight";

/// The name under which a model stores a tensor: a tied LM head is its embeddings.
pub(super) fn stored_name<'n>(model: &Checkpoint, name: &'n str) -> &'n str {
    if name == LM_HEAD && model.extent(LM_HEAD).is_none() { EMBEDDINGS } else { name }
}

/// Whether a tensor has a row for each token of the vocabulary.
pub(super) fn has_vocabulary(name: &str) -> bool {
    matches!(name, EMBEDDINGS | LM_HEAD)
}

/// A model's tensor with all its rows, of its language model or its vision part; for a tied LM head its embeddings.
pub(super) fn whole<'a>(model: &'a Checkpoint, name: &str) -> Option<TensorView<'a>> {
    model.tensor(stored_name(model, name)).or_else(|| model.vision_tensor(name))
}

/// The shape of the rows of the vocabulary that all models have; `None` if all have the same number, or if their
/// hidden sizes differ too.
pub(super) fn shared_rows(models: &[Checkpoint], giver: usize) -> Result<Option<[usize; 2]>, MergeError> {
    let rows = |model: &Checkpoint| model.config().vocab_size;
    let hidden = models[giver].config().hidden_size;
    let least = models.iter().map(rows).min().unwrap_or_default();
    if models.iter().all(|m| rows(m) == least) || models.iter().any(|m| m.config().hidden_size != hidden) {
        return Ok(None);
    }
    for model in models.iter().filter(|m| m.reference() != models[giver].reference()) {
        vocab::same_rows(model, &models[giver], least)?;
    }
    Ok(Some([least, hidden]))
}

/// Gives a merge's config the vision part and the vocabulary of the model that gives the vision part.
pub(super) fn take_over(config: &mut ModelConfig, giver: &ModelConfig) {
    config.vision.clone_from(&giver.vision);
    if config.vocab_size != giver.vocab_size {
        config.vocab_size = giver.vocab_size;
        config.raw["vocab_size"] = giver.vocab_size.into();
    }
}
