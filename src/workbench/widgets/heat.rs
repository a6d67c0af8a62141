//! Heat maps. A recipe is drawn as a grid with a row for each layer group and a column for each source's parameter; a
//! genome is drawn as a strip of colours. The Recipe and Evolve panes and the recipe overlay use them.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::recipe::{LayerGroup, Param, Recipe};
use crate::session::protocol::Gene;
use crate::workbench::canvas::Canvas;
use crate::workbench::editor::{Cell, CellRange, Column, Compared, columns, differ, value};
use crate::workbench::messages;
use crate::workbench::panes::Hit;
use crate::workbench::text::clip;
use crate::workbench::theme::Tone;

/// Width in cells of the row names and the gap after them.
const NAMES: u16 = 6;
/// Narrowest and widest column of the grid.
const NARROW: u16 = 6;
const WIDE: u16 = 10;
const COMPACT: u16 = 9;
/// Width of a column that shows two numbers: the compared recipe's and this one's.
const PAIR: u16 = 12;
/// Range of the colours for weights, if no search space gives one.
pub const WEIGHTS: (f64, f64) = (-0.3, 1.8);

/// A recipe to draw as a grid.
#[derive(Clone, Copy)]
pub struct Grid<'a> {
    pub recipe: &'a Recipe,
    pub layers: usize,
    /// The cell under the cursor; `None` if the grid can't be edited.
    pub cursor: Option<Cell>,
    pub block: Option<CellRange>,
    /// The number being typed into the cursor's cell.
    pub typing: Option<&'a str>,
    /// The recipe to compare with. If a cell differs, the other recipe's number is shown before this recipe's.
    pub compared: Option<&'a Compared>,
    /// A click chooses a cell.
    pub live: bool,
}

impl<'a> Grid<'a> {
    /// A grid that can't be edited.
    #[must_use]
    pub fn still(recipe: &'a Recipe, layers: usize) -> Self {
        Self { recipe, layers, cursor: None, block: None, typing: None, compared: None, live: false }
    }

    /// Width of the grid with wide columns.
    #[must_use]
    pub fn width(&self) -> u16 {
        NAMES + self.widest() * columns(self.recipe).len() as u16
    }

    /// Smallest width that shows every number.
    #[must_use]
    pub fn compact_width(&self) -> u16 {
        NAMES + COMPACT * columns(self.recipe).len() as u16
    }

    /// Number of rows of the whole grid.
    #[must_use]
    pub fn rows(&self) -> u16 {
        head_rows(self.recipe, &columns(self.recipe)) + LayerGroup::count(self.layers) as u16
    }

    const fn widest(&self) -> u16 {
        if self.compared.is_some() { PAIR } else { WIDE }
    }

