//! Why checkpoints cannot be merged, each in one sentence.

use crate::checkpoint::CheckpointError;
use crate::recipe::RecipeError;

/// Why a merge cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error("{model} cannot be merged onto {base}: {why}; choose fine-tunes of one base model")]
    Misfit { model: String, base: String, why: String },
    #[error(
        "{model}: tensor {tensor} holds {count} values that are not finite, the first at element {first}; such a model cannot be merged, but with --allow-non-finite"
    )]
    NotFinite { model: String, tensor: String, count: usize, first: usize },
    #[error(
        "{tensor}: {method} makes {count} of {of} values NaN or infinite, as {dtype}, of models that are finite; take smaller weights or a type of wider range, or go on with --allow-non-finite"
    )]
    MadeNotFinite { tensor: String, count: usize, of: usize, method: &'static str, dtype: &'static str },
    #[error("recipe: {key} is {model}, which is not among the models loaded here ({}); load it first", .loaded.join(", "))]
    NotLoaded { key: String, model: String, loaded: Vec<String> },
    #[error(
        "recipe: the weights of layer group {group} sum to 0, and {method} divides by their sum; change a weight or set normalize = false"
    )]
    ZeroSum { group: String, method: &'static str },
    #[error("{tensor}: {method} {problem}")]
    Method { method: &'static str, tensor: String, problem: String },
    #[error(
        "{tensor}: {first} has shape {first_shape:?}, {model} {shape:?}; only tensors of one shape can be merged"
    )]
    Shapes { tensor: String, first: String, first_shape: Vec<usize>, model: String, shape: Vec<usize> },
    #[error("recipe: {key} is float64; merges are computed and stored in float32, float16 or bfloat16")]
    Double { key: &'static str },
    #[error("no model is loaded; name at least one")]
    Empty,
    #[error("path: {why}")]
    Fold { why: String },
    #[error("{model} cannot be aligned with {base}: {why}; align models whose blocks have one shape")]
    Align { model: String, base: String, why: String },
    #[error("pairing {n} units failed: {why}")]
    Unsolved { n: usize, why: String },
    #[error("recipe: {what} can be read and written here, but not merged yet; leave it out")]
    NotYet { what: String },
    #[error(
        "recipe: the module is called {name}, and a {family} model has one, default, for mergekit as well; call it that"
    )]
    Module { name: String, family: String },
    #[error("merging on the card: {0}")]
    Card(String),
    #[error("{model}: {problem}")]
    Vocabulary { model: String, problem: String },
    #[error("recipe: chat_template is {name}, which is neither a template nor the name of one; {hint}")]
    ChatTemplate { name: String, hint: String },
}
