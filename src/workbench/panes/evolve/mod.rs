//! Draws the Evolve pane, the overview of a run. This file splits the pane into parts; each part is drawn by its own
//! file. `panes/mod.rs` calls it.

pub mod actions;
mod best;
mod fitness;
mod population;
mod samples;
mod scores;
mod start;
pub mod state;
mod status;
mod update;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::workbench::app::{App, Link};
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::evolve::state::Run;
use crate::workbench::theme::Tone;

/// Draws the pane.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(run) = &app.run else {
        welcome(app, canvas, area);
        return;
    };
    let [head, body] = Layout::vertical([Length(2), Fill(1)]).areas(area);
    status::draw(run, canvas, head);
    let upper = if body.height < 16 { body.height / 2 } else { (body.height * 9 / 20).max(10) };
    let [upper, lower] = Layout::vertical([Length(upper), Fill(1)]).areas(body);
    if body.width < 64 {
        // If the pane is too narrow for two columns, it shows the chart, then the population, then a sample.
        let [rows, sample] = Layout::vertical([Length(lower.height / 2), Fill(1)]).areas(lower);
        fitness::draw(run, canvas, upper);
        people(app, run, canvas, rows);
        samples::draw(app, run, canvas, sample);
        return;
    }
    let side = (body.width * 2 / 5).clamp(30, 48);
    let [chart, references] = Layout::horizontal([Fill(1), Length(side)]).areas(upper);
    fitness::draw(run, canvas, chart);
    let inner = canvas.panel(references, messages::reference_points(), false);
    scores::draw(run, canvas, Canvas::padded(inner));
    if let Some(best) = best::genome(run).filter(|_| body.width >= 110) {
        let genome = (best.width() + 3).min(body.width / 3);
        let rows = ((body.width - genome) * 2 / 5).max(44);
        let [rows, genome, sample] = Layout::horizontal([Length(rows), Length(genome), Fill(1)]).areas(lower);
        people(app, run, canvas, rows);
        best::draw(run, &best, canvas, genome);
        samples::draw(app, run, canvas, sample);
    } else {
        let [rows, sample] = Layout::horizontal([Length(lower.width / 2), Fill(1)]).areas(lower);
        people(app, run, canvas, rows);
        samples::draw(app, run, canvas, sample);
    }
}

/// Draws the choices for starting a session, while no session is shown.
fn welcome(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = Canvas::padded(canvas.panel(area, messages::evolve(), true));
    let pool = &app.models.pool;
    let text = match &app.link {
        Link::Connecting => messages::engine_being_started().to_owned(),
        Link::Lost(why) => messages::engine_gone(why),
        Link::Connected { .. } => messages::welcome(&app.config.title, &pool.sources.join(", "), &pool.base),
    };
    let [_, rows] = Layout::vertical([Length(inner.height / 4), Length(inner.height * 3 / 4)]).areas(inner);
    let [room, _] = Layout::horizontal([Length(72), Fill(1)]).areas(rows);
    canvas.paragraph(room, &text, canvas.theme.tone(Tone::Plain));
}

/// Draws the population in a frame that names the generation.
fn people(app: &App, run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let title = match run.state.generations.last() {
        Some(g) => messages::generation_numbered(g.generation),
        None => messages::population().to_owned(),
    };
    let inner = canvas.panel(area, &title, true);
    population::draw(app, run, canvas, inner);
}
