//! Draws the list of this home's sessions, each with status, evaluations and best fitness. `overlays/mod.rs` calls it.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

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
    let [title, list, foot] = Layout::vertical([Length(1), Fill(1), Length(1)]).areas(inner);
    let [name, status, numbers] = Layout::horizontal([Length(24), Length(9), Fill(1)]).spacing(1).areas(list);
    canvas.line(title, &head, dim);
    if app.sessions.is_empty() {
        canvas.line(list, messages::sessions_none(), dim);
    }
    let top = Canvas::first_row(cursor, app.sessions.len(), list.height);
    for ((i, row), line) in app.sessions.iter().enumerate().skip(top).zip(list.rows()) {
        let style = canvas.theme.tone(match row.status {
            _ if row.problem.is_some() => Tone::Warn,
            Status::Running => Tone::Good,
            _ => Tone::Plain,
        });
        canvas.line(name.intersection(line), &row.name, canvas.theme.tone(Tone::Strong));
        let word = match &row.problem {
            Some(problem) => messages::trouble(problem.kind),
            None if row.interrupted => messages::status_killed(),
            None => messages::status(row.status),
        };
        canvas.line(status.intersection(line), word, style);
        let figures = format!(
            "{:>5}/{:<5}  {:>8}  {:>8}",
            row.evaluations,
            row.budget,
            row.best_train.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}")),
            row.best_test.map_or_else(|| "-".to_owned(), percent),
        );
        canvas.line(numbers.intersection(line), &figures, canvas.theme.tone(Tone::Plain));
        if i == cursor {
            canvas.mark(line);
        }
    }
    canvas.line(foot, messages::sessions_keys(), dim);
}
