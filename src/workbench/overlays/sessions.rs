//! All sessions of this home with their best values.

use ratatui::layout::Rect;

use super::centred;
use crate::session::protocol::Status;
use crate::workbench::app::App;
use crate::workbench::pen::Pen;
use crate::workbench::text::{pad_left, percent};
use crate::workbench::theme::Tone;
use crate::workbench::words;

/// Draws the list.
pub fn draw(app: &App, cursor: usize, pen: &mut Pen<'_>, area: Rect) {
    let lines = app.sessions.len().max(1) as u16;
    let inner = pen.popup(centred(area, 76, lines + 4), words::sessions_title());
    let dim = pen.theme.tone(Tone::Dim);
    let head = format!(
        "{:<34} {}  {}  {}",
        "",
        pad_left(words::sessions_evaluations(), 11),
        pad_left(words::sessions_fitness(), 8),
        pad_left(words::sessions_held_out(), 8),
    );
    pen.text((inner.x, inner.y), inner.width, &head, dim);
    let list = Pen::below(inner, 1);
    let foot = list.bottom().saturating_sub(1);
    if app.sessions.is_empty() {
        pen.text((list.x, list.y), list.width, words::sessions_none(), dim);
    }
    let rows = list.height.saturating_sub(1);
    let top = Pen::first_row(cursor, app.sessions.len(), rows);
    for (i, row) in app.sessions.iter().enumerate().skip(top).take(rows.into()) {
        let y = list.y + (i - top) as u16;
        let style = pen.theme.tone(match row.status {
            _ if row.problem.is_some() => Tone::Warn,
            Status::Running => Tone::Good,
            _ => Tone::Plain,
        });
        pen.text((list.x, y), 24, &row.name, pen.theme.tone(Tone::Strong));
        pen.text(
            (list.x + 25, y),
            9,
            match &row.problem {
                Some(problem) => words::trouble(problem.kind),
                None if row.interrupted => words::status_killed(),
                None => words::status(row.status),
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
        pen.text((list.x + 35, y), room, &figures, pen.theme.tone(Tone::Plain));
        if i == cursor {
            pen.mark_row(list, y);
        }
    }
    if foot >= list.y {
        pen.text((list.x, foot), list.width, words::sessions_keys(), dim);
    }
}
