//! Why checkpoints cannot be merged, one sentence per case that says what to do. Every fallible public function of
//! `merge` returns a [`MergeError`].

use crate::checkpoint::CheckpointError;
use crate::error::Interrupted;
use crate::recipe::RecipeError;

/// Why a merge cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The recipe itself is invalid.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The export, or the first reading of the models, was interrupted.
    #[error("{0}")]
    Interrupted(#[source] Interrupted),
    /// A source has another architecture than the base.
    #[error("{model} cannot be merged onto {base}: {why}; choose fine-tunes of one base model")]
    Misfit { model: String, base: String, why: String },
    /// A model holds NaN or infinity.
    #[error(
        "{model}: tensor {tensor} holds {count} values that are not finite, the first at element {first}; such a model cannot be merged, but with --allow-non-finite"
    )]
    NotFinite { model: String, tensor: String, count: usize, first: usize },
    /// The merge of finite models holds NaN or infinity.
    #[error(
        "{tensor}: {method} makes {count} of {of} values NaN or infinite, as {dtype}, of models that are finite; take smaller weights or a type of wider range, or go on with --allow-non-finite"
    )]
    MadeNotFinite { tensor: String, count: usize, of: usize, method: &'static str, dtype: &'static str },
    /// The recipe names a model that is not in the pool.
    #[error("recipe: {key} is {model}, which is not among the models loaded here ({}); load it first", .loaded.join(", "))]
    NotLoaded { key: String, model: String, loaded: Vec<String> },
    /// The method divides by a sum of weights that is 0.
    #[error(
        "recipe: the weights of layer group {group} sum to 0, and {method} divides by their sum; change a weight or set normalize = false"
    )]
    ZeroSum { group: String, method: &'static str },
    /// The method cannot merge this tensor.
    #[error("{tensor}: {method} {problem}")]
    Method { method: &'static str, tensor: String, problem: String },
    /// Two models have a tensor in different shapes.
    #[error(
        "{tensor}: {first} has shape {first_shape:?}, {model} {shape:?}; only tensors of one shape can be merged"
    )]
    Shapes { tensor: String, first: String, first_shape: Vec<usize>, model: String, shape: Vec<usize> },
    /// The recipe merges vision parts, and a model has none.
    #[error(
        "recipe: vision is \"merge\", which needs a vision part in every model, and {model} has none; leave it out, so that one model's is taken as it is"
    )]
    NoVision { model: String },
    /// The recipe asks for float64.
    #[error("recipe: {key} is float64; merges are computed and stored in float32, float16 or bfloat16")]
    Double { key: &'static str },
    /// There are no models to merge.
    #[error("no model is loaded; name at least one")]
    Empty,
    /// A path cannot be folded into an ordinary decoder.
    #[error("path: {why}")]
    Fold { why: String },
    /// Two models have no units that could be paired.
    #[error("{model} cannot be aligned with {base}: {why}; align models whose blocks have one shape")]
    Align { model: String, base: String, why: String },
    /// The assignment solver failed.
    #[error("pairing {n} units failed: {why}")]
    Unsolved { n: usize, why: String },
    /// The recipe asks for something that this pool does not support.
    #[error("recipe: {what} can be read and written here, but not merged yet; leave it out")]
    NotYet { what: String },
    /// The recipe merges a module that the model does not have.
    #[error(
        "recipe: the module is called {name}, and a {family} model has one, default, for mergekit as well; call it that"
    )]
    Module { name: String, family: String },
    /// The CUDA card failed, or has no room.
    #[error("merging on the card: {0}")]
    Card(String),
    /// Vocabularies cannot be brought together.
    #[error("{model}: {problem}")]
    Vocabulary { model: String, problem: String },
    /// The chat template is neither a template nor a known name.
    #[error("recipe: chat_template is {name}, which is neither a template nor the name of one; {hint}")]
    ChatTemplate { name: String, hint: String },
}
