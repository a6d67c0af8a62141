//! A question with yes and no.

use ratatui::layout::Rect;

use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::text::{width, wrap};
use crate::workbench::theme::Tone;

/// What yes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// Starts a session.
    Start,
    /// Stops the session.
    Stop,
    /// Writes the recipe over the file of this name.
    SaveOver(String),
    /// Writes the answers over it.
    ExportOver(String),
}

/// The question, and what yes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    pub question: String,
    pub does: Does,
}

impl Confirm {
    /// A question for `does`.
    #[must_use]
    pub fn new(question: String, does: Does) -> Self {
        Self { question, does }
    }
}

/// Draws the question.
pub fn draw(confirm: &Confirm, canvas: &mut Canvas<'_>, area: Rect) {
    let lines = wrap(&confirm.question, 52);
    let wide = lines.iter().map(|l| width(l)).max().unwrap_or(0).max(24) as u16;
    let inner = canvas.popup(Canvas::centred(area, wide + 4, lines.len() as u16 + 4), messages::sure());
    for (i, line) in lines.iter().enumerate() {
        let y = inner.y + i as u16;
        if y < inner.bottom() {
            canvas.text((inner.x + 1, y), inner.width, line, canvas.theme.tone(Tone::Plain));
        }
    }
    let y = inner.bottom().saturating_sub(1);
    canvas.text((inner.x + 1, y), inner.width, messages::yes_no(), canvas.theme.tone(Tone::Accent));
}
