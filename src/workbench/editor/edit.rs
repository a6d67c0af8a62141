//! The edits of the recipe: step, type, gradient, copy, paste, method, undo. Each changes the cell under the cursor or
//! the selected block. The Recipe pane's `update.rs` calls them.

use super::history::Kind;
use super::{Cell, Column, Editor, spread};
use crate::recipe::{Kind as ParamKind, LayerGroup, Method, ParamSpec, Values};
use crate::workbench::messages;

/// Step of a weight or a fraction.
const STEP: f64 = 0.05;
/// Step of a parameter with a narrow search range.
const FINE: f64 = 0.01;
/// Greatest number that can be typed. A greater one is rejected as a typing error.
const HEAVIEST: f64 = 10.0;
/// Least number in a range that excludes its lower end.
const THINNEST: f64 = 0.01;

/// The number that `now` becomes after `steps` presses of `+`.
fn stepped(spec: Option<&ParamSpec>, now: f64, steps: i32) -> f64 {
    let narrow = spec.and_then(|s| s.gene).is_some_and(|(low, high)| high - low < 0.5);
    let small = spec.is_some_and(|s| s.gene.is_none()) && now != 0.0 && now.abs() < FINE;
    match spec.map(|s| s.kind) {
        Some(ParamKind::Flag) => f64::from(u8::from(steps > 0)),
        Some(ParamKind::Count) => now + f64::from(steps),
        // Tolerances and distances change by factors of ten.
        _ if small => now * 10_f64.powi(steps),
        _ => {
            let step = if narrow { FINE } else { STEP };
            let at = now / step;
            let whole = if steps > 0 { (at + 1e-6).floor() } else { (at - 1e-6).ceil() };
            (((whole + f64::from(steps)) * step) * 1e4).round() / 1e4
        }
    }
}

/// The number nearest to `value` that the parameter may have.
fn held(spec: Option<&ParamSpec>, value: f64) -> f64 {
    let Some(spec) = spec else { return value.clamp(-HEAVIEST, HEAVIEST) };
    if spec.range.holds(value) && value.abs() <= HEAVIEST {
        return value;
    }
    let ParamSpec { range, kind, .. } = spec;
    let most = if *kind == ParamKind::Count { 1e6 } else { HEAVIEST };
    let low = if range.above { range.low + THINNEST } else { range.low };
    let high = if range.below { range.high - THINNEST } else { range.high };
    value.clamp(low.max(-most), high.min(most))
}

impl Editor {
    /// Runs `edit` so that it can be undone. Consecutive edits of one `kind` are one undo step.
    pub(super) fn change(&mut self, kind: Option<Kind>, edit: impl FnOnce(&mut Self)) {
        self.history.remember((self.recipe.clone(), self.layers), kind);
        edit(self);
        self.touched = true;
        self.taken_up = false;
        self.revision += 1;
    }

    fn put(&mut self, cell: Cell, value: f64) {
        if self.scale(cell.row).is_some() {
            return self.set_scale(cell.row, value.clamp(-HEAVIEST, HEAVIEST));
        }
        let Some(column) = self.columns().get(cell.column).copied() else { return };
        let group = LayerGroup::from_index(cell.row, self.layers);
        let (layers, spec) = (self.layers, column.spec(&self.recipe));
        if let Some(values) = column.values_mut(&mut self.recipe) {
            values.set(group, layers, held(spec, value));
        }
    }

    fn put_global(&mut self, spec: &'static ParamSpec, value: f64) {
        self.recipe.parameters.set(spec.param, Values::All(held(Some(spec), value)));
    }

    fn cells(&self) -> Vec<Cell> {
        let b = self.block();
        let right = if self.recipe.path.is_empty() { b.right } else { b.left };
        (b.top..=b.bottom).flat_map(|row| (b.left..=right).map(move |column| Cell { row, column })).collect()
    }

