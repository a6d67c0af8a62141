//! A list that typing narrows: help, the command palette, merge methods, recipes to start over from or to compare
//! with, sample questions. The chosen item goes to `update/choices.rs`.

use std::collections::BTreeSet;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::recipe::Method;
use crate::session::protocol::{CandidateId, WatchedQuestion};
use crate::workbench::action::key_names::shown;
use crate::workbench::action::keymap::Keymap;
use crate::workbench::action::{Action, here, table};
use crate::workbench::app::Pane;
use crate::workbench::canvas::Canvas;
use crate::workbench::editor::Template;
use crate::workbench::messages;
use crate::workbench::text::width;
use crate::workbench::theme::Tone;

/// What an item stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Do(Action),
    Method(Method),
    Preset(Preset),
    Compare(Comparison),
    /// A training question to watch, by its index.
    Question(usize),
    Tour,
}

/// What the editor can start over from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Template(Template),
    Candidate(CandidateId),
}

/// What the recipe in the editor can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Nothing,
    /// The recipe before the edits.
    Began,
    File,
    With(Preset),
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Keys or name, left.
    pub name: String,
    /// A description of the item.
    pub about: String,
    pub choice: Choice,
    /// Explanations shown below the list while the cursor is on the item.
    pub more: Vec<String>,
}

impl Item {
    fn new(name: String, about: String, choice: Choice) -> Self {
        Self { name, about, choice, more: Vec::new() }
    }
}

/// The list, the typed text, and the line under the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picker {
    pub title: String,
    pub items: Vec<Item>,
    pub query: String,
    pub cursor: usize,
    /// The ticked items, if several can be chosen.
    pub ticked: Option<BTreeSet<usize>>,
}

impl Picker {
    fn new(title: &str, items: Vec<Item>) -> Self {
        Self { title: title.to_owned(), items, query: String::new(), cursor: 0, ticked: None }
    }

    /// What can be done in `pane`.
    #[must_use]
    pub fn help(keymap: &Keymap, pane: Pane, replaying: bool) -> Self {
        let keys = |a: Action| keymap.keys(a).into_iter().map(shown).collect::<Vec<_>>().join(" ");
        let item = |a: Action| Item::new(keys(a), a.row().label().to_owned(), Choice::Do(a));
        // The tour comes first, so that `?` and Enter start it for a new user.
        let tour = Item::new("->".to_owned(), messages::tour_item().to_owned(), Choice::Tour);
        let items = std::iter::once(tour).chain(here(pane, replaying).map(item)).collect();
        Self::new(&messages::help_title(messages::pane(pane)), items)
    }

    /// Every action by its name.
    #[must_use]
    pub fn palette() -> Self {
        let item = |a: &Action| Item::new(a.row().id.to_owned(), a.row().label().to_owned(), Choice::Do(*a));
        Self::new(messages::palette_title(), table().iter().map(item).collect())
    }

    /// The merge methods; the cursor is on the current one.
    #[must_use]
    pub fn methods(now: Method) -> Self {
        let item = |m: Method| Item {
            more: m
                .parameters()
                .iter()
                .filter(|p| !p.ignored)
                .map(|p| messages::parameter_line(m, p))
                .collect(),
            ..Item::new(m.name().to_owned(), messages::method_about(m).to_owned(), Choice::Method(m))
        };
        let mut picker = Self::new(messages::method_title(), Method::ALL.map(item).to_vec());
        picker.cursor = Method::ALL.iter().position(|m| *m == now).unwrap_or(0);
        picker
    }

    /// What the editor can start over from.
    #[must_use]
    pub fn presets(list: Vec<(Preset, String, String)>) -> Self {
        let item = |(preset, name, about)| Item::new(name, about, Choice::Preset(preset));
        Self::new(messages::presets_title(), list.into_iter().map(item).collect())
    }

    /// What the recipe in the editor can be compared with.
    #[must_use]
    pub fn comparisons(list: Vec<(Comparison, String, String)>) -> Self {
        let item = |(with, name, about)| Item::new(name, about, Choice::Compare(with));
        Self::new(messages::compare_title(), list.into_iter().map(item).collect())
    }

    /// The training questions; the watched ones are ticked.
    #[must_use]
    pub fn questions(all: &[WatchedQuestion], watched: &[usize]) -> Self {
        let item = |q: &WatchedQuestion| {
            let mut item = Item::new(q.index.to_string(), q.question.clone(), Choice::Question(q.index));
            item.more = vec![q.question.clone(), messages::answer_is(&q.gold).trim_start().to_owned()];
            item
        };
        let mut picker = Self::new(messages::questions_title(), all.iter().map(item).collect());
        picker.ticked = Some(watched.iter().copied().collect());
        picker.cursor = all.iter().position(|q| watched.contains(&q.index)).unwrap_or(0);
        picker
    }

