//! The models on this machine, and which of them are picked.

use super::config::Pool;
use super::words;
use crate::checkpoint::{Fit, ModelSummary};

/// Most sources of a merge.
pub const MOST_SOURCES: usize = 5;

/// The list of models with the cursor and the picks.
#[derive(Clone, Debug, PartialEq)]
pub struct Models {
    /// `None` until the engine has answered.
    pub list: Option<Vec<ModelSummary>>,
    /// Why there is no list.
    pub error: Option<String>,
    pub cursor: usize,
    pub pool: Pool,
}

impl Models {
    /// Nothing known but what the config names.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { list: None, error: None, cursor: 0, pool }
    }

    /// The models, none before the engine has answered.
    #[must_use]
    pub fn all(&self) -> &[ModelSummary] {
        self.list.as_deref().unwrap_or_default()
    }

    /// The model under the cursor.
    #[must_use]
    pub fn chosen(&self) -> Option<&ModelSummary> {
        self.all().get(self.cursor)
    }

    /// Decoder blocks of the base; 0 before they are known.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.all().iter().find(|m| m.reference == self.pool.base).map_or(0, |m| m.layers)
    }

    /// Takes the model under the cursor into the pool, or out of it.
    ///
    /// # Errors
    /// The sentence to show when it can't be a source.
    pub fn toggle(&mut self) -> Result<(), String> {
        let Some(model) = self.chosen().cloned() else { return Ok(()) };
        let name = &model.reference;
        if let Some(at) = self.pool.sources.iter().position(|s| s == name) {
            if self.pool.sources.len() == 1 {
                return Err(words::needs_a_source().to_owned());
            }
            self.pool.sources.remove(at);
            return Ok(());
        }
        if *name == self.pool.base {
            return Err(words::is_the_base(name));
        }
        if let Fit::No(why) = &model.fit {
            return Err(words::cannot_merge(name, &self.pool.base, why));
        }
        if self.pool.sources.len() == MOST_SOURCES {
            return Err(words::too_many_sources(MOST_SOURCES));
        }
        self.pool.sources.push(name.clone());
        Ok(())
    }

    /// Makes the model under the cursor the base; sources that it was lose their place.
    pub fn choose_base(&mut self) {
        let Some(name) = self.chosen().map(|m| m.reference.clone()) else { return };
        self.pool.sources.retain(|s| *s != name);
        self.pool.base = name;
    }

    /// Takes in the engine's list and keeps the cursor on its model.
    pub fn fill(&mut self, list: Vec<ModelSummary>) {
        let at = self.chosen().map(|m| m.reference.clone());
        self.cursor = list.iter().position(|m| Some(&m.reference) == at.as_ref()).unwrap_or(0);
        self.list = Some(list);
        self.error = None;
    }
}
