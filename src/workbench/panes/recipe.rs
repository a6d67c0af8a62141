//! Recipe: the grid that is the editor, and the sample answers before and after the last edit.

use ratatui::layout::Rect;

use super::samples::{self, Asked, Sample};
use crate::recipe::LayerGroup;
use crate::workbench::app::App;
use crate::workbench::editor::Track;
use crate::workbench::pen::Pen;
use crate::workbench::theme::{Theme, Tone};
use crate::workbench::trial::Trial;
use crate::workbench::widgets::heat::{Grid, short};
use crate::workbench::words;

/// Narrowest room for sample answers beside the grid.
const SAMPLES: u16 = 30;

/// Draws the pane.
pub fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let editor = &app.editor;
    let grid = Grid {
        recipe: &editor.recipe,
        layers: editor.layers,
        cursor: Some(editor.cursor),
        block: editor.anchor.map(|_| editor.block()),
        typing: editor.typing.as_deref(),
    };
    let wish = (grid.width() + 3).max(34);
    let beside = area.width >= 34 + SAMPLES;
    let (left, right) = if beside {
        let wide = wish.min(area.width - SAMPLES.max(area.width * 2 / 5));
        let left = Rect::new(area.x, area.y, wide, area.height);
        (left, Rect::new(area.x + wide, area.y, area.width - wide, area.height))
    } else {
        let rows = (editor.rows() as u16 + 6).min(area.height * 3 / 5);
        let left = Rect::new(area.x, area.y, area.width, rows);
        (left, Pen::below(area, rows))
    };
    let title = words::recipe_title(editor.recipe.method.name(), &editor.began_as);
    let inner = pen.panel(left, &title, true);
    if editor.layers == 0 {
        pen.paragraph(inner, words::grid_waits(), pen.theme.tone(Tone::Dim));
    } else {
        let notes = notes(app);
        let rows = notes.len() as u16 + 1;
        let room = inner.height.saturating_sub(if inner.height > 10 + rows { rows } else { 1 });
        let used = grid.draw(pen, Rect::new(inner.x, inner.y, inner.width, room));
        let rest = Pen::below(inner, used + u16::from(inner.height > used + rows));
        let texts = notes.iter().map(String::as_str);
        let tone = pen.theme.tone(Tone::Dim);
        let mut free = rest;
        for text in texts {
            let used = pen.paragraph(free, text, tone);
            free = Pen::below(free, used);
        }
    }
    answers(app, pen, right);
}

/// Lines below the grid: the cell in words, the method in words.
fn notes(app: &App) -> Vec<String> {
    let editor = &app.editor;
    let mut out = Vec::new();
    if let (Some(column), Some(value)) =
        (editor.columns().get(editor.cursor.column), editor.value(editor.cursor))
    {
        let model = short(&editor.recipe.sources[column.source].model);
        let word = if column.track == Track::Weight { words::weight() } else { words::density() };
        let place = match LayerGroup::from_index(editor.cursor.row, editor.layers) {
            LayerGroup::Embedding => words::input_embedding().to_owned(),
            LayerGroup::Block(i) => words::block(i),
            LayerGroup::Head => words::final_head().to_owned(),
        };
        let cells = editor.block().cells();
        out.push(if editor.anchor.is_some() {
            words::block_keys(cells)
        } else {
            words::cell_words(word, &model, &place, value)
        });
    }
    let recipe = &editor.recipe;
    out.push(format!("{}: {}", recipe.method.name(), words::method_about(recipe.method)));
    let normalized = if recipe.normalizes() { words::normalized() } else { "" };
    out.push(format!("{}{normalized}", words::base_lambda(recipe.donor(), recipe.lambda())));
    if let Some(path) = &editor.path {
        out.push(words::file_at(&path.display().to_string()));
    }
    out
}

fn answers(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let trial = &app.trial;
    let title = if trial.request.is_some() { words::sample_answering() } else { words::sample_answers() };
    let inner = pen.panel(area, title, false);
    let mut inner = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), inner.height);
    if let Some(why) = &trial.error {
        let used = pen.paragraph(inner, why, pen.theme.tone(Tone::Bad));
        inner = Pen::below(inner, used + 1);
    }
    if trial.now.is_none() && trial.before.is_none() && trial.request.is_none() {
        if trial.error.is_none() {
            pen.paragraph(inner, words::samples_wait(), pen.theme.tone(Tone::Dim));
        }
        return;
    }
    let all: Vec<Asked> = trial.questions.iter().map(|q| asked(app, *pen.theme, *q)).collect();
    samples::draw_all(pen, inner, &all);
}

/// A sample question with the answers before and after the last edit.
fn asked(app: &App, theme: Theme, question: usize) -> Asked {
    let trial = &app.trial;
    let now = Trial::answer(trial.now.as_ref(), question);
    let before = Trial::answer(trial.before.as_ref(), question);
    let known = now.or(before).map(|a| (a.question.clone(), a.gold.clone()));
    let watched = || {
        let list = &app.run.as_ref()?.watching;
        list.iter().find(|w| w.index == question).map(|w| (w.question.clone(), w.gold.clone()))
    };
    let (text, gold) = known.or_else(watched).unwrap_or((words::question_numbered(question), "?".to_owned()));
    let mut samples = Vec::new();
    if let Some(answer) = before {
        samples.push(Sample::done(words::before(), answer, theme));
    }
    let style = theme.tone(Tone::Accent);
    match now {
        Some(answer) => samples.push(Sample { style, ..Sample::done(words::now(), answer, theme) }),
        None => samples.push(Sample {
            title: words::now().to_owned(),
            style,
            text: trial.streams.get(&question).cloned().unwrap_or_default(),
            answer: None,
            open: trial.request.is_some(),
        }),
    }
    Asked { question: text, gold, samples }
}
