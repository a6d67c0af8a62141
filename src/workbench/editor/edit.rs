//! The edits: step, type, gradient, copy, paste, method, undo.

use super::history::Kind;
use super::{Cell, Editor, Track};
use crate::recipe::{LayerGroup, Method};
use crate::workbench::words;

/// What one press of `+` adds.
const STEP: f64 = 0.05;
/// Weights beyond this are surely a slip of the finger.
const HEAVIEST: f64 = 10.0;
/// A density of zero would drop everything.
const THINNEST: f64 = 0.01;

impl Editor {
    /// Does `edit` so that it can be undone; edits of one `kind` in a row are one step.
    pub(super) fn change(&mut self, kind: Option<Kind>, edit: impl FnOnce(&mut Self)) {
        self.history.remember((self.recipe.clone(), self.layers), kind);
        edit(self);
        self.touched = true;
        self.revision += 1;
    }

    fn put(&mut self, cell: Cell, value: f64) {
        let Some(column) = self.columns().get(cell.column).copied() else { return };
        let group = LayerGroup::from_index(cell.row, self.layers);
        let layers = self.layers;
        let Some(source) = self.recipe.sources.get_mut(column.source) else { return };
        match column.track {
            Track::Weight => source.weight_mut().set(group, layers, value.clamp(-HEAVIEST, HEAVIEST)),
            Track::Density => source.density_mut().set(group, layers, value.clamp(THINNEST, 1.0)),
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let b = self.block();
        (b.top..=b.bottom)
            .flat_map(|row| (b.left..=b.right).map(move |column| Cell { row, column }))
            .collect()
    }

    /// Moves every cell of the block to the next multiple of the step.
    pub fn step(&mut self, steps: i32) {
        let kind = Some(("step", self.block()));
        self.change(kind, |editor| {
            for cell in editor.cells() {
                let Some(now) = editor.value(cell) else { continue };
                let at = now / STEP;
                let whole = if steps > 0 { (at + 1e-6).floor() } else { (at - 1e-6).ceil() };
                let next = (whole + f64::from(steps)) * STEP;
                editor.put(cell, (next * 1e4).round() / 1e4);
            }
        });
    }

    /// Adds a letter to the number being typed; others than those of a number are ignored.
    pub fn type_letter(&mut self, letter: char) {
        let text = self.typing.get_or_insert_default();
        let fits = text.len() < 8 && (letter.is_ascii_digit() || letter == '.' && !text.contains('.'));
        if fits {
            text.push(letter);
        }
    }

    /// Turns the sign of the number being typed.
    pub fn type_sign(&mut self) {
        let text = self.typing.get_or_insert_default();
        *text = text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned);
    }

    /// Ends typing and puts the number into the block.
    ///
    /// # Errors
    /// The sentence to show when the text is no number.
    pub fn accept(&mut self) -> Result<(), String> {
        let Some(text) = self.typing.take() else { return Ok(()) };
        if text.is_empty() {
            return Ok(());
        }
        let value: f64 = text.parse().map_err(|_| words::not_a_number(&text))?;
        self.fill(value);
        Ok(())
    }

    /// Puts `value` into every cell of the block.
    pub fn fill(&mut self, value: f64) {
        self.change(None, |editor| {
            for cell in editor.cells() {
                editor.put(cell, value);
            }
        });
    }

    /// Fills each column of the block evenly between its first and its last row.
    ///
    /// # Errors
    /// The sentence to show when the block has a single row.
    pub fn gradient(&mut self) -> Result<(), String> {
        let b = self.block();
        if b.top == b.bottom {
            return Err(words::gradient_needs_rows().to_owned());
        }
        self.change(None, |editor| {
            for column in b.left..=b.right {
                let end = |row| editor.value(Cell { row, column }).unwrap_or(0.0);
                let (first, last) = (end(b.top), end(b.bottom));
                for row in b.top..=b.bottom {
                    let share = (row - b.top) as f64 / (b.bottom - b.top) as f64;
                    let value = first + (last - first) * share;
                    editor.put(Cell { row, column }, (value * 1e4).round() / 1e4);
                }
            }
        });
        self.anchor = None;
        Ok(())
    }

    /// Copies the column under the cursor; the sentence says what was copied.
    pub fn copy_column(&mut self) -> Option<String> {
        let column = *self.columns().get(self.cursor.column)?;
        let values =
            (0..self.rows()).filter_map(|row| self.value(Cell { row, column: self.cursor.column })).collect();
        self.clipboard = Some((column.track, values));
        let model = &self.recipe.sources.get(column.source)?.model;
        Some(words::column_copied(model))
    }

    /// Pastes the copied column over the one under the cursor.
    ///
    /// # Errors
    /// The sentence to show when there is nothing that could be pasted here.
    pub fn paste_column(&mut self) -> Result<(), String> {
        let Some((track, values)) = self.clipboard.clone() else {
            return Err(words::nothing_copied().to_owned());
        };
        let column = self.cursor.column;
        if self.columns().get(column).map(|c| c.track) != Some(track) {
            return Err(words::paste_mismatch().to_owned());
        }
        self.change(None, |editor| {
            for (row, value) in values.into_iter().enumerate().take(editor.rows()) {
                editor.put(Cell { row, column }, value);
            }
        });
        Ok(())
    }