    /// Draws the grid and returns the number of rows used.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
        let all = columns(self.recipe);
        let room = area.width.saturating_sub(NAMES);
        if all.is_empty() || area.height < 2 || room < NARROW {
            return 0;
        }
        let narrow = if self.compared.is_some() { PAIR } else { NARROW };
        let wide = (room / all.len() as u16).clamp(narrow.min(room), self.widest());
        let fit = usize::from(room / wide);
        let left = self.cursor.map_or(0, |c| c.column.saturating_sub(fit - 1));
        let heads = self.heads(canvas, area, &all, left, wide);
        let body = Canvas::below(area, heads);
        let rows = LayerGroup::count(self.layers);
        let top = Canvas::first_row(self.cursor.map_or(0, |c| c.row), rows, body.height);
        let shown = rows.saturating_sub(top).min(body.height.into());
        for row in top..top + shown {
            let y = body.y + (row - top) as u16;
            let group = LayerGroup::from_index(row, self.layers);
            let here = self.cursor.is_some_and(|c| c.row == row);
            let tone = if here { Tone::Strong } else { Tone::Dim };
            canvas.text(
                (area.x, y),
                NAMES - 1,
                &format!("{:>5}", group.to_string()),
                canvas.theme.tone(tone),
            );
            for (i, column) in all.iter().enumerate().skip(left).take(fit) {
                let x = area.x + NAMES + (i - left) as u16 * wide;
                self.cell(canvas, Rect::new(x, y, wide, 1), Cell { row, column: i }, *column);
            }
        }
        heads + shown as u16
    }

    /// Writes the headings: source names, below them parameters, below those filters. Returns the number of rows.
    fn heads(&self, canvas: &mut Canvas<'_>, area: Rect, all: &[Column], left: usize, wide: u16) -> u16 {
        let rows = head_rows(self.recipe, all);
        let fit = usize::from((area.width - NAMES) / wide);
        let shown = all.iter().enumerate().skip(left).take(fit);
        for (i, column) in shown {
            let x = area.x + NAMES + (i - left) as u16 * wide;
            let here = self.cursor.is_some_and(|c| c.column == i);
            let tone = if here { Tone::Accent } else { Tone::Plain };
            let before = i.checked_sub(1).and_then(|b| all.get(b)).filter(|_| i > left);
            if before.is_none_or(|b| b.source != column.source) {
                let name = match column.source {
                    Some(source) => short(&self.recipe.sources[source].model),
                    None => messages::whole_merge().to_owned(),
                };
                let span = all[i..].iter().take_while(|c| c.source == column.source).count();
                let room = (span.min(fit + left - i) as u16 * wide).saturating_sub(1);
                canvas.text((x, area.y), room, &name, canvas.theme.tone(tone));
            }
            if rows > 1 && before.is_none_or(|b| (b.source, b.param) != (column.source, column.param)) {
                canvas.text((x, area.y + 1), wide - 1, column.param.name(), canvas.theme.tone(Tone::Dim));
            }
            if rows > 2 {
                let filter = match column.filter(self.recipe) {
                    Some(Some(part)) => part.trim_start_matches("self_"),
                    Some(None) => messages::other_tensors(),
                    None => "",
                };
                canvas.text((x, area.y + 2), wide - 1, filter, canvas.theme.tone(Tone::Dim));
            }
        }
        rows
    }

    fn cell(&self, canvas: &mut Canvas<'_>, area: Rect, cell: Cell, column: Column) {
        let group = LayerGroup::from_index(cell.row, self.layers);
        let number = value(self.recipe, column, group, self.layers);
        let (low, high) = colours(self.recipe, column);
        let mut style = match number {
            Some(number) => canvas.theme.heat(number, low, high),
            None => canvas.theme.tone(Tone::Dim),
        };
        let here = self.cursor == Some(cell);
        if here || self.block.is_some_and(|b| b.cells() > 1 && b.contains(cell)) {
            style = style.add_modifier(Modifier::REVERSED);
        }
        if here {
            style = style.add_modifier(Modifier::BOLD);
        }
        let wide = usize::from(area.width - 1);
        let typed = self.typing.filter(|_| here);
        let figure = typed.map_or_else(|| number.map_or_else(|| "-".to_owned(), figure), str::to_owned);
        let before = self.compared.map(|c| c.value(self.recipe, column, group, self.layers));
        let figure = match before {
            Some(Some(old)) if number.is_some_and(|n| differ(n, old)) => {
                format!("{}>{figure}", self::figure(old))
            }
            Some(None) => format!("+{figure}"),
            _ => figure,
        };
        let text = if here && wide > 6 {
            format!("[{figure:>w$}]", w = wide - 2)
        } else {
            format!("{figure:>wide$}")
        };
        canvas.text((area.x, area.y), area.width - 1, &text, style);
        if typed.is_some() {
            canvas.cursor_at(area.x + (wide as u16).saturating_sub(u16::from(wide > 6)), area.y);
        }
        if self.live {
            canvas.hit(area, Hit::Cell(cell));
        }
    }
}

/// Number of heading rows: a second row for parameters if some are not weights, and a third row if there are
/// filters.
fn head_rows(recipe: &Recipe, all: &[Column]) -> u16 {
    if all.iter().any(|c| c.filter(recipe).is_some()) {
        return 3;
    }
    if all.iter().any(|c| c.param != Param::Weight) { 2 } else { 1 }
}

/// Range of a column's colours: the parameter's search range.
fn colours(recipe: &Recipe, column: Column) -> (f64, f64) {
    if column.param == Param::Weight {
        return WEIGHTS;
    }
    column.spec(recipe).and_then(|s| s.gene).unwrap_or((0.0, 1.0))
}

/// A number in about four characters.
#[must_use]
pub fn figure(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.005 { format!("{number:.0e}") } else { format!("{number:.2}") }
}

/// Draws a genome as one row of colours. If there are more genes than cells, neighbouring genes share a cell.
pub fn strip(canvas: &mut Canvas<'_>, area: Rect, genome: &[f64], genes: &[Gene]) {
    let room = usize::from(area.width);
    if genome.is_empty() || room == 0 || area.height == 0 {
        return;
    }
    let wide = (room / genome.len()).clamp(1, 2);
    let cells = genome.len().min(room);
    for i in 0..cells {
        let (from, to) = (i * genome.len() / cells, ((i + 1) * genome.len() / cells).max(1));
        let part = &genome[from..to];
        let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
        let (low, high) = genes.get(from).map_or(WEIGHTS, |g| (g.low, g.high));
        let style = canvas.theme.heat(mean, low, high);
        let mark = canvas.theme.heat_mark(mean, high).to_string();
        for k in 0..wide {
            let glyph = if k == 0 { mark.as_str() } else { " " };
            canvas.glyph(area.x + (i * wide + k) as u16, area.y, glyph, style);
        }
    }
}

/// A model's short name: `math-add` of `zoo:math-add`, else the last part of a path or hub id.
#[must_use]
pub fn short(reference: &str) -> String {
    let name = reference.strip_prefix("zoo:").unwrap_or(reference).trim_end_matches('/');
    let last = name.rsplit('/').next().unwrap_or(name);
    clip(last.split('@').next().unwrap_or(last), 24).into_owned()
}
