//! A list that narrows while one types: help, the palette, methods, what to start over from.

use ratatui::layout::Rect;

use super::centred;
use crate::recipe::Method;
use crate::session::protocol::CandidateId;
use crate::workbench::action::{Action, Entry, TABLE, here};
use crate::workbench::app::Pane;
use crate::workbench::keys::shown;
use crate::workbench::pen::Pen;
use crate::workbench::text::width;
use crate::workbench::theme::Tone;
use crate::workbench::words;

/// What choosing an item does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Do(Action),
    Method(Method),
    Preset(Preset),
}

/// What the editor can start over from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Uniform,
    /// All weights zero.
    Base,
    Candidate(CandidateId),
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Keys or name, left.
    pub name: String,
    /// What it is or does.
    pub about: String,
    pub choice: Choice,
}

/// The list, what was typed, and the line under the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picker {
    pub title: String,
    pub items: Vec<Item>,
    pub query: String,
    pub cursor: usize,
}

impl Picker {
    fn new(title: &str, items: Vec<Item>) -> Self {
        Self { title: title.to_owned(), items, query: String::new(), cursor: 0 }
    }

    /// What can be done in `pane`.
    #[must_use]
    pub fn help(pane: Pane, replaying: bool) -> Self {
        let keys = |e: &Entry| e.keys.iter().map(|k| shown(k)).collect::<Vec<_>>().join(" ");
        let item = |e: &'static Entry| Item {
            name: keys(e),
            about: e.label().to_owned(),
            choice: Choice::Do(e.action),
        };
        Self::new(&words::help_title(pane.title()), here(pane, replaying).map(item).collect())
    }

    /// Every action by its name.
    #[must_use]
    pub fn palette() -> Self {
        let item = |e: &'static Entry| Item {
            name: e.id.to_owned(),
            about: e.label().to_owned(),
            choice: Choice::Do(e.action),
        };
        Self::new(words::palette_title(), TABLE.iter().map(item).collect())
    }

    /// The merge methods; the cursor is on the present one.
    #[must_use]
    pub fn methods(now: Method) -> Self {
        let item = |m: Method| Item {
            name: m.name().to_owned(),
            about: words::method_about(m).to_owned(),
            choice: Choice::Method(m),
        };
        let mut picker = Self::new(words::method_title(), Method::ALL.map(item).to_vec());
        picker.cursor = Method::ALL.iter().position(|m| *m == now).unwrap_or(0);
        picker
    }

    /// What the editor can start over from.
    #[must_use]
    pub fn presets(list: Vec<(Preset, String, String)>) -> Self {
        let item = |(preset, name, about)| Item { name, about, choice: Choice::Preset(preset) };
        Self::new(words::presets_title(), list.into_iter().map(item).collect())
    }

    /// The lines that hold every typed word.
    #[must_use]
    pub fn matching(&self) -> Vec<&Item> {
        let query = self.query.to_lowercase();
        let holds = |item: &&Item| {
            let text = format!("{} {}", item.name, item.about).to_lowercase();
            query.split_whitespace().all(|word| text.contains(word))
        };
        self.items.iter().filter(holds).collect()
    }

    /// The line under the cursor.
    #[must_use]
    pub fn chosen(&self) -> Option<&Item> {
        self.matching().get(self.cursor).copied()
    }

    /// Moves the cursor.
    pub fn move_by(&mut self, lines: isize) {
        let last = self.matching().len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(lines).min(last);
    }

    /// Narrows the list.
    pub fn type_letter(&mut self, letter: char) {
        self.query.push(letter);
        self.cursor = 0;
    }

    /// Takes the last letter back.
    pub fn backspace(&mut self) {
        self.query.pop();
        self.cursor = 0;
    }
}

/// Draws the list.
pub fn draw(picker: &Picker, pen: &mut Pen<'_>, area: Rect) {
    let lines = picker.items.len() as u16;
    let names = picker.items.iter().map(|i| width(&i.name)).max().unwrap_or(0).min(24) as u16;
    let abouts = picker.items.iter().map(|i| width(&i.about)).max().unwrap_or(0) as u16;
    let inner = pen.popup(centred(area, names + abouts + 7, lines + 4), &picker.title);
    let used = pen.text((inner.x, inner.y), inner.width, "> ", pen.theme.tone(Tone::Accent));
    let room = inner.width.saturating_sub(used);
    let typed = pen.text((inner.x + used, inner.y), room, &picker.query, pen.theme.tone(Tone::Plain));
    if picker.query.is_empty() {
        let hint = words::search_hint();
        pen.text((inner.x + used, inner.y), room, hint, pen.theme.tone(Tone::Dim));
    }
    pen.cursor_at(inner.x + used + typed, inner.y);
    let list = Pen::below(inner, 1);
    let matching = picker.matching();
    let top = Pen::first_row(picker.cursor, matching.len(), list.height);
    for (row, item) in matching.iter().enumerate().skip(top).take(list.height.into()) {
        let y = list.y + (row - top) as u16;
        pen.text((list.x + 1, y), names, &item.name, pen.theme.tone(Tone::Accent));
        let x = list.x + names + 3;
        pen.text((x, y), list.right().saturating_sub(x), &item.about, pen.theme.tone(Tone::Plain));
        if row == picker.cursor {
            pen.mark_row(list, y);
        }
    }
    if matching.is_empty() {
        pen.text((list.x, list.y), list.width, words::nothing_found(), pen.theme.tone(Tone::Dim));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_narrows_and_enter_takes_the_first() {
        let mut picker = Picker::palette();
        assert_eq!(picker.matching().len(), TABLE.len());
        for c in "undo".chars() {
            picker.type_letter(c);
        }
        assert_eq!(picker.chosen().map(|i| i.choice.clone()), Some(Choice::Do(Action::Undo)));
        picker.move_by(100);
        assert!(picker.chosen().is_some());
        picker.type_letter('#');
        assert_eq!(picker.chosen(), None);
    }

    #[test]
    fn help_lists_what_applies_here() {
        let help = Picker::help(Pane::Evolve, false);
        assert!(help.items.iter().any(|i| i.choice == Choice::Do(Action::PauseResume)));
        assert!(!help.items.iter().any(|i| i.choice == Choice::Do(Action::Gradient)));
    }
}
