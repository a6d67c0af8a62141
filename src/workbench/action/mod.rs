//! Everything that a person can do, by a key, in help or in the palette.
//!
//! Each pane declares its actions in `panes/<pane>/actions.rs`, one row an action: name, keys, panes,
//! what it reaches, what it needs, its messages. Here they become one [`Action`]. `update/mod.rs` hands each
//! to its pane, whose `update.rs` does it; both match all variants, so that none can be forgotten.

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

/// Something to do, by whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Models(ModelsAction),
    Recipe(RecipeAction),
    Evolve(EvolveAction),
    Answers(AnswersAction),
    /// Of every pane.
    App(AppAction),
    /// Of a replay, while one plays.
    Replay(ReplayAction),
}

impl Action {
    /// What is known of it beside what it does.
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

    /// Whether it changes neither a recipe, a session nor a file: what a replay allows.
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

/// All actions in the order of help but those of a replay: pane by pane, then those of every pane.
#[must_use]
pub fn table() -> &'static [Action] {
    &TABLE
}

/// The actions of a replay; while one plays their keys go before those of the panes.
pub fn of_replay() -> impl Iterator<Item = Action> {
    ReplayAction::ALL.iter().copied().map(Action::Replay)
}

/// Every action, those of a replay last.
pub fn all() -> impl Iterator<Item = Action> {
    table().iter().copied().chain(of_replay())
}

/// Actions that apply in `pane`, its own before those that apply everywhere.
pub fn in_pane(pane: Pane) -> impl Iterator<Item = Action> {
    let own = move |a: &Action| a.row().panes.contains(&pane) && !a.row().is_everywhere();
    let everywhere = |a: &Action| a.row().is_everywhere();
    table().iter().copied().filter(own).chain(table().iter().copied().filter(everywhere))
}

/// What can be done in `pane`: while a session is replayed the replay's keys and whatever only looks.
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
            // Terminals and multiplexers swallow Shift with such keys, or send the key alone.
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
