//! Keys, pastes and mouse events come in. Each is passed to the open overlay or the current pane, and changes the
//! state.
//!
//! The user's key map turns a key into an [`Action`]. A pane's actions are carried out in `panes/<pane>/update.rs`,
//! those of every pane in `everywhere.rs`. The event loop calls it.

mod choices;
mod everywhere;
mod mouse;
mod overlay;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::action::{Action, EvolveAction, ReplayAction};
use super::app::{App, Pane};
use super::effect::Effect;
use super::messages;
use super::overlays::Overlay;

impl App {
    /// Takes in a key press.
    pub fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.notice = None;
        // A terminal sends Escape followed at once by a letter as Alt with that letter, so Alt closes the list.
        let alt = matches!(key.code, KeyCode::Char(_)) && key.modifiers.contains(KeyModifiers::ALT);
        if alt && !matches!(self.overlay, None | Some(Overlay::Prompt(_))) {
            self.overlay = None;
        }
        if self.overlay.is_some() {
            self.overlay_key(key);
        } else if let Some(action) = self.replay.and_then(|_| self.keys.replay_action_for(key, self.pane)) {
            self.act(action);
        } else if self.pane == Pane::Recipe && self.replay.is_none() && self.typing_key(key) {
            // The key belongs to the number being typed.
        } else if let Some(action) = self.keys.action_for(key, self.pane) {
            self.act(action);
        } else if key.code == KeyCode::Esc {
            self.escape();
        } else if let KeyCode::Char(c) = key.code
            && !key.modifiers.contains(KeyModifiers::CONTROL)
        {
            self.say(messages::key_does_nothing(c));
        }
    }

    /// Takes in a pasted text. It goes where typed letters would go.
    pub fn paste(&mut self, text: &str) {
        if let Some(Overlay::Prompt(prompt)) = &mut self.overlay {
            prompt.insert(text);
        }
    }

    /// Escape without an overlay: leaves the selection or the zoom.
    fn escape(&mut self) {
        match self.pane {
            Pane::Recipe => {
                self.editor.anchor = None;
                self.editor.strip = None;
            }
            Pane::Answers => self.answers.zoom = false,
            Pane::Models | Pane::Evolve => {}
        }
    }

    /// Carries out an action chosen by a key, in help or in the palette. A replay allows only actions that change
    /// nothing.
    pub fn act(&mut self, action: Action) {
        if self.replay.is_some() && !action.only_looks() {
            // The key that pauses a run pauses its replay.
            return match action {
                Action::Evolve(EvolveAction::PauseResume) => {
                    self.effects.push(Effect::Replay(ReplayAction::Pause));
                }
                _ => self.complain(messages::replay_only()),
            };
        }
        match action {
            Action::Models(action) => self.act_models(action),
            Action::Recipe(action) => self.act_recipe(action),
            Action::Evolve(action) => self.act_evolve(action),
            Action::Answers(action) => self.act_answers(action),
            Action::App(action) => self.act_everywhere(action),
            Action::Replay(action) => self.effects.push(Effect::Replay(action)),
        }
    }
}
