//! Draws the two lines at the top of the Evolve pane: generation, evaluations and best fitness; below them progress
//! and speed. `panes/evolve/mod.rs` calls it.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use super::state::Run;
use crate::session::protocol::Status;
use crate::session::state::Entry;
use crate::text::visible_line;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::text::{bytes, count, duration};
use crate::workbench::theme::Tone;

/// Draws the two lines.
pub fn draw(run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let state = &run.state;
    let (strong, dim) = (canvas.theme.tone(Tone::Strong), canvas.theme.tone(Tone::Dim));
    if !run.caught_up && state.seq == 0 {
        canvas.line(Canvas::indented(area), messages::reading_journal(), dim);
        return;
    }
    let generation = state.generations.last().map_or(0, |g| g.generation);
    let done = format!("{}/{}", state.evaluations, state.budget);
    let best = state.best_entry();
    let fitness = best.and_then(Entry::train).map_or_else(|| "-".to_owned(), |s| format!("{:.3}", s.fitness));
    let held = best.and_then(|e| e.test).map_or_else(|| "-".to_owned(), |s| format!("{:.3}", s.fitness));
    let generation = generation.to_string();
    let tone = match run.status() {
        Status::Running => Tone::Good,
        Status::Paused | Status::Stopped => Tone::Warn,
        Status::New | Status::Finished => Tone::Accent,
    };
    let pieces = [
        (run.status_word(), canvas.theme.tone(tone)),
        (messages::status_generation(), dim),
        (&generation, strong),
        (messages::status_evaluations(), dim),
        (&done, strong),
        (messages::status_best(), dim),
        (&fitness, strong),
        (messages::status_held_out(), dim),
        (&held, strong),
    ];
    let [first, second] = Layout::vertical([Length(1), Fill(1)]).areas(Canvas::indented(area));
    canvas.pieces(first, &pieces);
    let mut words = Vec::new();
    if let Some(rate) = &run.rate {
        words.push(messages::per_hour(&count(rate.candidates_per_hour.max(0.0) as u64)));
        words.push(messages::tokens_per_second(&count(rate.tokens_per_second.max(0.0) as u64)));
        if let Some(eta) = rate.eta_s {
            words.push(messages::time_left(&duration(eta)));
        }
        if rate.memory_bytes > 0 {
            words.push(bytes(rate.memory_bytes));
        }
    } else {
        let seconds = state.updated_ms.saturating_sub(state.created_ms) as f64 / 1000.0;
        words.push(messages::since_start(&duration(seconds)));
        words.push(messages::tokens(&count(state.tokens)));
    }
    words.push(format!("{} {}", state.device, state.dtype));
    if !state.device_note.is_empty() {
        words.push(messages::fell_back().to_owned());
    }
    if let Some((at, name, of)) = state.stage_place() {
        words.insert(0, messages::stage(at, of, &visible_line(name)));
    }
    words.push(messages::seed(state.seed));
    if let Some(reason) = &state.reason {
        words.push(reason.clone());
    }
    let cells = if area.width < 100 { 10 } else { 20 };
    let [bar, words_at] = Layout::horizontal([Length(cells), Fill(1)]).spacing(2).areas(second);
    canvas.line(bar, &progress_bar(run, cells.into()), canvas.theme.series(0));
    canvas.line(words_at, &words.join("   "), dim);
}

fn progress_bar(run: &Run, cells: usize) -> String {
    let full = (run.state.used() * cells as f64).round() as usize;
    format!("{}{}", "=".repeat(full), "-".repeat(cells - full))
}
