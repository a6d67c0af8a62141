//! Draws the log as an overlay, the newest line last. `overlays/mod.rs` calls it.

use ratatui::layout::Rect;

use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::text::wrap;
use crate::workbench::theme::Tone;

/// Draws the log, scrolled `up` lines from its end.
pub fn draw(app: &App, up: usize, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.popup(area, messages::log_title());
    if app.log.lines().next().is_none() {
        canvas.line(inner, messages::log_empty(), canvas.theme.tone(Tone::Dim));
        return;
    }
    let rows = usize::from(inner.height);
    let mut lines = Vec::new();
    for said in app.log.lines().rev() {
        let tone = match said.level.as_str() {
            "error" => Tone::Bad,
            "warn" | "note" => Tone::Warn,
            _ => Tone::Plain,
        };
        let elsewhere = said.session.as_deref().filter(|s| Some(*s) != app.session());
        let text = elsewhere.map_or_else(|| said.text.clone(), |name| format!("{name}: {}", said.text));
        let wrapped = wrap(&text, inner.width.into());
        lines.extend(wrapped.into_iter().rev().map(|line| (line, tone)));
        if lines.len() >= rows + up {
            break;
        }
    }
    let up = up.min(lines.len().saturating_sub(rows));
    let shown = lines.iter().skip(up).take(rows).collect::<Vec<_>>();
    for ((line, tone), row) in shown.into_iter().rev().zip(inner.rows()) {
        canvas.line(row, line, canvas.theme.tone(*tone));
    }
}
