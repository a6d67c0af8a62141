//! A text to read and copy, such as a recipe in mergekit's YAML. `overlays/mod.rs` draws it; `update/overlay.rs`
//! scrolls and copies it.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::text::width;
use crate::workbench::theme::Tone;

/// The text, and how far it is scrolled down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    pub title: String,
    pub text: String,
    pub down: usize,
}

impl Reader {
    /// A text, shown from its first line.
    #[must_use]
    pub fn new(title: &str, text: String) -> Self {
        Self { title: title.to_owned(), text, down: 0 }
    }

    /// Scrolls by whole lines, never past the last.
    pub fn scroll(&mut self, lines: isize) {
        let last = self.text.lines().count().saturating_sub(1);
        self.down = self.down.saturating_add_signed(lines).min(last);
    }
}

/// Draws the text. Lines that are too long are cut and marked.
pub fn draw(reader: &Reader, canvas: &mut Canvas<'_>, area: Rect) {
    let lines: Vec<&str> = reader.text.lines().collect();
    let wide = lines.iter().map(|l| width(l)).max().unwrap_or(0).max(width(&reader.title) + 4) as u16;
    let inner = canvas.popup(Canvas::centred(area, wide + 4, lines.len() as u16 + 3), &reader.title);
    let [text, keys] = Layout::vertical([Fill(1), Length(1)]).areas(Canvas::indented(inner));
    let down = reader.down.min(lines.len().saturating_sub(text.height.into()));
    for (line, row) in lines.iter().skip(down).zip(text.rows()) {
        let comment = line.trim_start().starts_with('#');
        let tone = if comment { Tone::Dim } else { Tone::Plain };
        canvas.line(row, line, canvas.theme.tone(tone));
    }
    canvas.line(keys, messages::text_keys(), canvas.theme.tone(Tone::Accent));
}
