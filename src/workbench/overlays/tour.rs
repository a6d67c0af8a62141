//! The tour: five explanations, each shown over the pane that it explains. `update/overlay.rs` moves from step to
//! step; `overlays/mod.rs` draws them.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Flex, Layout, Rect};

use crate::workbench::app::Pane;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::text::wrap;
use crate::workbench::theme::Tone;

/// Number of steps.
pub const STEPS: usize = 5;

/// The pane that a step is about.
#[must_use]
pub const fn pane(step: usize) -> Pane {
    match step {
        0 => Pane::Models,
        1 => Pane::Recipe,
        2 | 3 => Pane::Evolve,
        _ => Pane::Answers,
    }
}

/// Draws a step at the lower edge, so that the pane stays visible.
pub fn draw(step: usize, canvas: &mut Canvas<'_>, area: Rect) {
    let wide = area.width.min(76);
    let lines = wrap(messages::tour(step), usize::from(wide.saturating_sub(4)).max(2));
    let rows = (lines.len() as u16 + 4).min(area.height);
    let [low] = Layout::vertical([Length(rows)]).flex(Flex::End).areas(area);
    let title = messages::tour_step(step + 1, STEPS);
    let inner = canvas.popup(Canvas::centred(low, wide, rows), &title);
    let [text, keys] = Layout::vertical([Fill(1), Length(1)]).areas(Canvas::padded(inner));
    canvas.lines(text, lines.iter().map(String::as_str), canvas.theme.tone(Tone::Plain));
    canvas.line(keys, messages::tour_keys(), canvas.theme.tone(Tone::Accent));
}
