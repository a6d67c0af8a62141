//! Carries out the actions of every pane: changing panes, moving the cursor, help, the log, quitting.
//!
//! Their names and keys are in `action/app.rs`; `update/mod.rs` calls it.

use crate::session::protocol::Command;
use crate::workbench::action::AppAction;
use crate::workbench::app::{App, Pane};
use crate::workbench::effect::{Ask, Effect};
use crate::workbench::messages;
use crate::workbench::overlays::{Overlay, Picker};

/// Rows of a page.
const PAGE: isize = 10;

impl App {
    /// Carries out an action that every pane has.
    pub(super) fn act_everywhere(&mut self, action: AppAction) {
        match action {
            AppAction::GoModels => self.pane = Pane::Models,
            AppAction::GoRecipe => self.pane = Pane::Recipe,
            AppAction::GoEvolve => self.pane = Pane::Evolve,
            AppAction::GoAnswers => self.pane = Pane::Answers,
            AppAction::NextPane => self.turn(1),
            AppAction::PreviousPane => self.turn(Pane::ALL.len() - 1),
            AppAction::Up => self.move_by(-1, 0),
            AppAction::Down => self.move_by(1, 0),
            AppAction::Left => self.move_by(0, -1),
            AppAction::Right => self.move_by(0, 1),
            AppAction::PageUp => self.move_by(-PAGE, 0),
            AppAction::PageDown => self.move_by(PAGE, 0),
            AppAction::First => self.move_by(isize::MIN / 2, 0),
            AppAction::Last => self.move_by(isize::MAX / 2, 0),
            AppAction::Help => {
                let help = Picker::help(&self.keys, self.pane, self.replay.is_some());
                self.overlay = Some(Overlay::Picker(help));
            }
            AppAction::Palette => self.overlay = Some(Overlay::Picker(Picker::palette())),
            AppAction::Sessions => {
                self.ask(Ask::Sessions, Command::Sessions);
                self.overlay = Some(Overlay::Sessions { cursor: 0 });
            }
            AppAction::Log => {
                self.log.read();
                self.overlay = Some(Overlay::Log { up: 0 });
            }
            AppAction::GiveUp => self.give_up(),
            AppAction::Mouse => self.toggle_mouse(),
            AppAction::Redraw => self.effects.push(Effect::Redraw),
            AppAction::Suspend => self.effects.push(Effect::Suspend),
            AppAction::Quit => self.quit = true,
        }
    }

    /// Shows the pane `by` places to the right, wrapping around.
    fn turn(&mut self, by: usize) {
        let at = Pane::ALL.iter().position(|p| *p == self.pane).unwrap_or(0);
        self.pane = Pane::ALL[(at + by) % Pane::ALL.len()];
    }

    /// Moves the cursor of the current pane.
    fn move_by(&mut self, rows: isize, columns: isize) {
        match self.pane {
            Pane::Models => {
                let last = self.models.all().len().saturating_sub(1);
                self.models.cursor = self.models.cursor.saturating_add_signed(rows).min(last);
            }
            Pane::Recipe => self.editor.move_by(rows, columns),
            Pane::Evolve => self.move_candidate(rows),
            Pane::Answers => self.move_answers(rows, columns),
        }
    }

    /// Gives up what the engine does for this workbench; a session's own work ends with the session.
    fn give_up(&mut self) {
        if self.waits() {
            self.ask(Ask::Order(messages::given_up().to_owned()), Command::GiveUp);
        } else {
            self.say(messages::nothing_to_give_up());
        }
    }

    /// Takes the mouse, or gives it back to the terminal.
    fn toggle_mouse(&mut self) {
        self.mouse = !self.mouse;
        self.effects.push(Effect::Mouse(self.mouse));
        self.say(if self.mouse { messages::mouse_ours() } else { messages::mouse_theirs() });
    }
}