    /// Switches the merge method and keeps all numbers.
    pub fn set_method(&mut self, method: Method) {
        let at = self.columns().get(self.cursor.column).copied();
        self.change(None, |editor| {
            editor.recipe.method = method;
            super::spread(&mut editor.recipe, editor.layers);
        });
        let columns = self.columns();
        let same = |c: &super::Column| at.is_some_and(|a| a.source == c.source && a.track == c.track);
        let source = |c: &super::Column| at.is_some_and(|a| a.source == c.source);
        let place = columns.iter().position(same).or_else(|| columns.iter().position(source));
        self.cursor.column = place.unwrap_or(0);
        self.anchor = None;
    }

    /// Takes back the last edit.
    pub fn undo(&mut self) -> bool {
        let now = (self.recipe.clone(), self.layers);
        let step = self.history.undo(now);
        self.restore(step)
    }

    /// Does again what was taken back.
    pub fn redo(&mut self) -> bool {
        let now = (self.recipe.clone(), self.layers);
        let step = self.history.redo(now);
        self.restore(step)
    }

    fn restore(&mut self, step: Option<(crate::recipe::Recipe, usize)>) -> bool {
        let Some((recipe, layers)) = step else { return false };
        self.recipe = recipe;
        self.layers = layers;
        self.revision += 1;
        self.anchor = None;
        self.typing = None;
        self.move_by(0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editor() -> Editor {
        Editor::new("zoo:base", &["zoo:ja".into(), "zoo:math-add".into(), "zoo:math-mul".into()], 5)
    }

    fn at(row: usize, column: usize) -> Cell {
        Cell { row, column }
    }

    #[test]
    fn a_held_key_is_one_step_of_undo() {
        let mut e = editor();
        e.fill(0.5);
        for _ in 0..7 {
            e.step(1);
        }
        assert_eq!(e.value(at(0, 0)), Some(0.85));
        e.step(-1);
        assert_eq!(e.value(at(0, 0)), Some(0.8));
        assert!(e.undo());
        assert_eq!(e.value(at(0, 0)), Some(0.5));
        assert!(e.redo());
        assert_eq!(e.value(at(0, 0)), Some(0.8));
        assert!(e.undo() && e.undo() && !e.undo());
        assert_eq!(e.value(at(0, 0)), Some(0.333));
    }

    #[test]
    fn stepping_lands_on_multiples() {
        let mut e = editor();
        e.step(1);
        assert_eq!(e.value(at(0, 0)), Some(0.35));
        e.step(-1);
        assert_eq!(e.value(at(0, 0)), Some(0.3));
    }

    #[test]
    fn typing_fills_the_block() {
        let mut e = editor();
        e.toggle_selection();
        e.move_by(2, 1);
        assert_eq!(e.block().cells(), 6);
        for c in "0.2.5x".chars() {
            e.type_letter(c);
        }
        e.type_sign();
        assert_eq!(e.accept(), Ok(()));
        assert_eq!(e.value(at(2, 1)), Some(-0.25));
        assert_eq!(e.value(at(3, 1)), Some(0.333));
        e.type_sign();
        assert!(e.accept().is_err());
    }

    #[test]
    fn gradient_between_two_rows() {
        let mut e = editor();
        assert!(e.gradient().is_err());
        e.fill(0.0);
        e.move_by(4, 0);
        e.fill(1.0);
        e.toggle_selection();
        e.move_by(-4, 0);
        assert_eq!(e.gradient(), Ok(()));
        let column: Vec<_> = (0..5).filter_map(|r| e.value(at(r, 0))).collect();
        assert_eq!(column, [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn columns_copy_and_densities_appear() {
        let mut e = editor();
        assert!(e.paste_column().is_err());
        e.fill(0.9);
        assert!(e.copy_column().is_some());
        e.move_by(0, 1);
        assert_eq!(e.paste_column(), Ok(()));
        assert_eq!(e.value(at(0, 1)), Some(0.9));
        e.set_method(Method::Ties);
        assert_eq!(e.columns().len(), 6);
        assert_eq!(e.cursor.column, 2);
        e.move_by(0, 1);
        e.fill(1.5);
        assert_eq!(e.value(at(0, 3)), Some(1.0));
        assert!(e.paste_column().is_err());
    }

    #[test]
    fn a_changed_pool_keeps_what_stays() {
        let mut e = editor();
        e.fill(0.9);
        e.set_pool("zoo:base", &["zoo:ja".into(), "zoo:math-mul".into()], 5);
        assert_eq!(e.columns().len(), 2);
        assert_eq!(e.value(at(0, 0)), Some(0.9));
        assert!(e.undo());
        assert_eq!(e.columns().len(), 3);
        let revision = e.revision;
        e.set_pool("zoo:base", &["zoo:ja".into(), "zoo:math-add".into(), "zoo:math-mul".into()], 5);
        assert_eq!(e.revision, revision);
    }
}
