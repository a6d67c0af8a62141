//! Everything that a person can do, once: the table from which keys, the hint bar, help and the
//! palette derive. What each is called stands in [`messages::actions`].

use super::app::Pane;
use super::messages;
use super::replay::Control;

/// Something to do, chosen by a key, in help or in the palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Go(Pane),
    NextPane,
    PreviousPane,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    Help,
    Palette,
    Sessions,
    Log,
    Mouse,
    Redraw,
    Suspend,
    Quit,
    StartEvolution,
    // Models
    ToggleSource,
    ChooseBase,
    Rescan,
    AddModel,
    Measure,
    TakePool,
    // Recipe
    StepUp,
    StepDown,
    EnterNumber,
    Select,
    Gradient,
    CopyColumn,
    PasteColumn,
    Undo,
    Redo,
    ChooseMethod,
    Reset,
    TakeBest,
    Compare,
    ShowYaml,
    Save,
    Open,
    TryAgain,
    EvolveHere,
    Inject,
    // Evolve
    PauseResume,
    Stop,
    EditCandidate,
    OpenCandidate,
    Keep,
    ShowRecipe,
    Watch,
    NextSample,
    // Answers
    Filter,
    PinBaseline,
    SwitchSplit,
    CopyAnswer,
    Export,
    CloseColumn,
    Zoom,
    /// Of a replay.
    Replay(Control),
}

impl Action {
    /// Whether it changes neither a recipe, a session nor a file: what a replay allows.
    #[must_use]
    pub const fn only_looks(self) -> bool {
        matches!(
            self,
            Self::Go(_)
                | Self::NextPane
                | Self::PreviousPane
                | Self::Up
                | Self::Down
                | Self::Left
                | Self::Right
                | Self::PageUp
                | Self::PageDown
                | Self::First
                | Self::Last
                | Self::Help
                | Self::Palette
                | Self::Log
                | Self::Mouse
                | Self::Redraw
                | Self::Suspend
                | Self::Quit
                | Self::EditCandidate
                | Self::OpenCandidate
                | Self::ShowRecipe
                | Self::ShowYaml
                | Self::NextSample
                | Self::Filter
                | Self::PinBaseline
                | Self::SwitchSplit
                | Self::CopyAnswer
                | Self::CloseColumn
                | Self::Zoom
                | Self::Replay(_)
        )
    }
}

impl Action {
    /// Whether it acts on the session that is shown, and on nothing while there is none.
    #[must_use]
    pub const fn needs_session(self) -> bool {
        matches!(
            self,
            Self::PauseResume
                | Self::Stop
                | Self::Inject
                | Self::EditCandidate
                | Self::OpenCandidate
                | Self::Keep
                | Self::ShowRecipe
                | Self::NextSample
                | Self::TakeBest
        )
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub action: Action,
    /// Stable name, for the palette and for key files.
    pub id: &'static str,
    pub keys: &'static [&'static str],
    /// Panes where it applies.
    pub panes: &'static [Pane],
}

impl Entry {
    /// What it does, in a line.
    #[must_use]
    pub fn label(&self) -> &'static str {
        messages::actions::label(self.action)
    }

    /// A word or two for the hint bar; empty where it is not hinted.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        messages::actions::hint(self.action)
    }
}

use Pane::{Answers, Evolve, Models, Recipe};

const ALL: &[Pane] = &[Models, Recipe, Evolve, Answers];

const fn row(
    action: Action,
    id: &'static str,
    keys: &'static [&'static str],
    panes: &'static [Pane],
) -> Entry {
    Entry { action, id, keys, panes }
}

