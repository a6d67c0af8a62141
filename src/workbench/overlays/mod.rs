//! Overlays: boxes that cover a pane for a moment, such as a list to pick from, a prompt, a question, the log.
//! Each file holds one overlay's state and drawing; its keys are in `update/overlay.rs`. `panes/mod.rs` draws the open
//! overlay last.

mod confirm;
mod log;
mod look;
mod overlay;
mod picker;
mod plan;
mod prompt;
mod reader;
mod sessions;
pub mod tour;

pub use confirm::{Confirm, Does};
pub use look::Look;
pub use overlay::Overlay;
pub use picker::{Choice, Comparison, Picker, Preset};
pub use plan::PlanView;
pub use prompt::{Prompt, Purpose};
pub use reader::Reader;

use ratatui::layout::Rect;

use super::app::App;
use super::canvas::Canvas;

/// Draws the open overlay over `area`.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    match &app.overlay {
        None => {}
        Some(Overlay::Picker(picker)) => picker::draw(picker, canvas, area),
        Some(Overlay::Prompt(prompt)) => prompt::draw(prompt, canvas, area),
        Some(Overlay::Confirm(confirm)) => confirm::draw(confirm, canvas, area),
        Some(Overlay::Sessions { cursor }) => sessions::draw(app, *cursor, canvas, area),
        Some(Overlay::Log { up }) => log::draw(app, *up, canvas, area),
        Some(Overlay::Reader(reader)) => reader::draw(reader, canvas, area),
        Some(Overlay::Plan(view)) => plan::draw(view, canvas, area),
        Some(Overlay::Look(look)) => look::draw(look, canvas, area),
        Some(Overlay::Tour(step)) => tour::draw(*step, canvas, area),
    }
}