    /// Ticks or unticks the question under the cursor.
    pub fn tick(&mut self) {
        let Some(Choice::Question(index)) = self.chosen().map(|i| i.choice.clone()) else { return };
        if let Some(ticked) = &mut self.ticked
            && !ticked.remove(&index)
        {
            ticked.insert(index);
        }
        self.move_by(1);
    }

    /// The items that contain every typed word.
    #[must_use]
    pub fn matching(&self) -> Vec<&Item> {
        let query = self.query.to_lowercase();
        let holds = |item: &&Item| {
            let text = format!("{} {}", item.name, item.about).to_lowercase();
            query.split_whitespace().all(|word| text.contains(word))
        };
        let mut out: Vec<&Item> = self.items.iter().filter(holds).collect();
        // An exact match of the name comes first.
        out.sort_by_key(|item| item.name.to_lowercase() != query.trim());
        out
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

    /// Deletes the last letter.
    pub fn backspace(&mut self) {
        self.query.pop();
        self.cursor = 0;
    }
}

/// Draws the list.
pub fn draw(picker: &Picker, canvas: &mut Canvas<'_>, area: Rect) {
    let more = picker.items.iter().map(|i| i.more.len()).max().unwrap_or(0) as u16;
    let more = if more > 0 && area.height > 14 { (more + 1).min(area.height / 2) } else { 0 };
    let lines = picker.items.len() as u16 + more;
    let names = picker.items.iter().map(|i| width(&i.name)).max().unwrap_or(0).min(24) as u16;
    let abouts = picker.items.iter().map(|i| width(&i.about)).max().unwrap_or(0).min(90) as u16;
    let inner = canvas.popup(Canvas::centred(area, names + abouts + 7, lines + 4), &picker.title);
    let gap = u16::from(more > 0);
    let [query, list, _, explained] =
        Layout::vertical([Length(1), Fill(1), Length(gap), Length(more - gap)]).areas(inner);
    let [prompt, query] = Layout::horizontal([Length(2), Fill(1)]).areas(query);
    canvas.line(prompt, "> ", canvas.theme.tone(Tone::Accent));
    let typed = canvas.line(query, &picker.query, canvas.theme.tone(Tone::Plain));
    if picker.query.is_empty() {
        canvas.line(query, messages::search_hint(), canvas.theme.tone(Tone::Dim));
    }
    canvas.cursor_at(query.x + typed, query.y);
    let columns = Layout::horizontal([Length(1), Length(names), Length(2), Fill(1)]).split(list);
    let matching = picker.matching();
    let top = Canvas::first_row(picker.cursor, matching.len(), list.height);
    for ((at, item), row) in matching.iter().enumerate().skip(top).zip(list.rows()) {
        let ticked = match (&item.choice, &picker.ticked) {
            (Choice::Question(q), Some(ticked)) => ticked.contains(q),
            _ => false,
        };
        if ticked {
            canvas.line(columns[0].intersection(row), "*", canvas.theme.tone(Tone::Good));
        }
        canvas.line(columns[1].intersection(row), &item.name, canvas.theme.tone(Tone::Accent));
        canvas.line(columns[3].intersection(row), &item.about, canvas.theme.tone(Tone::Plain));
        if at == picker.cursor {
            canvas.mark(row);
        }
    }
    if let Some(item) = picker.chosen().filter(|_| more > 0) {
        let mut rest = Canvas::padded(explained);
        for text in &item.more {
            let used = canvas.paragraph(rest, text, canvas.theme.tone(Tone::Dim));
            rest = Canvas::below(rest, used);
        }
    }
    if matching.is_empty() {
        canvas.line(list, messages::nothing_found(), canvas.theme.tone(Tone::Dim));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::action::{EvolveAction, RecipeAction};

    #[test]
    fn typing_narrows_and_enter_takes_the_first() {
        let mut picker = Picker::palette();
        assert_eq!(picker.matching().len(), table().len());
        for c in "undo".chars() {
            picker.type_letter(c);
        }
        assert_eq!(
            picker.chosen().map(|i| i.choice.clone()),
            Some(Choice::Do(Action::Recipe(RecipeAction::Undo)))
        );
        picker.move_by(100);
        assert!(picker.chosen().is_some());
        picker.type_letter('#');
        assert_eq!(picker.chosen(), None);
    }

    #[test]
    fn help_lists_what_applies_here() {
        let help = Picker::help(&Keymap::default(), Pane::Evolve, false);
        assert_eq!(help.chosen().map(|i| &i.choice), Some(&Choice::Tour));
        assert!(help.items.iter().any(|i| i.choice == Choice::Do(Action::Evolve(EvolveAction::PauseResume))));
        assert!(!help.items.iter().any(|i| i.choice == Choice::Do(Action::Recipe(RecipeAction::Gradient))));
    }
}