/// The table. Order is that of help; among hints, the pane's own come first.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    row(Action::ToggleSource, "toggle-source", &["space"], &[Models]),
    row(Action::ChooseBase, "choose-base", &["b"], &[Models]),
    row(Action::TakePool, "take-pool", &["enter"], &[Models]),
    row(Action::Rescan, "rescan", &["r"], &[Models]),
    row(Action::AddModel, "add-model", &["a"], &[Models]),
    row(Action::Measure, "measure", &["d"], &[Models]),
    row(Action::StepUp, "step-up", &["+", "="], &[Recipe]),
    row(Action::StepDown, "step-down", &["-"], &[Recipe]),
    row(Action::EnterNumber, "enter-number", &["enter"], &[Recipe]),
    row(Action::Select, "select", &["v"], &[Recipe]),
    row(Action::Gradient, "gradient", &["g"], &[Recipe]),
    row(Action::Undo, "undo", &["u"], &[Recipe]),
    row(Action::Redo, "redo", &["ctrl-r"], &[Recipe]),
    row(Action::ChooseMethod, "method", &["m"], &[Recipe]),
    row(Action::Reset, "reset", &["r"], &[Recipe]),
    row(Action::TakeBest, "take-best", &["b"], &[Recipe]),
    row(Action::Compare, "compare", &["d"], &[Recipe]),
    row(Action::ShowYaml, "yaml", &["y"], &[Recipe]),
    row(Action::CopyColumn, "copy-column", &["c"], &[Recipe]),
    row(Action::PasteColumn, "paste-column", &["p"], &[Recipe]),
    row(Action::Inject, "inject", &["i"], &[Recipe, Evolve]),
    row(Action::EvolveHere, "evolve-here", &["E"], &[Recipe]),
    row(Action::TryAgain, "try", &["t"], &[Recipe]),
    row(Action::Save, "save", &["w", "ctrl-s"], &[Recipe]),
    row(Action::Open, "open", &["o"], &[Recipe]),
    row(Action::StartEvolution, "start", &["s"], &[Models, Evolve, Recipe, Answers]),
    row(Action::PauseResume, "pause", &["p"], &[Evolve]),
    row(Action::Stop, "stop", &["x"], &[Evolve]),
    row(Action::OpenCandidate, "open-candidate", &["enter"], &[Evolve]),
    row(Action::EditCandidate, "edit-candidate", &["e"], &[Evolve]),
    row(Action::Keep, "keep", &["K"], &[Evolve]),
    row(Action::ShowRecipe, "show-recipe", &["r"], &[Evolve, Answers]),
    row(Action::Watch, "watch", &["W"], &[Recipe, Evolve]),
    row(Action::NextSample, "next-sample", &["n"], &[Evolve]),
    row(Action::Filter, "filter", &["f"], &[Answers]),
    row(Action::PinBaseline, "pin", &["b"], &[Answers]),
    row(Action::SwitchSplit, "split", &["t"], &[Answers]),
    row(Action::Zoom, "zoom", &["enter", "z"], &[Answers]),
    row(Action::CopyAnswer, "copy", &["y"], &[Answers]),
    row(Action::Export, "export", &["e"], &[Answers]),
    row(Action::CloseColumn, "close-column", &["x"], &[Answers]),
    row(Action::Go(Models), "models", &["1", "alt-1"], ALL),
    row(Action::Go(Recipe), "recipe", &["2", "alt-2"], ALL),
    row(Action::Go(Evolve), "evolve", &["3", "alt-3"], ALL),
    row(Action::Go(Answers), "answers", &["4", "alt-4"], ALL),
    row(Action::NextPane, "next-pane", &["tab"], ALL),
    row(Action::PreviousPane, "previous-pane", &["backtab"], ALL),
    row(Action::Up, "up", &["up", "k"], ALL),
    row(Action::Down, "down", &["down", "j"], ALL),
    row(Action::Left, "left", &["left", "h"], ALL),
    row(Action::Right, "right", &["right", "l"], ALL),
    row(Action::PageUp, "page-up", &["pageup", "ctrl-u"], ALL),
    row(Action::PageDown, "page-down", &["pagedown", "ctrl-d"], ALL),
    row(Action::First, "first", &["home"], ALL),
    row(Action::Last, "last", &["end"], ALL),
    row(Action::Sessions, "sessions", &["S"], ALL),
    row(Action::Log, "log", &["L"], ALL),
    row(Action::Mouse, "mouse", &["M"], ALL),
    row(Action::Palette, "palette", &[":", "ctrl-p"], ALL),
    row(Action::Redraw, "redraw", &["ctrl-l"], ALL),
    row(Action::Suspend, "suspend", &["ctrl-z"], ALL),
    row(Action::Help, "help", &["?"], ALL),
    row(Action::Quit, "quit", &["q", "ctrl-c"], ALL),
];

/// Keys of a replay; while one plays they go before those of the panes.
#[rustfmt::skip]
pub const REPLAY: &[Entry] = &[
    row(Action::Replay(Control::Pause), "replay-pause", &["space"], ALL),
    row(Action::Replay(Control::Faster), "replay-faster", &[">"], ALL),
    row(Action::Replay(Control::Slower), "replay-slower", &["<"], ALL),
    row(Action::Replay(Control::Step), "replay-step", &["]"], ALL),
];

/// The row of an action.
#[must_use]
pub fn entry(action: Action) -> Option<&'static Entry> {
    TABLE.iter().chain(REPLAY).find(|e| e.action == action)
}

/// What can be done in `pane`: while a session is replayed its keys and whatever only looks.
pub fn here(pane: Pane, replaying: bool) -> impl Iterator<Item = &'static Entry> {
    let of_replay = REPLAY.iter().filter(move |_| replaying);
    of_replay.chain(in_pane(pane).filter(move |e| !replaying || e.action.only_looks()))
}

/// Actions that apply in `pane`, its own before those that apply everywhere.
pub fn in_pane(pane: Pane) -> impl Iterator<Item = &'static Entry> {
    let own = move |e: &&Entry| e.panes.contains(&pane) && e.panes.len() < ALL.len();
    let everywhere = |e: &&Entry| e.panes.len() == ALL.len();
    TABLE.iter().filter(own).chain(TABLE.iter().filter(everywhere))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_actions_are_unique_and_labelled() {
        let all: Vec<&Entry> = TABLE.iter().chain(REPLAY).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(!a.keys.is_empty() && !a.label().is_empty() && !a.panes.is_empty(), "{}", a.id);
            // Terminals and multiplexers swallow Shift with such keys, or send the key alone.
            assert!(a.keys.iter().all(|k| !k.contains("shift")), "{}", a.id);
            for b in &all[i + 1..] {
                assert_ne!(a.id, b.id);
                assert_ne!(a.action, b.action);
            }
        }
    }
}
