//! `[pool]`: the base and its fine-tunes. The keys come in, checked model references go out. A config holds it, and the
//! engine makes an evaluation's setup from it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::limits::MODELS;

/// `[pool]`: the models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// The common ancestor.
    pub base: String,
    /// Its fine-tunes, in recipe order.
    pub sources: Vec<String>,
}

impl PoolConfig {
    /// Checks everything that does not depend on a model's files.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { sources, .. } = self;
        if sources.is_empty() {
            return Err("`pool.sources` is empty: name at least one fine-tune of the base".into());
        }
        if sources.len() > MODELS {
            let n = sources.len();
            return Err(format!("`pool.sources` names {n} models: {MODELS} are the most of one merge"));
        }
        let mut seen = HashSet::new();
        if let Some(again) = sources.iter().find(|source| !seen.insert(source.as_str())) {
            return Err(format!("`pool.sources` names {again} twice: name each fine-tune once"));
        }
        Ok(())
    }
}
