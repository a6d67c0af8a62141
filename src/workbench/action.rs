//! Everything that a person can do, once: the table from which keys, the hint bar, help and the
//! palette derive.

use super::app::Pane;

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
    Save,
    Open,
    TryAgain,
    Inject,
    // Evolve
    PauseResume,
    Stop,
    EditCandidate,
    OpenCandidate,
    Watch,
    NextSample,
    // Answers
    Filter,
    PinBaseline,
    SwitchSplit,
    CopyAnswer,
    CloseColumn,
    Zoom,
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
    /// What it does, in a line.
    pub label: &'static str,
    /// A word or two for the hint bar; empty where it is not hinted.
    pub hint: &'static str,
}

use Pane::{Answers, Evolve, Models, Recipe};

const ALL: &[Pane] = &[Models, Recipe, Evolve, Answers];

const fn row(
    action: Action,
    id: &'static str,
    keys: &'static [&'static str],
    panes: &'static [Pane],
    hint: &'static str,
    label: &'static str,
) -> Entry {
    Entry { action, id, keys, panes, label, hint }
}

/// The table. Order is that of help; among hints, the pane's own come first.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    row(Action::ToggleSource, "toggle-source", &["space"], &[Models], "pick", "Take this model as a source, or leave it out"),
    row(Action::ChooseBase, "choose-base", &["b"], &[Models], "base", "Make this model the base that task vectors are measured against"),
    row(Action::TakePool, "take-pool", &["enter"], &[Models], "to recipe", "Paint a merge of the picked models by hand"),
    row(Action::Rescan, "rescan", &["r"], &[Models], "", "Look again for models on this machine"),
    row(Action::StepUp, "step-up", &["+", "="], &[Recipe], "", "Raise the cell or the selected block by one step"),
    row(Action::StepDown, "step-down", &["-"], &[Recipe], "+/- step", "Lower the cell or the selected block by one step"),
    row(Action::EnterNumber, "enter-number", &["enter"], &[Recipe], "number", "Type a number for the cell or the block (or simply begin with a digit)"),
    row(Action::Select, "select", &["v"], &[Recipe], "block", "Begin or end selecting a block of cells"),
    row(Action::Gradient, "gradient", &["g"], &[Recipe], "gradient", "Fill the block evenly from its first row's value to its last row's"),
    row(Action::Undo, "undo", &["u"], &[Recipe], "undo", "Undo the last edit"),
    row(Action::Redo, "redo", &["ctrl-r"], &[Recipe], "", "Redo what was undone"),
    row(Action::ChooseMethod, "method", &["m"], &[Recipe], "method", "Choose the merge method"),
    row(Action::Reset, "reset", &["r"], &[Recipe], "reset", "Start over from uniform, the best so far, or any candidate"),
    row(Action::CopyColumn, "copy-column", &["c"], &[Recipe], "", "Copy this column's values"),
    row(Action::PasteColumn, "paste-column", &["p"], &[Recipe], "", "Paste the copied column here"),
    row(Action::Inject, "inject", &["i"], &[Recipe, Evolve], "inject", "Evaluate the hand-made recipe as a candidate of the session"),
    row(Action::TryAgain, "try", &["t"], &[Recipe], "", "Ask the sample questions again"),
    row(Action::Save, "save", &["w", "ctrl-s"], &[Recipe], "write", "Write the recipe to a TOML file"),
    row(Action::Open, "open", &["o"], &[Recipe], "open", "Open a recipe from a TOML file"),
    row(Action::StartEvolution, "start", &["s"], &[Models, Evolve, Recipe, Answers], "", "Start to evolve"),
    row(Action::PauseResume, "pause", &["p"], &[Evolve], "pause", "Pause the evolution, or go on"),
    row(Action::Stop, "stop", &["x"], &[Evolve], "stop", "Stop the evolution (it can be resumed later)"),
    row(Action::OpenCandidate, "open-candidate", &["enter"], &[Evolve], "answers", "Read this candidate's answers beside the others"),
    row(Action::EditCandidate, "edit-candidate", &["e"], &[Evolve], "edit", "Take this candidate's recipe into the editor"),
    row(Action::Watch, "watch", &["w"], &[Evolve], "watch", "Choose the sample questions"),
    row(Action::NextSample, "next-sample", &["n"], &[Evolve], "next sample", "Show the next sample question first"),
    row(Action::Filter, "filter", &["f"], &[Answers], "filter", "Show all questions, or those that differ, are gained, are lost"),
    row(Action::PinBaseline, "pin", &["b"], &[Answers], "pin", "Compare the others against this column"),
    row(Action::SwitchSplit, "split", &["t"], &[Answers], "train/held-out", "Switch between training and held-out questions"),
    row(Action::Zoom, "zoom", &["enter", "z"], &[Answers], "full text", "Give the texts the whole pane, or the table again"),
    row(Action::CopyAnswer, "copy", &["y"], &[Answers], "copy", "Send this answer to the terminal's clipboard"),
    row(Action::CloseColumn, "close-column", &["x"], &[Answers], "", "Close this candidate's column"),
    row(Action::Go(Models), "models", &["1", "alt-1"], ALL, "", "Go to Models"),
    row(Action::Go(Recipe), "recipe", &["2", "alt-2"], ALL, "", "Go to Recipe"),
    row(Action::Go(Evolve), "evolve", &["3", "alt-3"], ALL, "", "Go to Evolve"),
    row(Action::Go(Answers), "answers", &["4", "alt-4"], ALL, "", "Go to Answers"),
    row(Action::NextPane, "next-pane", &["tab"], ALL, "pane", "Go to the next pane"),
    row(Action::PreviousPane, "previous-pane", &["backtab"], ALL, "", "Go to the previous pane"),
    row(Action::Up, "up", &["up", "k"], ALL, "", "Up"),
    row(Action::Down, "down", &["down", "j"], ALL, "", "Down"),
    row(Action::Left, "left", &["left", "h"], ALL, "", "Left"),
    row(Action::Right, "right", &["right", "l"], ALL, "", "Right"),
    row(Action::PageUp, "page-up", &["pageup", "ctrl-u"], ALL, "", "A page up"),
    row(Action::PageDown, "page-down", &["pagedown", "ctrl-d"], ALL, "", "A page down"),
    row(Action::First, "first", &["home"], ALL, "", "To the first row"),
    row(Action::Last, "last", &["end"], ALL, "", "To the last row"),
    row(Action::Sessions, "sessions", &["S"], ALL, "", "Open or resume another session"),
    row(Action::Log, "log", &["L"], ALL, "", "Read the engine's log"),
    row(Action::Mouse, "mouse", &["M"], ALL, "", "Give the mouse to the workbench, or back to the terminal"),
    row(Action::Palette, "palette", &[":", "ctrl-p"], ALL, "", "Find any action by its name"),
    row(Action::Redraw, "redraw", &["ctrl-l"], ALL, "", "Draw the screen anew"),
    row(Action::Suspend, "suspend", &["ctrl-z"], ALL, "", "Go back to the shell for a while (fg returns)"),
    row(Action::Help, "help", &["?"], ALL, "help", "What can be done here"),
    row(Action::Quit, "quit", &["q", "ctrl-c"], ALL, "quit", "Close the workbench; a run goes on"),
];

/// The row of an action.
#[must_use]
pub fn entry(action: Action) -> Option<&'static Entry> {
    TABLE.iter().find(|e| e.action == action)
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
        for (i, a) in TABLE.iter().enumerate() {
            assert!(!a.keys.is_empty() && !a.label.is_empty() && !a.panes.is_empty(), "{}", a.id);
            for b in &TABLE[i + 1..] {
                assert_ne!(a.id, b.id);
                assert_ne!(a.action, b.action);
            }
        }
    }
}
