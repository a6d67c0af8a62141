//! The sample answers of the recipe in the editor: asked for after each edit, drawn beside those before it.

use ratatui::layout::Rect;

use super::state::Preview;
use crate::session::protocol::{Command, Split, Target};
use crate::workbench::app::{App, Startup};
use crate::workbench::canvas::Canvas;
use crate::workbench::effect::Ask;
use crate::workbench::messages;
use crate::workbench::theme::{Theme, Tone};
use crate::workbench::widgets::samples::{self, Asked, Sample};

impl App {
    /// Asks for sample answers when the recipe has changed since they were asked. A newer request
    /// replaces an unfinished one, so a held key builds no queue.
    pub(in crate::workbench) fn want_preview(&mut self) {
        // The process that runs the session which is about to be shown has the models open: it is the one to ask.
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
    let all: Vec<Asked> = preview.questions.iter().map(|q| asked(app, *canvas.theme, *q)).collect();
    samples::draw_all(canvas, inner, &all);
}

/// A sample question with the answers before and after the last edit.
fn asked(app: &App, theme: Theme, question: usize) -> Asked {
    let preview = &app.preview;
    let now = Preview::answer(preview.now.as_ref(), question);
    let before = Preview::answer(preview.before.as_ref(), question);
    let known = now.or(before).map(|a| (a.question.clone(), a.gold.clone()));
    let watched = || {
        let list = &app.run.as_ref()?.watching;
        list.iter().find(|w| w.index == question).map(|w| (w.question.clone(), w.gold.clone()))
    };
    let (text, gold) =
        known.or_else(watched).unwrap_or((messages::question_numbered(question), "?".to_owned()));
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
    Asked { question: text, gold, samples }
}
