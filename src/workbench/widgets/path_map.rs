//! The map of a path (a data-flow merge): a column for each model and a row for each step, with the layer that the step
//! runs and the scale on its input. A line connects the steps. The Recipe and Evolve panes and the recipe overlay draw
//! it.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::heat::{figure, short};
use crate::recipe::Step;
use crate::workbench::canvas::Canvas;
use crate::workbench::editor::{Cell, Compared};
use crate::workbench::messages;
use crate::workbench::panes::Hit;
use crate::workbench::theme::Tone;

/// Width in cells of a step's number and the gap after it.
const NAMES: u16 = 5;
/// Width in cells of a scale.
const SCALE: u16 = 9;
/// Narrowest and widest column of a model.
const NARROW: u16 = 7;
const WIDE: u16 = 16;
/// The scale at which the colour range ends.
const STRONGEST: f64 = 2.0;

/// A path to draw.
pub struct PathMap<'a> {
    pub path: &'a [Step],
    /// The model that gives the embeddings and the head. It is the first column.
    pub base: &'a str,
    /// The step under the cursor.
    pub cursor: Option<usize>,
    /// First and last step of a selected block.
    pub block: Option<(usize, usize)>,
    /// The scale being typed.
    pub typing: Option<&'a str>,
    pub compared: Option<&'a Compared>,
    /// A click chooses a step.
    pub live: bool,
}

impl<'a> PathMap<'a> {
    /// A map that can't be edited.
    #[must_use]
    pub fn still(path: &'a [Step], base: &'a str) -> Self {
        Self { path, base, cursor: None, block: None, typing: None, compared: None, live: false }
    }

    /// The columns: the base, then the other models in the path's order.
    fn stacks(&self) -> Vec<&'a str> {
        let mut out = vec![self.base];
        for step in self.path {
            if !out.contains(&step.model.as_str()) {
                out.push(&step.model);
            }
        }
        out
    }

    /// Width of the whole map.
    #[must_use]
    pub fn width(&self) -> u16 {
        NAMES + self.stacks().len() as u16 * WIDE.min(12) + SCALE
    }

    /// Draws the map and returns the number of rows used.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
        let stacks = self.stacks();
        let room = area.width.saturating_sub(NAMES + SCALE);
        if area.height < 3 || room < NARROW {
            return 0;
        }
        let wide = (room / stacks.len() as u16).clamp(NARROW, WIDE);
        let x_of = |stack: usize| area.x + NAMES + stack as u16 * wide;
        let fits = |stack: usize| (stack as u16 + 1) * wide <= room;
        for (i, name) in stacks.iter().enumerate().filter(|(i, _)| fits(*i)) {
            canvas.text((x_of(i), area.y), wide - 1, &short(name), canvas.theme.tone(Tone::Plain));
        }
        let body = Canvas::below(area, 1);
        let ends = u16::from(body.height > 4) * 2;
        let rows = body.height - ends;
        let top = Canvas::first_row(self.cursor.unwrap_or(0), self.path.len(), rows);
        let shown = self.path.len().saturating_sub(top).min(rows.into());
        let mut y = body.y;
        let dim = canvas.theme.tone(Tone::Dim);
        if ends > 0 {
            canvas.text((x_of(0), y), room + SCALE, messages::path_begins(), dim);
            y += 1;
        }
        for row in top..top + shown {
            let before = if row == 0 { Some(0) } else { self.stack(&stacks, row - 1) };
            if let Some(stack) = self.stack(&stacks, row).filter(|s| fits(*s)) {
                connect(canvas, y, before.filter(|b| fits(*b)).map(&x_of), x_of(stack));
                self.stop(canvas, (x_of(stack), y), row);
            }
            self.names(canvas, area, y, row);
            y += 1;
        }
        if ends > 0 && top + shown == self.path.len() {
            let last = self.path.len().checked_sub(1).and_then(|r| self.stack(&stacks, r));
            connect(canvas, y, last.filter(|b| fits(*b)).map(x_of), x_of(0));
            canvas.text((x_of(0), y), room + SCALE, messages::path_ends(), dim);
            y += 1;
        }
        y - area.y
    }

    fn stack(&self, stacks: &[&str], row: usize) -> Option<usize> {
        let step = self.path.get(row)?;
        stacks.iter().position(|s| *s == step.model)
    }

    /// Draws the layer that a step runs.
    fn stop(&self, canvas: &mut Canvas<'_>, at: (u16, u16), row: usize) {
        let Some(step) = self.path.get(row) else { return };
        let mut style = canvas.theme.heat(step.scale, -STRONGEST, STRONGEST).add_modifier(Modifier::BOLD);
        let here = self.cursor == Some(row);
        if here || self.block.is_some_and(|(from, to)| (from..=to).contains(&row)) {
            style = style.add_modifier(Modifier::REVERSED);
        }
        canvas.text(at, 5, &format!("{:^5}", step.layer), style);
        if self.live {
            canvas.hit(Rect::new(at.0, at.1, 5, 1), Hit::Cell(Cell { row, column: 0 }));
        }
    }

    /// Writes the step's number on the left and its scale on the right.
    fn names(&self, canvas: &mut Canvas<'_>, area: Rect, y: u16, row: usize) {
        let Some(step) = self.path.get(row) else { return };
        let here = self.cursor == Some(row);
        let tone = canvas.theme.tone(if here { Tone::Strong } else { Tone::Dim });
        canvas.text((area.x, y), NAMES - 1, &format!("{:>4}", row + 1), tone);
        let x = area.right().saturating_sub(SCALE);
        let typed = self.typing.filter(|_| here);
        let text = typed.map_or_else(|| figure(step.scale), str::to_owned);
        let old = self.compared.map(|c| c.recipe.path.get(row));
        let mark = match old {
            Some(None) => "+",
            Some(Some(old)) if old != step => "*",
            _ => "x",
        };
        let used = canvas.text((x, y), SCALE, &format!(" {mark}{text}"), tone);
        if typed.is_some() {
            canvas.cursor_at(x + used, y);
        }
        if self.live {
            canvas.hit(Rect::new(x, y, SCALE, 1), Hit::Cell(Cell { row, column: 0 }));
        }
    }
}

/// Draws the line from the previous step's column to this one's.
fn connect(canvas: &mut Canvas<'_>, y: u16, from: Option<u16>, to: u16) {
    let Some(from) = from.filter(|f| *f != to) else { return };
    let style = canvas.theme.series(0);
    let (line, right, left) = if canvas.theme.ascii { ("-", "`", "'") } else { ("─", "╰", "╯") };
    let (a, b) = if from < to { (from + 2, to) } else { (to + 5, from + 3) };
    for x in a..b {
        canvas.glyph(x, y, line, style);
    }
    let corner = if from < to { (from + 2, right) } else { (from + 2, left) };
    canvas.glyph(corner.0, y, corner.1, style);
}
