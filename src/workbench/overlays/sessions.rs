//! All sessions of this home with their best values.

use ratatui::layout::Rect;

use crate::session::protocol::Status;
use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::text::{pad_left, percent};
use crate::workbench::theme::Tone;

/// Draws the list.
pub fn draw(app: &App, cursor: usize, canvas: &mut Canvas<'_>, area: Rect) {
    let lines = app.sessions.len().max(1) as u16;
    let inner = canvas.popup(Canvas::centred(area, 76, lines + 4), messages::sessions_title());
    let dim = canvas.theme.tone(Tone::Dim);
    let head = format!(
        "{:<34} {}  {}  {}",
        "",
        pad_left(messages::sessions_evaluations(), 11),
        pad_left(messages::sessions_fitness(), 8),
        pad_left(messages::sessions_held_out(), 8),
    );
    canvas.text((inner.x, inner.y), inner.width, &head, dim);
    let list = Canvas::below(inner, 1);
    let foot = list.bottom().saturating_sub(1);
    if app.sessions.is_empty() {
        canvas.text((list.x, list.y), list.width, messages::sessions_none(), dim);
    }
    let rows = list.height.saturating_sub(1);
    let top = Canvas::first_row(cursor, app.sessions.len(), rows);
    for (i, row) in app.sessions.iter().enumerate().skip(top).take(rows.into()) {
        let y = list.y + (i - top) as u16;
        let style = canvas.theme.tone(match row.status {
            _ if row.problem.is_some() => Tone::Warn,
            Status::Running => Tone::Good,
            _ => Tone::Plain,
        });
        canvas.text((list.x, y), 24, &row.name, canvas.theme.tone(Tone::Strong));
        canvas.text(
            (list.x + 25, y),
            9,
            match &row.problem {
                Some(problem) => messages::trouble(problem.kind),
                None if row.interrupted => messages::status_killed(),
                None => messages::status(row.status),
            },
            style,
        );
        let figures = format!(
            "{:>5}/{:<5}  {:>8}  {:>8}",
            row.evaluations,
            row.budget,
            row.best_train.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}")),
            row.best_test.map_or_else(|| "-".to_owned(), percent),
        );
        let room = list.width.saturating_sub(35);
        canvas.text((list.x + 35, y), room, &figures, canvas.theme.tone(Tone::Plain));
        if i == cursor {
            canvas.mark_row(list, y);
        }
    }
    if foot >= list.y {
        canvas.text((list.x, foot), list.width, messages::sessions_keys(), dim);
    }
}
