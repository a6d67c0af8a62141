//! Keys while an overlay is open. Each kind of overlay has its own function here.
//!
//! `update/mod.rs` calls it with every key until the overlay is closed. `choices.rs` carries out answers, choices and
//! typed lines.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::session::protocol::Status;
use crate::workbench::app::App;
use crate::workbench::effect::Effect;
use crate::workbench::messages;
use crate::workbench::overlays::{Overlay, tour};

/// Lines of a page in a list or a text.
const PAGE: isize = 10;

impl App {
    /// Takes in a key for the open overlay.
    pub(super) fn overlay_key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if key.code == KeyCode::Esc || (control && key.code == KeyCode::Char('c')) {
            match self.overlay.take() {
                Some(Overlay::Confirm(confirm)) => self.say_no(confirm.does),
                Some(Overlay::Plan(view)) => self.drop_plan(&view),
                _ => {}
            }
            return;
        }
        match &mut self.overlay {
            None => {}
            Some(Overlay::Picker(_)) => self.picker_key(key.code, control),
            Some(Overlay::Prompt(_)) => self.prompt_key(key),
            Some(Overlay::Confirm(_)) => self.confirm_key(key.code),
            Some(Overlay::Sessions { .. }) => self.sessions_key(key.code),
            Some(Overlay::Log { .. }) => self.log_key(key.code),
            Some(Overlay::Reader(_)) => self.reader_key(key.code),
            Some(Overlay::Plan(_)) => self.plan_key(key.code),
            Some(Overlay::Look(_)) => self.look_key(key.code),
            Some(Overlay::Tour(step)) => {
                let step = *step;
                self.tour_key(key.code, step);
            }
        }
    }

    fn picker_key(&mut self, key: KeyCode, control: bool) {
        let Some(Overlay::Picker(picker)) = &mut self.overlay else { return };
        match key {
            KeyCode::Enter if picker.ticked.as_ref().is_some_and(|t| !t.is_empty()) => {
                let questions = picker.ticked.iter().flatten().copied().collect();
                self.overlay = None;
                self.watch(questions);
            }
            KeyCode::Tab if picker.ticked.is_some() => picker.tick(),
            // If nothing matches, the list says so and stays open.
            KeyCode::Enter => {
                if let Some(choice) = picker.chosen().map(|i| i.choice.clone()) {
                    self.overlay = None;
                    self.choose(&choice);
                }
            }
            KeyCode::Down | KeyCode::Tab => picker.move_by(1),
            KeyCode::Up | KeyCode::BackTab => picker.move_by(-1),
            KeyCode::PageUp => picker.move_by(-PAGE),
            KeyCode::PageDown => picker.move_by(PAGE),
            KeyCode::Char(c) if !control => picker.type_letter(c),
            KeyCode::Backspace => picker.backspace(),
            _ => {}
        }
    }

    fn prompt_key(&mut self, key: KeyEvent) {
        let Some(Overlay::Prompt(prompt)) = &mut self.overlay else { return };
        if key.code == KeyCode::Enter {
            let (purpose, text) = (prompt.purpose, prompt.text.trim().to_owned());
            self.overlay = None;
            self.submit(purpose, &text);
        } else {
            prompt.key(key);
        }
    }

    fn confirm_key(&mut self, key: KeyCode) {
        let Some(Overlay::Confirm(confirm)) = &self.overlay else { return };
        let does = confirm.does.clone();
        match key {
            KeyCode::Char('y' | 'Y') | KeyCode::Enter => {
                self.overlay = None;
                self.say_yes(does);
            }
            KeyCode::Char('n' | 'N' | 'q') => {
                self.overlay = None;
                self.say_no(does);
            }
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

    fn log_key(&mut self, key: KeyCode) {
        let Some(Overlay::Log { up }) = &mut self.overlay else { return };
        match key {
            KeyCode::Up | KeyCode::Char('k') => *up += 1,
            KeyCode::Down | KeyCode::Char('j') => *up = up.saturating_sub(1),
            KeyCode::PageUp => *up = up.saturating_add_signed(PAGE),
            KeyCode::PageDown => *up = up.saturating_add_signed(-PAGE),
            KeyCode::Char('q' | 'L') => self.overlay = None,
            _ => {}
        }
    }

    fn reader_key(&mut self, key: KeyCode) {
        let Some(Overlay::Reader(reader)) = &mut self.overlay else { return };
        match key {
            KeyCode::Up | KeyCode::Char('k') => reader.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => reader.scroll(1),
            KeyCode::PageUp => reader.scroll(-PAGE),
            KeyCode::PageDown => reader.scroll(PAGE),
            KeyCode::Char('y') => {
                let text = reader.text.clone();
                self.say(messages::letters_sent(text.chars().count()));
                self.effects.push(Effect::Copy(text));
            }
            KeyCode::Char('q') | KeyCode::Enter => self.overlay = None,
            _ => {}
        }
    }

    fn plan_key(&mut self, key: KeyCode) {
        let Some(Overlay::Plan(view)) = &mut self.overlay else { return };
        match key {
            KeyCode::Up | KeyCode::Char('k') => view.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => view.scroll(1),
            KeyCode::PageUp => view.scroll(-PAGE),
            KeyCode::PageDown => view.scroll(PAGE),
            KeyCode::Char('m') => self.measure_plan(),
            KeyCode::Enter => {
                if let Some(Overlay::Plan(view)) = self.overlay.take() {
                    self.begin(*view);
                }
            }
            KeyCode::Char('q' | 'P') => {
                if let Some(Overlay::Plan(view)) = self.overlay.take() {
                    self.drop_plan(&view);
                }
            }
            _ => {}
        }
    }

    fn look_key(&mut self, key: KeyCode) {
        let Some(Overlay::Look(look)) = &self.overlay else { return };
        match key {
            KeyCode::Char('e') => {
                let candidate = look.candidate;
                self.overlay = None;
                if let Some(id) = candidate {
                    self.edit_candidate(id);
                }
            }
            KeyCode::Char('q' | 'r') | KeyCode::Enter => self.overlay = None,
            _ => {}
        }
    }

    fn tour_key(&mut self, key: KeyCode, step: usize) {
        match key {
            KeyCode::Enter | KeyCode::Right | KeyCode::Char(' ' | 'l' | 'j') | KeyCode::Down => {
                self.tour(step + 1);
            }
            KeyCode::Left | KeyCode::Char('h' | 'k') | KeyCode::Up => self.tour(step.saturating_sub(1)),
            KeyCode::Char('q') => self.tour(tour::STEPS),
            _ => {}
        }
    }

    /// Shows a step of the tour over its pane. After the last step the tour is closed.
    pub(super) fn tour(&mut self, step: usize) {
        self.overlay = (step < tour::STEPS).then_some(Overlay::Tour(step));
        if step < tour::STEPS {
            self.pane = tour::pane(step);
        }
    }
}
