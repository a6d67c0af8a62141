//! `[facts]` of a task file: where a question's facts stand, and the words that name facts. The scorer `facts` compares
//! the facts that an answer names with the question's.

use serde::Deserialize;

/// `[facts]`.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::task) struct FactsConfig {
    /// An expression for a question's facts in order: a list, each a word or a list of spellings.
    #[serde(default = "facts")]
    pub of: String,
    /// Facts that an answer may name, right or wrong: for each the list of its spellings.
    #[serde(default)]
    pub words: Vec<Vec<String>>,
}

/// Keys of the table.
pub(super) const FACT_KEYS: [&str; 2] = ["of", "words"];

impl Default for FactsConfig {
    fn default() -> Self {
        Self { of: facts(), words: Vec::new() }
    }
}

fn facts() -> String {
    "facts".to_owned()
}
