//! The editor's undo and redo. They keep whole recipes: a recipe is small, and a restored one equals the old one
//! exactly. `edit.rs` records each edit here and asks for the recipe before or after it.

use crate::recipe::Recipe;

/// The greatest number of undo steps kept.
const DEPTH: usize = 500;

/// An earlier recipe, with the depth of its grid.
type Step = (Recipe, usize);

/// The recipes before and after the current one.
#[derive(Clone, Debug, Default)]
pub struct History {
    before: Vec<Step>,
    after: Vec<Step>,
    /// The kind of the last edit. A following edit of the same kind joins its step.
    run: Option<Kind>,
}

/// A kind of consecutive edits that count as one step, such as a key held on one block.
pub type Kind = (&'static str, super::CellRange);

impl History {
    /// Records `now` before it changes.
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
