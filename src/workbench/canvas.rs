//! The canvas that panes, overlays and widgets draw with. Texts, frames and glyphs come in, the cells of a
//! ratatui buffer go out. All text passes through it, so that text written by a model reaches the terminal as visible
//! letters only, and nothing is drawn outside the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Position, Rect};
use ratatui::style::Style;

use super::panes::Hit;
use super::pictures::Placed;
use super::pictures::encode::Sent;
use super::text::{clip, width, wrap};
use super::theme::{Theme, Tone};
use crate::text::visible_cells;

/// Draws into a frame and records the cursor position and the areas that can be clicked.
pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub theme: &'a Theme,
    /// The areas that can be clicked, with what each means.
    pub hits: Vec<(Rect, Hit)>,
    /// Where the terminal's cursor is shown.
    pub cursor: Option<Position>,
    /// The pictures of the frame. Those that are made of cells are drawn already.
    pub pictures: Vec<Placed>,
}

impl<'a> Canvas<'a> {
    /// A canvas on an empty frame.
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buffer, theme, hits: Vec::new(), cursor: None, pictures: Vec::new() }
    }

    /// Writes one line of `text` in at most `cells` and returns the number of cells used.
    pub fn text(&mut self, at: (u16, u16), cells: u16, text: &str, style: Style) -> u16 {
        let area = *self.buffer.area();
        let (x, y) = at;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return 0;
        }
        let cells = cells.min(area.right() - x);
        let shown = visible_cells(text);
        let (end, _) = self.buffer.set_stringn(x, y, clip(&shown, cells.into()), cells.into(), style);
        end - x
    }

    /// Writes one line of `text` into the first row of `area` and returns the number of cells used.
    pub fn line(&mut self, area: Rect, text: &str, style: Style) -> u16 {
        if area.height == 0 { 0 } else { self.text((area.x, area.y), area.width, text, style) }
    }

    /// Writes pieces one after the other into the first row of `area` and returns the number of cells used.
    pub fn pieces(&mut self, area: Rect, pieces: &[(&str, Style)]) -> u16 {
        let mut used = 0;
        for (text, style) in pieces {
            used += self.line(Self::after(area, used), text, *style);
        }
        used
    }

    /// Writes a text that ends at the right edge of the first row of `area`.
    pub fn right(&mut self, area: Rect, text: &str, style: Style) -> u16 {
        let wide = (width(&visible_cells(text)) as u16).min(area.width);
        self.line(Rect { x: area.right() - wide, width: wide, ..area }, text, style)
    }

    /// Writes a wrapped text into `area` and returns the number of lines used.
    pub fn paragraph(&mut self, area: Rect, text: &str, style: Style) -> u16 {
        self.lines(area, wrap(text, area.width.into()).iter().map(String::as_str), style)
    }

    /// Writes lines into `area` and returns the number of lines used.
    pub fn lines<'t>(&mut self, area: Rect, lines: impl Iterator<Item = &'t str>, style: Style) -> u16 {
        let mut used = 0;
        for line in lines.take(area.height.into()) {
            self.text((area.x, area.y + used), area.width, line, style);
            used += 1;
        }
        used
    }

    /// Draws a frame with a title and returns the area inside it.
    pub fn panel(&mut self, area: Rect, title: &str, focused: bool) -> Rect {
        let area = area.intersection(*self.buffer.area());
        if area.width < 4 || area.height < 3 {
            return area;
        }
        let style = self.theme.border(focused);
        let [h, v, tl, tr, bl, br] = if self.theme.ascii {
            ["-", "|", "+", "+", "+", "+"]
        } else {
            ["─", "│", "╭", "╮", "╰", "╯"]
        };
        let (left, right) = (area.left(), area.right() - 1);
        let (top, bottom) = (area.top(), area.bottom() - 1);
        for x in left + 1..right {
            self.glyph(x, top, h, style);
            self.glyph(x, bottom, h, style);
        }
        for y in top + 1..bottom {
            self.glyph(left, y, v, style);
            self.glyph(right, y, v, style);
        }
        for (x, y, corner) in [(left, top, tl), (right, top, tr), (left, bottom, bl), (right, bottom, br)] {
            self.glyph(x, y, corner, style);
        }
        if !title.is_empty() {
            let tone = if focused { Tone::Strong } else { Tone::Plain };
            let title = format!(" {title} ");
            self.text((left + 2, top), area.width - 4, &title, self.theme.tone(tone));
        }
        Rect::new(left + 1, top + 1, area.width - 2, area.height - 2)
    }

    /// Clears an area, draws a frame around it and returns the area inside.
    pub fn popup(&mut self, area: Rect, title: &str) -> Rect {
        let area = area.intersection(*self.buffer.area());
        self.cover(area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, y)].reset();
            }
        }
        // If the frame covers half of a two-cell letter, the rest of the line would shift. Blank such a letter.
        if let Some(x) = area.left().checked_sub(1) {
            for y in area.top()..area.bottom() {
                if x >= self.buffer.area().left() && width(self.buffer[(x, y)].symbol()) > 1 {
                    self.buffer[(x, y)].set_symbol(" ");
                }
            }
        }
        self.cursor = None;
        self.panel(area, title, true)
    }

    /// Draws one glyph of the interface itself (no foreign text).
    pub fn glyph(&mut self, x: u16, y: u16, glyph: &str, style: Style) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_symbol(glyph).set_style(style);
        }
    }

    /// Highlights the row under the cursor.
    pub fn mark(&mut self, row: Rect) {
        self.buffer.set_style(row, self.theme.chosen());
    }

    /// Draws a picture. One that is not ready yet is named in its place.
    pub fn picture(&mut self, placed: Placed) {
        if let Some(encoded) = &placed.encoded {
            let Rect { x, y, .. } = placed.area;
            for at in encoded.cells.area().positions() {
                if let Some(cell) = self.buffer.cell_mut((x + at.x, y + at.y)) {
                    cell.clone_from(&encoded.cells[at]);
                }
            }
        } else {
            let tone = if placed.bad { Tone::Warn } else { Tone::Dim };
            self.paragraph(placed.area, &placed.alternative, self.theme.tone(tone));
        }
        self.pictures.push(placed);
    }

    /// Takes away the pictures under `area` that lie over their cells: what is drawn there would be hidden. They are
    /// named instead. Pictures made of cells are overwritten as text is.
    fn cover(&mut self, area: Rect) {
        let lies = |p: &Placed| p.encoded.as_ref().is_some_and(|e| matches!(e.sent, Sent::Over(_)));
        let over = |p: &Placed| lies(p) && p.area.intersects(area);
        let (covered, left) = std::mem::take(&mut self.pictures).into_iter().partition(over);
        self.pictures = left;
        for placed in covered {
            self.picture(Placed { encoded: None, ..placed });
        }
    }

    /// Empties `area`.
    pub fn blank(&mut self, area: Rect) {
        self.cover(area);
        for at in area.intersection(*self.buffer.area()).positions() {
            self.glyph(at.x, at.y, " ", self.theme.tone(Tone::Plain));
        }
    }

    /// Shows the terminal's cursor.
    pub fn cursor_at(&mut self, x: u16, y: u16) {
        let area = *self.buffer.area();
        if area.width > 0 && area.height > 0 {
            self.cursor = Some(Position::new(x.min(area.right() - 1), y.min(area.bottom() - 1)));
        }
    }

    /// Records what a click in `area` means.
    pub fn hit(&mut self, area: Rect, hit: Hit) {
        self.hits.push((area, hit));
    }

    /// `area` without its leftmost cell column.
    #[must_use]
    pub fn indented(area: Rect) -> Rect {
        Self::after(area, 1)
    }

    /// `area` without its leftmost and rightmost cell columns.
    #[must_use]
    pub fn padded(area: Rect) -> Rect {
        Rect { width: area.width.saturating_sub(2), ..Self::after(area, 1) }
    }

    /// A box of at most the given size in the middle of `area`.
    #[must_use]
    pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
        let before = |all: u16, part: u16| Length(all.saturating_sub(part) / 2);
        let [_, rows, _] =
            Layout::vertical([before(area.height, height), Length(height), Fill(1)]).areas(area);
        let [_, box_, _] =
            Layout::horizontal([before(area.width, width), Length(width), Fill(1)]).areas(rows);
        box_
    }

    /// `area` without its first `cells` columns.
    #[must_use]
    pub fn after(area: Rect, cells: u16) -> Rect {
        let cells = cells.min(area.width);
        Rect { x: area.x + cells, width: area.width - cells, ..area }
    }

    /// `area` without its first `rows` rows.
    #[must_use]
    pub fn below(area: Rect, rows: u16) -> Rect {
        let rows = rows.min(area.height);
        Rect { y: area.y + rows, height: area.height - rows, ..area }
    }

    /// The first row to show, so that row `cursor` of a list of `of` rows is visible in `height` rows.
    #[must_use]
    pub fn first_row(cursor: usize, of: usize, height: u16) -> usize {
        let height = usize::from(height);
        cursor.saturating_sub(height / 2).min(of.saturating_sub(height))
    }
}
