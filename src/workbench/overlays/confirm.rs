//! A yes/no question. A question and its action come in, a box goes out; `update/overlay.rs` reads the answer and
//! `update/choices.rs` carries it out.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::workbench::canvas::Canvas;
use crate::workbench::files::write::Output;
use crate::workbench::messages;
use crate::workbench::text::{width, wrap};
use crate::workbench::theme::Tone;

/// The action after yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// Starts a session.
    Start,
    /// Stops the session.
    Stop,
    /// Overwrites this file.
    WriteOver(Output, String),
}

/// A question, and the action after yes.
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
    let [question, keys] = Layout::vertical([Fill(1), Length(1)]).areas(Canvas::indented(inner));
    canvas.lines(question, lines.iter().map(String::as_str), canvas.theme.tone(Tone::Plain));
    canvas.line(keys, messages::yes_no(), canvas.theme.tone(Tone::Accent));
}
