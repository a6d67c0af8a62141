//! The screen: tabs above, one of four panes, hints below, and an overlay over it. The app's state comes in; a frame
//! goes out, with the areas that can be clicked. A pane is a folder: its layout and drawing in `mod.rs`, its actions in
//! `actions.rs`, their effects in `update.rs`, its state in `state.rs`. The event loop calls [`draw`].

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
use super::pictures::Placed;
pub use hit::Hit;

/// What drawing a frame returns, besides the frame's cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// Where the terminal's cursor is shown.
    pub cursor: Option<Position>,
    /// What a click in each area means.
    pub hits: Vec<(Rect, Hit)>,
    /// The questions' pictures.
    pub pictures: Vec<Placed>,
}

/// Draws the whole screen into an empty `buffer`.
pub fn draw(app: &App, buffer: &mut Buffer) -> Drawn {
    let area = *buffer.area();
    let mut canvas = Canvas::new(buffer, &app.theme);
    if area.width == 0 || area.height == 0 {
        return Drawn::default();
    }
    // A screen of one row has no footer.
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
    Drawn { cursor: canvas.cursor, hits: canvas.hits, pictures: canvas.pictures }
}

/// A frame of the given width and height, with its pictures.
#[must_use]
pub fn frame_of(app: &App, (width, height): (u16, u16)) -> (Buffer, Vec<Placed>) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let drawn = draw(app, &mut buffer);
    (buffer, drawn.pictures)
}
