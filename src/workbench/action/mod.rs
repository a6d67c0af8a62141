//! Every action that the user can trigger by a key, from help or from the palette.
//!
//! Each pane declares its actions in `panes/<pane>/actions.rs`, one row for each action: name, keys, panes, reach,
//! needs and messages. This file joins them in one [`Action`]. `update/mod.rs` passes each action to its pane, whose
//! `update.rs` carries it out; both match all variants, so that none can be forgotten.

mod app;
pub mod key_names;
pub mod keymap;
mod replay;
pub mod row;

use std::sync::LazyLock;

pub use app::AppAction;
pub use replay::ReplayAction;

use super::app::Pane;
pub use super::panes::answers::actions::AnswersAction;
pub use super::panes::evolve::actions::EvolveAction;
pub use super::panes::models::actions::ModelsAction;
pub use super::panes::recipe::actions::RecipeAction;
use row::{Reach, Row};

/// An action, grouped by the pane that declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Models(ModelsAction),
    Recipe(RecipeAction),
    Evolve(EvolveAction),
    Answers(AnswersAction),
    /// An action of every pane.
    App(AppAction),
    /// An action of a replay, available while one plays.
    Replay(ReplayAction),
}

impl Action {
    /// The action's row: its id, keys, panes and messages.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        match self {
            Self::Models(action) => action.row(),
            Self::Recipe(action) => action.row(),
            Self::Evolve(action) => action.row(),
            Self::Answers(action) => action.row(),
            Self::App(action) => action.row(),
            Self::Replay(action) => action.row(),
        }
    }

    /// Whether the action changes no recipe, no session and no file. A replay allows only such actions.
    #[must_use]
    pub fn only_looks(self) -> bool {
        self.row().reach == Reach::Looks
    }
}

/// The actions that a pane declares.
fn of_pane(pane: Pane) -> Vec<Action> {
    match pane {
        Pane::Models => ModelsAction::ALL.iter().copied().map(Action::Models).collect(),
        Pane::Recipe => RecipeAction::ALL.iter().copied().map(Action::Recipe).collect(),
        Pane::Evolve => EvolveAction::ALL.iter().copied().map(Action::Evolve).collect(),
        Pane::Answers => AnswersAction::ALL.iter().copied().map(Action::Answers).collect(),
    }
}

static TABLE: LazyLock<Vec<Action>> = LazyLock::new(|| {
    let everywhere = AppAction::ALL.iter().copied().map(Action::App);
    Pane::ALL.into_iter().flat_map(of_pane).chain(everywhere).collect()
});

/// All actions except those of a replay, in the order of help: pane by pane, then those of every pane.
#[must_use]
pub fn table() -> &'static [Action] {
    &TABLE
}

/// The actions of a replay. While one plays, their keys win over those of the panes.
pub fn of_replay() -> impl Iterator<Item = Action> {
    ReplayAction::ALL.iter().copied().map(Action::Replay)
}

/// Every action; those of a replay come last.
pub fn all() -> impl Iterator<Item = Action> {
    table().iter().copied().chain(of_replay())
}

/// The actions that apply in `pane`: its own first, then those of every pane.
pub fn in_pane(pane: Pane) -> impl Iterator<Item = Action> {
    let own = move |a: &Action| a.row().panes.contains(&pane) && !a.row().is_everywhere();
    let everywhere = |a: &Action| a.row().is_everywhere();
    table().iter().copied().filter(own).chain(table().iter().copied().filter(everywhere))
}

/// The actions available in `pane` now. During a replay: the replay's actions, and those that change nothing.
pub fn here(pane: Pane, replaying: bool) -> impl Iterator<Item = Action> {
    let of_replay = of_replay().filter(move |_| replaying);
    of_replay.chain(in_pane(pane).filter(move |a| !replaying || a.only_looks()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_rows_are_whole() {
        let all: Vec<(Action, &Row)> = all().map(|a| (a, a.row())).collect();
        for (i, (action, row)) in all.iter().enumerate() {
            let whole = !row.keys.is_empty() && !row.label().is_empty() && !row.panes.is_empty();
            assert!(whole, "{action:?}");
            // Terminals and multiplexers drop such a key press with Shift, or send the key without Shift.
            assert!(row.keys.iter().all(|k| !k.contains("shift")), "{action:?}");
            for (other, second) in &all[i + 1..] {
                assert_ne!(row.id, second.id);
                assert_ne!(action, other);
            }
        }
    }

    #[test]
    fn what_a_pane_declares_applies_in_it() {
        for pane in Pane::ALL {
            for action in of_pane(pane) {
                assert!(in_pane(pane).any(|a| a == action), "{action:?} in {pane:?}");
            }
        }
    }
}
