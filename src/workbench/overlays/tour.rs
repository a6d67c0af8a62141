//! Five steps through the workbench, one a screen, beside the pane that each is about.

use ratatui::layout::Rect;

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

/// Draws a step at the lower edge, so that the pane stays in sight.
pub fn draw(step: usize, canvas: &mut Canvas<'_>, area: Rect) {
    let wide = area.width.min(76);
    let lines = wrap(messages::tour(step), usize::from(wide.saturating_sub(4)).max(2));
    let rows = (lines.len() as u16 + 4).min(area.height);
    let x = area.x + (area.width - wide) / 2;
    let title = messages::tour_step(step + 1, STEPS);
    let inner = canvas.popup(Rect::new(x, area.bottom() - rows, wide, rows), &title);
    let text = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), inner.height.saturating_sub(1));
    canvas.lines(text, lines.iter().map(String::as_str), canvas.theme.tone(Tone::Plain));
    if inner.height > 0 {
        let y = inner.bottom() - 1;
        canvas.text((inner.x + 1, y), inner.width, messages::tour_keys(), canvas.theme.tone(Tone::Accent));
    }
}
