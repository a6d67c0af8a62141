//! Keys while an overlay is open.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::session::protocol::Status;
use crate::workbench::action::Action;
use crate::workbench::app::App;
use crate::workbench::overlays::{Choice, Confirm, Overlay, Purpose};
use crate::workbench::words;

impl App {
    pub(super) fn overlay_key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let closes = key.code == KeyCode::Esc || (control && key.code == KeyCode::Char('c'));
        let Some(overlay) = &mut self.overlay else { return };
        if closes {
            self.overlay = None;
            return;
        }
        match overlay {
            Overlay::Picker(picker) => match key.code {
                KeyCode::Enter => {
                    let choice = picker.chosen().map(|i| i.choice.clone());
                    self.overlay = None;
                    if let Some(choice) = choice {
                        self.choose(&choice);
                    }
                }
                KeyCode::Down | KeyCode::Tab => picker.move_by(1),
                KeyCode::Up | KeyCode::BackTab => picker.move_by(-1),
                KeyCode::PageUp => picker.move_by(-10),
                KeyCode::PageDown => picker.move_by(10),
                KeyCode::Char(c) if !control => picker.type_letter(c),
                KeyCode::Backspace => picker.backspace(),
                _ => {}
            },
            Overlay::Prompt(prompt) => {
                if key.code == KeyCode::Enter {
                    let (purpose, text) = (prompt.purpose, prompt.text.trim().to_owned());
                    self.overlay = None;
                    self.submit(purpose, &text);
                } else {
                    prompt.key(key);
                }
            }
            Overlay::Confirm(confirm) => match key.code {
                KeyCode::Char('y' | 'Y') | KeyCode::Enter => {
                    let does = confirm.does;
                    self.overlay = None;
                    if does == Confirm::START { self.start() } else { self.stop() }
                }
                KeyCode::Char('n' | 'N' | 'q') => self.overlay = None,
                _ => {}
            },
            Overlay::Log { up } => match key.code {
                KeyCode::Up | KeyCode::Char('k') => *up += 1,
                KeyCode::Down | KeyCode::Char('j') => *up = up.saturating_sub(1),
                KeyCode::PageUp => *up += 10,
                KeyCode::PageDown => *up = up.saturating_sub(10),
                KeyCode::Char('q' | 'L') => self.overlay = None,
                _ => {}
            },
            Overlay::Sessions { cursor } => {
                let last = self.sessions.len().saturating_sub(1);
                match key.code {
                    KeyCode::Up | KeyCode::Char('k') => *cursor = cursor.saturating_sub(1),
                    KeyCode::Down | KeyCode::Char('j') => *cursor = (*cursor + 1).min(last),
                    KeyCode::Char('q' | 'S') => self.overlay = None,
                    KeyCode::Enter => {
                        let row = self.sessions.get(*cursor).map(|r| r.name.clone());
                        self.overlay = None;
                        if let Some(name) = row {
                            self.open_session(&name);
                        }
                    }
                    KeyCode::Char('r') => {
                        let row = self.sessions.get(*cursor).map(|r| (r.name.clone(), r.status));
                        self.overlay = None;
                        if let Some((name, status)) = row {
                            self.open_session(&name);
                            if matches!(status, Status::Paused | Status::Stopped | Status::New) {
                                self.resume(&name);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn choose(&mut self, choice: &Choice) {
        match *choice {
            Choice::Do(action) => {
                // An action that belongs to another pane is done there.
                let entry = crate::workbench::action::entry(action);
                if let Some(pane) = entry.and_then(|e| e.panes.first())
                    && !entry.is_some_and(|e| e.panes.contains(&self.pane))
                {
                    self.pane = *pane;
                }
                if action != Action::Help {
                    self.act(action);
                }
            }
            Choice::Method(method) => self.editor.set_method(method),
            Choice::Preset(preset) => self.preset(preset),
        }
    }

    fn submit(&mut self, purpose: Purpose, text: &str) {
        match purpose {
            Purpose::Save | Purpose::Open if text.is_empty() => self.say(words::no_file_named()),
            Purpose::Save => self.save(text),
            Purpose::Open => {
                self.effects.push(crate::workbench::effect::Effect::Read { path: text.into() });
            }
            Purpose::Watch => self.watch(text),
        }
    }
}
