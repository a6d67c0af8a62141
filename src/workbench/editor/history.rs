//! Undo and redo keep whole recipes: they are small, and a restored one is exactly the old one.

use crate::recipe::Recipe;

/// No more than this many steps are kept.
const DEPTH: usize = 500;

/// A recipe as it was, with the depth of its grid.
type Step = (Recipe, usize);

/// Recipes before and after the present one.
#[derive(Clone, Debug, Default)]
pub struct History {
    before: Vec<Step>,
    after: Vec<Step>,
    /// What the last step changed; the next of the same kind joins it.
    run: Option<Kind>,
}

/// Edits that follow each other and count as one: a key held on one block.
pub type Kind = (&'static str, super::CellRange);

impl History {
    /// Remembers `now` before it changes.
    pub fn remember(&mut self, now: Step, kind: Option<Kind>) {
        let joins = kind.is_some() && self.run == kind && !self.before.is_empty();
        self.run = kind;
        self.after.clear();
        if joins {
            return;
        }
        if self.before.len() == DEPTH {
            self.before.remove(0);
        }
        self.before.push(now);
    }

    /// The recipe before `now`.
    pub fn undo(&mut self, now: Step) -> Option<Step> {
        let step = self.before.pop()?;
        self.after.push(now);
        self.run = None;
        Some(step)
    }

    /// The recipe that was undone last.
    pub fn redo(&mut self, now: Step) -> Option<Step> {
        let step = self.after.pop()?;
        self.before.push(now);
        self.run = None;
        Some(step)
    }
}
