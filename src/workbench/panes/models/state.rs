//! State of the Models pane: the listed models, the cursor, the picks, and the distances measured between the picked
//! models. `update.rs` changes it; the editor follows the picks.

use crate::checkpoint::{Fit, ModelSummary};
use crate::session::protocol::Distances;
use crate::workbench::config::Pool;
use crate::workbench::messages;

/// The greatest number of sources that can be picked.
pub const MOST_SOURCES: usize = 5;

/// The listed models, the cursor and the picks.
#[derive(Clone, Debug, PartialEq)]
pub struct Models {
    /// `None` until the engine has answered.
    pub list: Option<Vec<ModelSummary>>,
    /// Why there is no list.
    pub error: Option<String>,
    pub cursor: usize,
    pub pool: Pool,
    /// Models that the user named.
    pub added: Vec<String>,
    /// Models of the shown session.
    pub shown: Vec<String>,
    /// Listed models that the engine's own list lacks.
    pub outside: Vec<String>,
    /// The base against which the models outside the engine's list were last checked.
    pub asked_for: Option<String>,
    /// The distances of the picked sources from the base.
    pub distances: PoolDistances,
}

/// The distances of the picked sources from the base, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PoolDistances {
    #[default]
    Unasked,
    Asked(Pool),
    Known(Pool, Box<Distances>),
    Failed(Pool, String),
}

impl PoolDistances {
    /// The picks that the distances belong to.
    #[must_use]
    pub const fn pool(&self) -> Option<&Pool> {
        match self {
            Self::Unasked => None,
            Self::Asked(pool) | Self::Known(pool, _) | Self::Failed(pool, _) => Some(pool),
        }
    }
}

impl Models {
    /// The initial state: the config's picks, and an empty list.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self {
            list: None,
            error: None,
            cursor: 0,
            pool,
            added: Vec::new(),
            shown: Vec::new(),
            outside: Vec::new(),
            asked_for: None,
            distances: PoolDistances::Unasked,
        }
    }

    /// The models; empty before the engine has answered.
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

    /// Picks the model under the cursor as a source, or removes it from the sources.
    ///
    /// # Errors
    /// The sentence to show if the model can't be a source.
    pub fn toggle(&mut self) -> Result<(), String> {
        let Some(model) = self.chosen().cloned() else { return Ok(()) };
        let name = &model.reference;
        if let Some(at) = self.pool.sources.iter().position(|s| s == name) {
            if self.pool.sources.len() == 1 {
                return Err(messages::needs_a_source().to_owned());
            }
            self.pool.sources.remove(at);
            return Ok(());
        }
        if *name == self.pool.base {
            return Err(messages::is_the_base(name));
        }
        if let Fit::No(why) = &model.fit {
            return Err(messages::cannot_merge(name, &self.pool.base, why));
        }
        if self.pool.sources.len() == MOST_SOURCES {
            return Err(messages::too_many_sources(MOST_SOURCES));
        }
        self.pool.sources.push(name.clone());
        Ok(())
    }

    /// Makes the model under the cursor the base, and removes it from the sources.
    pub fn choose_base(&mut self) {
        let Some(name) = self.chosen().map(|m| m.reference.clone()) else { return };
        self.pool.sources.retain(|s| *s != name);
        self.pool.base = name;
    }

    /// Adds a model to the list, or replaces its entry. The cursor moves to it if it is `new`.
    pub fn take_in(&mut self, model: ModelSummary, new: bool) {
        let list = self.list.get_or_insert_default();
        let at = list.iter().position(|m| m.reference == model.reference);
        let at = at.unwrap_or_else(|| {
            list.push(model.clone());
            list.len() - 1
        });
        list[at] = model;
        if new {
            self.cursor = at;
        }
    }

    /// Models that are listed even if the engine's list lacks them: those that the user named, the shown session's, and
    /// the picked ones.
    #[must_use]
    pub fn named(&self) -> Vec<&str> {
        let all = self.added.iter().chain(&self.shown).chain([&self.pool.base]).chain(&self.pool.sources);
        let mut out: Vec<&str> = Vec::new();
        for name in all.filter(|n| !n.is_empty()) {
            if !out.contains(&name.as_str()) {
                out.push(name);
            }
        }
        out
    }

    /// Takes in the engine's list. Models of [`Self::named`] stay listed, and the cursor stays on its model.
    pub fn fill(&mut self, mut list: Vec<ModelSummary>) {
        let named = self.named();
        let named = self.all().iter().filter(|m| named.contains(&m.reference.as_str()));
        let missing = named.filter(|m| !list.iter().any(|l| l.reference == m.reference));
        let missing: Vec<ModelSummary> = missing.cloned().collect();
        list.extend(missing);
        let at = self.chosen().map(|m| m.reference.clone());
        self.cursor = list.iter().position(|m| Some(&m.reference) == at.as_ref()).unwrap_or(0);
        self.list = Some(list);
        self.error = None;
    }
}
