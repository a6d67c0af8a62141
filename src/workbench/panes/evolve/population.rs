//! Draws the population: one row of genome colours for each candidate, the fittest first. `panes/evolve/mod.rs` calls
//! it.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::session::protocol::{Origin, Outcome};
use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::Hit;
use crate::workbench::panes::evolve::state::Run;
use crate::workbench::text::{pad, pad_left, width};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::strip;

/// Widths of a label and of a fitness, in cells.
const LABEL: u16 = 10;
const FITNESS: u16 = 6;

/// Draws the rows.
pub fn draw(app: &App, run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let listed = run.listed();
    let dim = canvas.theme.tone(Tone::Dim);
    if listed.is_empty() {
        let text = if run.state.generations.is_empty() {
            messages::references_first()
        } else {
            messages::no_candidate()
        };
        canvas.paragraph(area, text, dim);
        return;
    }
    let current = app.current_candidate();
    let at = listed.iter().position(|e| Some(e.candidate.id) == current).unwrap_or(0);
    let [labels, figures, genomes] =
        Layout::horizontal([Length(LABEL), Length(FITNESS), Fill(1)]).spacing(1).areas(area);
    let top = Canvas::first_row(at, listed.len(), area.height);
    for (entry, row) in listed.iter().skip(top).zip(area.rows()) {
        let id = entry.candidate.id;
        let best = run.state.best == Some(id);
        let tone = match entry.candidate.origin {
            _ if best => Tone::Good,
            Origin::Hand | Origin::Mean => Tone::Accent,
            _ => Tone::Plain,
        };
        let here = Some(id) == current;
        let mut style = canvas.theme.tone(tone);
        if here {
            style = style.patch(canvas.theme.chosen());
        }
        let kept = if run.kept.contains(&id) { "*" } else { "" };
        let label = pad(&format!("{kept}{}", entry.candidate.label), LABEL.into());
        canvas.line(labels.intersection(row), &label, style);
        let flight = run.progress.filter(|p| p.0 == id);
        let (figure, style) = match (&entry.outcome, flight) {
            // The candidate stopped early: its fitness covers some questions only, or is an estimate.
            (Some(Outcome::Scored(score)), _) if entry.stopped => {
                (format!("~{:.3}", score.fitness), if here { style } else { dim })
            }
            (Some(Outcome::Scored(score)), _) => (format!("{:.3}", score.fitness), style),
            (Some(Outcome::Failed(_)), _) => (messages::failed().to_owned(), canvas.theme.tone(Tone::Bad)),
            (None, Some((_, done, of))) => {
                // A racing candidate answers in blocks. Questions of earlier blocks count too.
                let before = entry.values.len() as u64;
                let share = (before + done) * 100 / of.max(run.state.train_questions as u64).max(1);
                (format!("{share:>3}%"), canvas.theme.tone(Tone::Warn))
            }
            (None, None) if entry.so_far.n > 0 => (format!("~{:.3}", entry.so_far.fitness), dim),
            (None, None) => ("-".to_owned(), dim),
        };
        canvas.line(figures.intersection(row), &pad_left(&figure, width(&figure).max(5)), style);
        let room = genomes.intersection(row);
        match &entry.outcome {
            Some(Outcome::Failed(why)) => {
                canvas.line(room, why, canvas.theme.tone(Tone::Bad));
            }
            _ if entry.candidate.genome.is_empty() => {
                canvas.line(room, messages::not_in_space(), dim);
            }
            _ => strip(canvas, room, &entry.candidate.genome, &run.state.genes),
        }
        canvas.hit(row, Hit::Candidate(id));
    }
}
