//! The screen: tabs above, one of four panes, hints below, and whatever lies over it.

pub mod answers;
pub mod evolve;
mod frame;
mod hit;
pub mod models;
pub mod recipe;

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Position, Rect};

use super::app::{App, Pane};
use super::canvas::Canvas;
use super::overlays;
pub use hit::Hit;

/// What a frame tells beside its cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// Where the terminal's cursor is shown.
    pub cursor: Option<Position>,
    /// What lies where, for the mouse.
    pub hits: Vec<(Rect, Hit)>,
}

/// Draws the whole screen into an empty `buffer`.
pub fn draw(app: &App, buffer: &mut Buffer) -> Drawn {
    let area = *buffer.area();
    let mut canvas = Canvas::new(buffer, &app.theme);
    if area.width == 0 || area.height == 0 {
        return Drawn::default();
    }
    // On a screen of one row there is no footer.
    let foot = u16::from(area.height > 1);
    let [header, body, footer] = Layout::vertical([Length(1), Fill(1), Length(foot)]).areas(area);
    frame::header(app, &mut canvas, header);
    match app.pane {
        Pane::Models => models::draw(app, &mut canvas, body),
        Pane::Recipe => recipe::draw(app, &mut canvas, body),
        Pane::Evolve => evolve::draw(app, &mut canvas, body),
        Pane::Answers => answers::draw(app, &mut canvas, body),
    }
    overlays::draw(app, &mut canvas, body);
    if foot > 0 {
        frame::footer(app, &mut canvas, footer);
    }
    Drawn { cursor: canvas.cursor, hits: canvas.hits }
}

/// A frame of the given width and height.
#[must_use]
pub fn frame_of(app: &App, (width, height): (u16, u16)) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(app, &mut buffer);
    buffer
}
