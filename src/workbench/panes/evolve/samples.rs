//! Draws the watched questions with the answers that stream in. `panes/evolve/mod.rs` calls it.

use ratatui::layout::Rect;

use super::state::Run;
use crate::session::protocol::Split;
use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::answers::state::FetchedAnswers;
use crate::workbench::theme::Tone;
use crate::workbench::widgets::samples::{self, Sample, SampledQuestion};

/// Draws the watched questions with the streamed answers, or, while nothing streams, with the best candidate's
/// stored answers.
pub fn draw(app: &App, run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = Canvas::padded(canvas.panel(area, messages::samples(), false));
    if inner.height < 3 {
        return;
    }
    let mut rows = Vec::new();
    let n = run.watching.len();
    for i in 0..n {
        let watched = &run.watching[(i + run.first_sample) % n];
        if let Some(stream) = run.streams.get(&watched.index) {
            let entry = run.state.entry(stream.candidate);
            let title = entry.map_or(messages::reference_point(), |e| e.candidate.label.as_str()).to_owned();
            let style = canvas.theme.tone(Tone::Accent);
            let sample = Sample { title, style, text: stream.text.clone(), answer: None, open: false };
            rows.push(SampledQuestion {
                question: watched.question.clone(),
                images: watched.images.clone(),
                gold: watched.gold.clone(),
                samples: vec![sample],
            });
        }
    }
    if rows.is_empty()
        && let Some(id) = run.state.best
        && let Some(FetchedAnswers::Here(stored)) = app.answers.fetched.get(&(id, Split::Train))
    {
        let style = canvas.theme.tone(Tone::Accent);
        let label = run.state.entry(id).map_or(messages::best_name(), |e| e.candidate.label.as_str());
        for question in &app.preview.questions {
            if let Some(answer) = stored.answers.iter().find(|a| a.index == *question) {
                let sample = Sample { style, ..Sample::done(label, answer, *canvas.theme) };
                rows.push(SampledQuestion {
                    question: answer.question.clone(),
                    images: answer.images.clone(),
                    gold: answer.gold.clone(),
                    samples: vec![sample],
                });
            }
        }
    }
    if rows.is_empty() {
        canvas.paragraph(inner, messages::samples_appear(), canvas.theme.tone(Tone::Dim));
        return;
    }
    samples::draw_all(canvas, &app.pictures, inner, &rows);
}
