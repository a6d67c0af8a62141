//! Heat maps: a recipe as a grid of layer groups × sources, and a genome as a strip of colours.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::recipe::{LayerGroup, Recipe};
use crate::session::protocol::Gene;
use crate::workbench::editor::{Block, Cell, Column, Track, columns, value};
use crate::workbench::pen::Pen;
use crate::workbench::text::clip;
use crate::workbench::theme::Tone;
use crate::workbench::update::mouse::Hit;
use crate::workbench::words;

/// Cells of the row names and the gap after them.
const NAMES: u16 = 6;
/// Narrowest and widest column of the grid.
const NARROW: u16 = 6;
const WIDE: u16 = 10;
const COMPACT: u16 = 9;
/// Weights are coloured between these unless a search space says otherwise.
pub const WEIGHTS: (f64, f64) = (-0.3, 1.8);

/// A recipe to draw as a grid.
pub struct Grid<'a> {
    pub recipe: &'a Recipe,
    pub layers: usize,
    /// The cell that keys act on; none in a picture that is only looked at.
    pub cursor: Option<Cell>,
    pub block: Option<Block>,
    /// The number being typed into the cursor's cell.
    pub typing: Option<&'a str>,
}

impl Grid<'_> {
    /// Cells that the grid would like to have across.
    #[must_use]
    pub fn width(&self) -> u16 {
        NAMES + WIDE * columns(self.recipe).len() as u16
    }

    /// Cells across that show every number.
    #[must_use]
    pub fn compact_width(&self) -> u16 {
        NAMES + COMPACT * columns(self.recipe).len() as u16
    }

    /// Draws the grid and gives the rows used.
    pub fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> u16 {
        let all = columns(self.recipe);
        let room = area.width.saturating_sub(NAMES);
        if all.is_empty() || area.height < 2 || room < NARROW {
            return 0;
        }
        let wide = (room / all.len() as u16).clamp(NARROW, WIDE);
        let fit = usize::from(room / wide);
        let left = self.cursor.map_or(0, |c| c.column.saturating_sub(fit - 1));
        let heads = self.heads(pen, area, &all, left, wide);
        let body = Pen::below(area, heads);
        let rows = LayerGroup::count(self.layers);
        let top = Pen::first_row(self.cursor.map_or(0, |c| c.row), rows, body.height);
        let shown = rows.saturating_sub(top).min(body.height.into());
        for row in top..top + shown {
            let y = body.y + (row - top) as u16;
            let group = LayerGroup::from_index(row, self.layers);
            let here = self.cursor.is_some_and(|c| c.row == row);
            let tone = if here { Tone::Strong } else { Tone::Dim };
            pen.text((area.x, y), NAMES - 1, &format!("{:>5}", group.to_string()), pen.theme.tone(tone));
            for (i, column) in all.iter().enumerate().skip(left).take(fit) {
                let x = area.x + NAMES + (i - left) as u16 * wide;
                self.cell(pen, Rect::new(x, y, wide, 1), Cell { row, column: i }, *column);
            }
        }
        heads + shown as u16
    }

    /// Source names over the columns, and which of weight and density a column is.
    fn heads(&self, pen: &mut Pen<'_>, area: Rect, all: &[Column], left: usize, wide: u16) -> u16 {
        let tracks = self.recipe.method.uses_density();
        let fit = usize::from((area.width - NAMES) / wide);
        for (i, column) in all.iter().enumerate().skip(left).take(fit) {
            let x = area.x + NAMES + (i - left) as u16 * wide;
            let here = self.cursor.is_some_and(|c| c.column == i);
            let tone = if here { Tone::Accent } else { Tone::Plain };
            let name = short(&self.recipe.sources[column.source].model);
            if column.track == Track::Weight || i == left {
                let span = if tracks && column.track == Track::Weight { wide * 2 - 1 } else { wide - 1 };
                pen.text((x, area.y), span, &name, pen.theme.tone(tone));
            }
            if tracks {
                let word = if column.track == Track::Weight { words::weight() } else { words::density() };
                pen.text((x, area.y + 1), wide - 1, word, pen.theme.tone(Tone::Dim));
            }
        }
        if tracks { 2 } else { 1 }
    }

    fn cell(&self, pen: &mut Pen<'_>, area: Rect, cell: Cell, column: Column) {
        let group = LayerGroup::from_index(cell.row, self.layers);
        let number = value(self.recipe, column, group).unwrap_or(0.0);
        let (low, high) = if column.track == Track::Weight { WEIGHTS } else { (0.0, 1.0) };
        let mut style = pen.theme.heat(number, low, high);
        let here = self.cursor == Some(cell);
        if here || self.block.is_some_and(|b| b.cells() > 1 && b.contains(cell)) {
            style = style.add_modifier(Modifier::REVERSED);
        }
        if here {
            style = style.add_modifier(Modifier::BOLD);
        }
        let wide = usize::from(area.width - 1);
        let typed = self.typing.filter(|_| here);
        let figure = typed.map_or_else(|| format!("{number:.2}"), str::to_owned);
        let text = if here && wide > 6 {
            format!("[{figure:>w$}]", w = wide - 2)
        } else {
            format!("{figure:>wide$}")
        };
        pen.text((area.x, area.y), area.width - 1, &text, style);
        if typed.is_some() {
            pen.cursor_at(area.x + (wide as u16).saturating_sub(u16::from(wide > 6)), area.y);
        }
        if self.cursor.is_some() {
            pen.hit(area, Hit::Cell(cell));
        }
    }
}

/// A genome as one row of colours; neighbours share a cell where there are more genes than room.
pub fn strip(pen: &mut Pen<'_>, area: Rect, genome: &[f64], genes: &[Gene]) {
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
        let style = pen.theme.heat(mean, low, high);
        let mark = pen.theme.heat_mark(mean, high).to_string();
        for k in 0..wide {
            let glyph = if k == 0 { mark.as_str() } else { " " };
            pen.glyph(area.x + (i * wide + k) as u16, area.y, glyph, style);
        }
    }
}

/// A model's name without what the others share: `math-add` of `zoo:math-add`, the last part of
/// a path or hub id.
#[must_use]
pub fn short(reference: &str) -> String {
    let name = reference.strip_prefix("zoo:").unwrap_or(reference).trim_end_matches('/');
    let last = name.rsplit('/').next().unwrap_or(name);
    clip(last.split('@').next().unwrap_or(last), 24).into_owned()
}
