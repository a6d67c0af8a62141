//! What lies over a pane for a moment: a list to pick from, a line to type, a question, the
//! sessions, the log.

mod confirm;
mod log;
mod picker;
mod prompt;
mod sessions;

pub use confirm::Confirm;
pub use picker::{Choice, Picker, Preset};
pub use prompt::{Prompt, Purpose};

use ratatui::layout::Rect;

use super::app::App;
use super::pen::Pen;

/// The overlay that has the keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// Help, palette, method, start over.
    Picker(Picker),
    Prompt(Prompt),
    Confirm(Confirm),
    /// All sessions.
    Sessions {
        cursor: usize,
    },
    /// The engine's log, scrolled `up` lines from its end.
    Log {
        up: usize,
    },
}

/// Draws the open overlay over `area`.
pub fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    match &app.overlay {
        None => {}
        Some(Overlay::Picker(picker)) => picker::draw(picker, pen, area),
        Some(Overlay::Prompt(prompt)) => prompt::draw(prompt, pen, area),
        Some(Overlay::Confirm(confirm)) => confirm::draw(confirm, pen, area),
        Some(Overlay::Sessions { cursor }) => sessions::draw(app, *cursor, pen, area),
        Some(Overlay::Log { up }) => log::draw(app, *up, pen, area),
    }
}

/// A box of at most the given size in the middle of `area`.
fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height)
}
