//! What can be wrong with a recipe, each in one sentence.

use crate::limits::shown;

/// Why a recipe cannot be used. `place` is `file:line`, or `recipe` for one that was made in memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    #[error("{place}: not {notation}: {}", shown(problem))]
    Syntax { notation: &'static str, place: String, problem: String },
    #[error("{place}: unknown key {}; {hint}", shown(key))]
    UnknownKey { place: String, key: String, hint: String },
    #[error("{place}: {} {}", shown(key), shown(problem))]
    Value { place: String, key: String, problem: String },
    #[error("{place}: {}", shown(problem))]
    File { place: String, problem: String },
    #[error("{path}: {problem}; name a recipe, in TOML or in mergekit's YAML")]
    Unreadable { path: String, problem: String },
}

impl RecipeError {
    /// What is wrong with a recipe that has no text.
    pub(super) fn in_memory(key: &str, problem: &str) -> Self {
        Self::Value { place: "recipe".to_owned(), key: key.to_owned(), problem: problem.to_owned() }
    }
}
