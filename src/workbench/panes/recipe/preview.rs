//! Requests sample answers after each edit of the recipe, and draws them beside the answers before the edit.
//! `App::settle` requests; `panes/recipe/mod.rs` draws.

use ratatui::layout::Rect;

use super::state::Preview;
use crate::session::protocol::{Command, Split, Target};
use crate::workbench::app::{App, Startup};
use crate::workbench::canvas::Canvas;
use crate::workbench::effect::Ask;
use crate::workbench::messages;
use crate::workbench::theme::{Theme, Tone};
use crate::workbench::widgets::samples::{self, Sample, SampledQuestion};

impl App {
    /// Requests sample answers if the recipe has changed since the last request. A newer request makes the engine drop
    /// an unfinished one, so that a held key builds no queue.
    pub(in crate::workbench) fn want_preview(&mut self) {
        // While a session is about to be shown, wait: the process that runs it has loaded the models, so it is
        // the one to ask.
        let none_waits = !matches!(self.startup, Startup::Attach(_));
        let ready = none_waits && self.editor.layers > 0 && !self.editor.recipe.models().is_empty();
        if !ready || self.editor.typing.is_some() || self.preview.asked == Some(self.editor.revision) {
            return;
        }
        let revision = self.editor.revision;
        self.preview.asked = Some(revision);
        let command = Command::Try {
            target: Target::Recipe(Box::new(self.editor.recipe.clone())),
            task: self.preview.task.clone(),
            split: Split::Train,
            questions: self.preview.questions.clone(),
        };
        self.ask(Ask::Try { revision }, command);
    }
}

/// Draws the sample answers before and after the last edit.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let preview = &app.preview;
    let title =
        if preview.request.is_some() { messages::sample_answering() } else { messages::sample_answers() };
    let mut inner = Canvas::padded(canvas.panel(area, title, false));
    if let Some(why) = &preview.error {
        let used = canvas.paragraph(inner, why, canvas.theme.tone(Tone::Bad));
        inner = Canvas::below(inner, used + 1);
    }
    if preview.now.is_none() && preview.before.is_none() && preview.request.is_none() {
        if preview.error.is_none() {
            canvas.paragraph(inner, messages::samples_wait(), canvas.theme.tone(Tone::Dim));
        }
        return;
    }
    let all: Vec<SampledQuestion> = preview.questions.iter().map(|q| asked(app, *canvas.theme, *q)).collect();
    samples::draw_all(canvas, &app.pictures, inner, &all);
}

/// A sample question with the answers before and after the last edit.
fn asked(app: &App, theme: Theme, question: usize) -> SampledQuestion {
    let preview = &app.preview;
    let now = Preview::answer(preview.now.as_ref(), question);
    let before = Preview::answer(preview.before.as_ref(), question);
    let known = now.or(before).map(|a| (a.question.clone(), a.gold.clone(), a.images.clone()));
    let watched = || {
        let list = &app.run.as_ref()?.watching;
        let watched = list.iter().find(|w| w.index == question);
        watched.map(|w| (w.question.clone(), w.gold.clone(), w.images.clone()))
    };
    let unknown = || (messages::question_numbered(question), "?".to_owned(), Vec::new());
    let (text, gold, images) = known.or_else(watched).unwrap_or_else(unknown);
    let mut samples = Vec::new();
    if let Some(answer) = before {
        samples.push(Sample::done(messages::before(), answer, theme));
    }
    let style = theme.tone(Tone::Accent);
    match now {
        Some(answer) => samples.push(Sample { style, ..Sample::done(messages::now(), answer, theme) }),
        None => samples.push(Sample {
            title: messages::now().to_owned(),
            style,
            text: preview.streams.get(&question).cloned().unwrap_or_default(),
            answer: None,
            open: preview.request.is_some(),
        }),
    }
    SampledQuestion { question: text, images, gold, samples }
}