    /// The method's declaration of the parameter that the next edit changes.
    #[must_use]
    pub fn spec(&self) -> Option<&'static ParamSpec> {
        self.global().or_else(|| self.column()?.spec(&self.recipe))
    }

    /// Moves every cell of the block, or the number in the strip, to the next multiple of its step.
    pub fn step(&mut self, steps: i32) {
        if let Some(spec) = self.global() {
            let now = self.recipe.global(spec.param);
            let at = super::CellRange { top: usize::MAX, ..self.block() };
            return self.change(Some((spec.param.name(), at)), |editor| {
                editor.put_global(spec, stepped(Some(spec), now, steps));
            });
        }
        if self.columns().is_empty() && self.recipe.path.is_empty() {
            return;
        }
        self.change(Some(("step", self.block())), |editor| {
            let columns = editor.columns();
            for cell in editor.cells() {
                let Some(now) = editor.value(cell) else { continue };
                let spec = columns.get(cell.column).and_then(|c| c.spec(&editor.recipe));
                editor.put(cell, stepped(spec, now, steps));
            }
        });
    }

    /// Toggles the flag under the cursor. Returns false if the cursor is not on a flag.
    pub fn toggle_flag(&mut self) -> bool {
        let Some(spec) = self.global().filter(|s| s.kind == ParamKind::Flag) else { return false };
        let now = self.recipe.global(spec.param) != 0.0;
        self.change(None, |editor| editor.put_global(spec, f64::from(u8::from(!now))));
        true
    }

    /// Adds a character to the number being typed. Characters that cannot be in a number are ignored.
    pub fn type_letter(&mut self, letter: char) {
        let text = self.typing.get_or_insert_default();
        let exponent = letter == 'e' && !text.is_empty() && !text.contains('e');
        let fits = letter.is_ascii_digit() || letter == '.' && !text.contains(['.', 'e']) || exponent;
        if fits && text.len() < 8 {
            text.push(letter);
        }
    }

    /// Flips the sign of the number being typed, or of its exponent.
    pub fn type_sign(&mut self) {
        let text = self.typing.get_or_insert_default();
        if text.ends_with('e') {
            text.push('-');
            return;
        }
        *text = text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned);
    }

    /// Ends typing and puts the number into the block.
    ///
    /// # Errors
    /// The sentence to show if the text is not a number, or is outside the parameter's range.
    pub fn accept(&mut self) -> Result<(), String> {
        let Some(text) = self.typing.take() else { return Ok(()) };
        if text.is_empty() {
            return Ok(());
        }
        let value: f64 = text.parse().map_err(|_| messages::not_a_number(&text))?;
        let specs: Vec<&ParamSpec> = if let Some(spec) = self.global() {
            vec![spec]
        } else {
            let (columns, b) = (self.columns(), self.block());
            let covered = columns.iter().skip(b.left).take(b.right - b.left + 1);
            covered.filter_map(|c| c.spec(&self.recipe)).collect()
        };
        if let Some(problem) = specs.iter().find_map(|s| Some((s.param, s.problem(value)?))) {
            return Err(format!("{} {}", problem.0.name(), problem.1));
        }
        if value.abs() > HEAVIEST && specs.iter().all(|s| s.kind == ParamKind::Number) {
            return Err(messages::too_heavy(value));
        }
        self.fill(value);
        Ok(())
    }

    /// Puts `value` into every cell of the block.
    pub fn fill(&mut self, value: f64) {
        let global = self.global();
        self.change(None, |editor| {
            if let Some(spec) = global {
                return editor.put_global(spec, value);
            }
            for cell in editor.cells() {
                editor.put(cell, value);
            }
        });
    }

    /// Fills each column of the block evenly between its first and its last row.
    ///
    /// # Errors
    /// The sentence to show if the block has a single row.
    pub fn gradient(&mut self) -> Result<(), String> {
        let b = self.block();
        if b.top == b.bottom || self.strip.is_some() {
            return Err(messages::gradient_needs_rows().to_owned());
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

    /// Copies the column under the cursor. Returns a sentence that says what was copied.
    pub fn copy_column(&mut self) -> Option<String> {
        let column = self.column()?;
        let values =
            (0..self.rows()).filter_map(|row| self.value(Cell { row, column: self.cursor.column })).collect();
        self.clipboard = Some((column.param, values));
        let model = column.source.and_then(|i| self.recipe.sources.get(i));
        Some(messages::column_copied(model.map_or(column.param.name(), |s| &s.model)))
    }

    /// Pastes the copied column over the column under the cursor, or over every column in the block that holds the
    /// same parameter.
    ///
    /// # Errors
    /// The sentence to show if nothing can be pasted here.
    pub fn paste_column(&mut self) -> Result<(), String> {
        let Some((param, values)) = self.clipboard.clone() else {
            return Err(messages::nothing_copied().to_owned());
        };
        let (columns, b) = (self.columns(), self.block());
        let fits = |c: &usize| columns.get(*c).is_some_and(|c| c.param == param);
        let over: Vec<usize> = (b.left..=b.right).filter(fits).collect();
        if over.is_empty() || self.strip.is_some() {
            return Err(messages::paste_mismatch().to_owned());
        }
        self.change(None, |editor| {
            for column in over {
                for (row, value) in values.iter().enumerate().take(editor.rows()) {
                    editor.put(Cell { row, column }, *value);
                }
            }
        });
        Ok(())
    }

    /// Switches the merge method and keeps all numbers.
    pub fn set_method(&mut self, method: Method) {
        let at = self.column();
        self.change(None, |editor| {
            if !editor.recipe.path.is_empty() {
                editor.recipe = editor.uniform();
            }
            editor.recipe.method = method;
            spread(&mut editor.recipe, editor.layers);
        });
        let columns = self.columns();
        let same = |c: &Column| at.is_some_and(|a| a.source == c.source && a.param == c.param);
        let source = |c: &Column| at.is_some_and(|a| a.source == c.source);
        let place = columns.iter().position(same).or_else(|| columns.iter().position(source));
        self.cursor.column = place.unwrap_or(0);
        self.home();
    }

    /// Undoes the last edit.
    pub fn undo(&mut self) -> bool {
        let now = (self.recipe.clone(), self.layers);
        let step = self.history.undo(now);
        self.restore(step)
    }

    /// Redoes the edit that was undone last.
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
        if self.strip.is_some_and(|i| i >= super::globals(&self.recipe).len()) {
            self.strip = None;
        }
        if self.strip.is_none() {
            self.move_by(0, 0);
        }
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
        e.typing = Some("1.5".to_owned());
        assert!(e.accept().is_err_and(|why| why.starts_with("density is 1.5")));
    }
}
