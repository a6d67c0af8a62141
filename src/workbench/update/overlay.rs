//! Keys while an overlay is open.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::session::protocol::Status;
use crate::workbench::action::{Action, AppAction};
use crate::workbench::app::App;
use crate::workbench::effect::{Effect, Reading};
use crate::workbench::files::write::Unwritten;
use crate::workbench::messages;
use crate::workbench::overlays::{Choice, Confirm, Does, Overlay, Prompt, Purpose, tour};

impl App {
    pub(in crate::workbench) fn overlay_key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let closes = key.code == KeyCode::Esc || (control && key.code == KeyCode::Char('c'));
        let Some(overlay) = &mut self.overlay else { return };
        if closes {
            let left = self.overlay.take();
            if let Some(Overlay::Confirm(confirm)) = left {
                self.say_no(confirm.does);
            }
            return;
        }
        match overlay {
            Overlay::Picker(picker) => match key.code {
                KeyCode::Enter if picker.ticked.as_ref().is_some_and(|t| !t.is_empty()) => {
                    let questions = picker.ticked.iter().flatten().copied().collect();
                    self.overlay = None;
                    self.watch(questions);
                }
                KeyCode::Tab if picker.ticked.is_some() => picker.tick(),
                // Where nothing matches, the list says so and stays.
                KeyCode::Enter => {
                    if let Some(choice) = picker.chosen().map(|i| i.choice.clone()) {
                        self.overlay = None;
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
                    let does = confirm.does.clone();
                    self.overlay = None;
                    match does {
                        Does::Start => self.start(),
                        Does::Stop => self.stop(),
                        Does::SaveOver(path) => self.save(&path, true),
                        Does::ExportOver(path) => self.export(&path, true),
                    }
                }
                KeyCode::Char('n' | 'N' | 'q') => {
                    let does = confirm.does.clone();
                    self.overlay = None;
                    self.say_no(does);
                }
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
            Overlay::Reader(_) => self.reader_key(key.code),
            Overlay::Look(look) => match key.code {
                KeyCode::Char('e') => {
                    let candidate = look.candidate;
                    self.overlay = None;
                    if let Some(id) = candidate {
                        self.edit_candidate(id);
                    }
                }
                KeyCode::Char('q' | 'r') | KeyCode::Enter => self.overlay = None,
                _ => {}
            },
            Overlay::Tour(step) => {
                let next = match key.code {
                    KeyCode::Enter | KeyCode::Right | KeyCode::Char(' ' | 'l' | 'j') | KeyCode::Down => {
                        *step + 1
                    }
                    KeyCode::Left | KeyCode::Char('h' | 'k') | KeyCode::Up => step.saturating_sub(1),
                    KeyCode::Char('q') => tour::STEPS,
                    _ => *step,
                };
                self.tour(next);
            }
            Overlay::Sessions { .. } => self.sessions_key(key.code),
        }
    }

    fn reader_key(&mut self, key: KeyCode) {
        let Some(Overlay::Reader(reader)) = &mut self.overlay else { return };
        match key {
            KeyCode::Up | KeyCode::Char('k') => reader.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => reader.scroll(1),
            KeyCode::PageUp => reader.scroll(-10),
            KeyCode::PageDown => reader.scroll(10),
            KeyCode::Char('y') => {
                let text = reader.text.clone();
                self.say(messages::letters_sent(text.chars().count()));
                self.effects.push(Effect::Copy(text));
            }
            KeyCode::Char('q') | KeyCode::Enter => self.overlay = None,
            _ => {}
        }
    }

    fn sessions_key(&mut self, key: KeyCode) {
        let last = self.sessions.len().saturating_sub(1);
        let Some(Overlay::Sessions { cursor }) = &mut self.overlay else { return };
        match key {
            KeyCode::Up | KeyCode::Char('k') => *cursor = cursor.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => *cursor = (*cursor + 1).min(last),
            KeyCode::Char('q' | 'S') => self.overlay = None,
            KeyCode::Enter | KeyCode::Char('r') => {
                let row = self.sessions.get(*cursor).map(|r| (r.name.clone(), r.status));
                self.overlay = None;
                let Some((name, status)) = row else { return };
                self.open_session(&name);
                let rests = matches!(status, Status::Paused | Status::Stopped | Status::New);
                if key == KeyCode::Char('r') && rests {
                    self.resume(&name);
                }
            }
            _ => {}
        }
    }

    /// Shows a step of the tour beside its pane; past the last one it is over.
    fn tour(&mut self, step: usize) {
        self.overlay = (step < tour::STEPS).then_some(Overlay::Tour(step));
        if step < tour::STEPS {
            self.pane = tour::pane(step);
        }
    }

    fn choose(&mut self, choice: &Choice) {
        match *choice {
            Choice::Do(action) => {
                // An action that belongs to another pane is done there.
                let panes = action.row().panes;
                if let Some(pane) = panes.first().filter(|_| !panes.contains(&self.pane)) {
                    self.pane = *pane;
                }
                if action != Action::App(AppAction::Help) {
                    self.act(action);
                }
            }
            Choice::Method(method) => self.editor.set_method(method),
            Choice::Preset(preset) => self.preset(preset),
            Choice::Compare(with) => self.compare(with),
            Choice::Question(index) => self.watch(vec![index]),
            Choice::Tour => self.tour(0),
        }
    }

    fn submit(&mut self, purpose: Purpose, text: &str) {
        let text = &from_home(text, std::env::var("HOME").ok());
        match purpose {
            _ if text.is_empty() => self.say(messages::no_file_named()),
            Purpose::Save => self.save(text, false),
            Purpose::Open => {
                self.effects.push(Effect::Read { path: text.into(), why: Reading::Edit });
            }
            Purpose::Compare => {
                self.effects.push(Effect::Read { path: text.into(), why: Reading::Compare });
            }
            Purpose::AddModel => self.add_model(text),
            Purpose::Export => self.export(text, false),
        }
    }

    /// Opens a line to type. It begins with what was typed there before and came to nothing, else
    /// with `text`.
    pub(in crate::workbench) fn prompt(&mut self, purpose: Purpose, text: String) {
        let text = self.typed.remove(&purpose).unwrap_or(text);
        self.overlay = Some(Overlay::Prompt(Prompt::new(purpose, text)));
    }

    /// What was typed came to nothing: it stands in the line again, at once or, where something
    /// else has the keys, the next time.
    pub(in crate::workbench) fn ask_again(&mut self, purpose: Purpose, text: &str) {
        self.typed.insert(purpose, text.to_owned());
        if self.overlay.is_none() {
            self.prompt(purpose, String::new());
        }
    }

    /// A file there was, or the one changed elsewhere, is asked about.
    pub(in crate::workbench) fn ask_over(&mut self, path: &str, why: &Unwritten, does: Does) {
        let question = match why {
            Unwritten::Changed => messages::overwrite_changed(path),
            _ => messages::overwrite(path),
        };
        self.overlay = Some(Overlay::Confirm(Confirm::new(question, does)));
    }

    /// A question was answered with no: a file's name can be typed again.
    fn say_no(&mut self, does: Does) {
        match does {
            Does::Start | Does::Stop => {}
            Does::SaveOver(path) => self.ask_again(Purpose::Save, &path),
            Does::ExportOver(path) => self.ask_again(Purpose::Export, &path),
        }
    }
}

/// A path that begins at `~`, as a shell would read it.
fn from_home(text: &str, home: Option<String>) -> String {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => format!("{}/{rest}", home.trim_end_matches('/')),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::from_home;

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = || Some("/home/me/".to_owned());
        assert_eq!(from_home("~/r.toml", home()), "/home/me/r.toml");
        assert_eq!(from_home("~/r.toml", None), "~/r.toml");
        for as_it_is in ["r.toml", "/x/~/r.toml", "~other/r.toml", "org/name"] {
            assert_eq!(from_home(as_it_is, home()), as_it_is);
        }
    }
}
