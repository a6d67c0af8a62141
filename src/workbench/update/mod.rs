//! Keys and actions into the state, a file a pane.

pub mod mouse;
mod overlay;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::action::Action;
use super::app::{App, Link, Pane};
use super::config::StartConfig;
use super::effect::{Ask, Effect};
use super::messages;
use super::overlays::{Confirm, Does, Overlay, Picker};
use crate::session::protocol::{Command, Status};

/// Rows of a page.
const PAGE: isize = 10;

impl App {
    /// Takes in a key press.
    pub fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.notice = None;
        // Escape with a letter close behind reads as Alt with that letter: either way the list is left.
        let alt = matches!(key.code, KeyCode::Char(_)) && key.modifiers.contains(KeyModifiers::ALT);
        if alt && !matches!(self.overlay, None | Some(Overlay::Prompt(_))) {
            self.overlay = None;
        }
        if self.overlay.is_some() {
            self.overlay_key(key);
        } else if let Some(action) = self.replay.and_then(|_| self.keys.replay_action_for(key, self.pane)) {
            self.act(action);
        } else if self.pane == Pane::Recipe && self.replay.is_none() && self.typing_key(key) {
            // The number being typed took it.
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

    /// Takes in a pasted text: it goes where a key's letter would go.
    pub fn paste(&mut self, text: &str) {
        if let Some(Overlay::Prompt(prompt)) = &mut self.overlay {
            prompt.insert(text);
        }
    }

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

    /// Does what a key, help or the palette chose.
    pub fn act(&mut self, action: Action) {
        let Some(action) = self.in_replay(action) else { return };
        match action {
            Action::Replay(_) => {}
            Action::Go(pane) => self.pane = pane,
            Action::NextPane => self.turn(1),
            Action::PreviousPane => self.turn(Pane::ALL.len() - 1),
            Action::Up => self.move_by(-1, 0),
            Action::Down => self.move_by(1, 0),
            Action::Left => self.move_by(0, -1),
            Action::Right => self.move_by(0, 1),
            Action::PageUp => self.move_by(-PAGE, 0),
            Action::PageDown => self.move_by(PAGE, 0),
            Action::First => self.move_by(isize::MIN / 2, 0),
            Action::Last => self.move_by(isize::MAX / 2, 0),
            Action::Help => {
                self.overlay =
                    Some(Overlay::Picker(Picker::help(&self.keys, self.pane, self.replay.is_some())));
            }
            Action::Palette => self.overlay = Some(Overlay::Picker(Picker::palette())),
            Action::Sessions => {
                self.ask(Ask::Sessions, Command::Sessions);
                self.overlay = Some(Overlay::Sessions { cursor: 0 });
            }
            Action::Log => {
                self.log.read();
                self.overlay = Some(Overlay::Log { up: 0 });
            }
            Action::Mouse => self.toggle_mouse(),
            Action::Redraw => self.effects.push(Effect::Redraw),
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Quit => self.quit = true,
            Action::StartEvolution => self.start_asked(),
            Action::ToggleSource
            | Action::ChooseBase
            | Action::Rescan
            | Action::AddModel
            | Action::Measure
            | Action::TakePool => {
                self.act_models(action);
            }
            Action::StepUp
            | Action::StepDown
            | Action::EnterNumber
            | Action::Select
            | Action::Gradient
            | Action::CopyColumn
            | Action::PasteColumn
            | Action::Undo
            | Action::Redo
            | Action::ChooseMethod
            | Action::Reset
            | Action::TakeBest
            | Action::Compare
            | Action::ShowYaml
            | Action::EvolveHere
            | Action::Save
            | Action::Open
            | Action::TryAgain
            | Action::Inject => self.act_recipe(action),
            Action::PauseResume
            | Action::Stop
            | Action::EditCandidate
            | Action::OpenCandidate
            | Action::Keep
            | Action::Watch
            | Action::NextSample => self.act_evolve(action),
            Action::ShowRecipe => self.show_recipe(),
            Action::Filter
            | Action::PinBaseline
            | Action::SwitchSplit
            | Action::CopyAnswer
            | Action::Export
            | Action::CloseColumn
            | Action::Zoom => self.act_answers(action),
        }
    }

    fn turn(&mut self, by: usize) {
        let at = Pane::ALL.iter().position(|p| *p == self.pane).unwrap_or(0);
        self.pane = Pane::ALL[(at + by) % Pane::ALL.len()];
    }

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

    fn toggle_mouse(&mut self) {
        self.mouse = !self.mouse;
        self.effects.push(Effect::Mouse(self.mouse));
        self.say(if self.mouse { messages::mouse_ours() } else { messages::mouse_theirs() });
    }

    /// Starts to evolve, or first asks when a session is running already.
    fn start_asked(&mut self) {
        let running = self.run.as_ref().filter(|r| r.status() == Status::Running);
        if let Some(run) = running {
            let question = messages::start_beside(&run.state.name);
            self.overlay = Some(Overlay::Confirm(Confirm::new(question, Does::Start)));
        } else {
            self.start();
        }
    }

    /// Asks the engine to start the config with the picked models.
    pub(super) fn start(&mut self) {
        if !matches!(self.link, Link::Connected { .. }) {
            self.complain(messages::engine_not_yet());
            return;
        }
        let next = self.next_config();
        let config = next.with_pool(&self.models.pool);
        self.ask(Ask::Start, Command::Start { config, name: next.name });
        self.say(messages::starting(&next.title));
    }

    /// What is started next: another session like the one on the screen, or what was named at the start.
    #[must_use]
    pub fn next_config(&self) -> StartConfig {
        match &self.run {
            Some(run) if !run.state.config.is_empty() => {
                StartConfig::of_session(&run.state.name, &run.state.config)
            }
            _ => self.config.clone(),
        }
    }
}
