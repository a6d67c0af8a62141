//! Errors of a recipe or its file. Each variant is one sentence.

use crate::limits::shown;

/// Why a recipe can't be used. `place` is `file:line`, or `recipe` for a recipe made in memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// The text is not valid TOML or YAML.
    #[error("{place}: not {notation}: {}", shown(problem))]
    Syntax { notation: &'static str, place: String, problem: String },
    /// A key that no recipe has.
    #[error("{place}: unknown key {}; {hint}", shown(key))]
    UnknownKey { place: String, key: String, hint: String },
    /// A value that is missing or can't be used.
    #[error("{place}: {} {}", shown(key), shown(problem))]
    Value { place: String, key: String, problem: String },
    /// A mistake that concerns a file of several recipes as a whole.
    #[error("{place}: {}", shown(problem))]
    File { place: String, problem: String },
    /// The file can't be read.
    #[error("{path}: {problem}; name a recipe, in TOML or in mergekit's YAML")]
    Unreadable { path: String, problem: String },
}

impl RecipeError {
    /// The error for a recipe that was made in memory and has no text.
    pub(super) fn in_memory(key: &str, problem: &str) -> Self {
        Self::Value { place: "recipe".to_owned(), key: key.to_owned(), problem: problem.to_owned() }
    }
}
