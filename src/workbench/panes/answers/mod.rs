//! Answers: questions down, models across, and the full texts of two of them side by side.

mod update;

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::session::protocol::{Answer, Split};
use crate::workbench::answers::{Fetch, Who};
use crate::workbench::app::App;
use crate::workbench::panes::Hit;
use crate::workbench::pen::Pen;
use crate::workbench::text::{pad, percent, wrap};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::short;
use crate::workbench::widgets::samples::verdict;
use crate::workbench::words;

/// Cells of a question's number and of a model's column.
const NUMBER: u16 = 5;
const COLUMN: u16 = 11;

/// Draws the pane.
pub fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let columns = app.answer_columns();
    let view = &app.answers;
    if columns.is_empty() {
        let inner = pen.panel(area, words::answers(), true);
        pen.paragraph(inner, words::answers_wait(), pen.theme.tone(Tone::Dim));
        return;
    }
    let shown = app.shown_questions();
    let question = app.current_question().or_else(|| shown.first().copied());
    let rows = if view.zoom { 0 } else { (area.height / 2).max(6).min(area.height) };
    if rows > 0 {
        let title = match view.split {
            Split::Train => words::train_questions(shown.len(), view.filter.name()),
            Split::Test => words::test_questions(shown.len(), view.filter.name()),
        };
        let inner = pen.panel(Rect::new(area.x, area.y, area.width, rows), &title, true);
        table(app, pen, inner, &columns, &shown, question);
    }
    texts(app, pen, Pen::below(area, rows), question);
}

fn table(
    app: &App,
    pen: &mut Pen<'_>,
    area: Rect,
    columns: &[Who],
    shown: &[usize],
    question: Option<usize>,
) {
    let at = app.current_place();
    let asked = if area.width >= 76 { (area.width / 4).min(40) } else { 0 };
    let left = area.x + NUMBER + asked + u16::from(asked > 0);
    let fit = usize::from(area.right().saturating_sub(left) / COLUMN).max(1);
    let from = at.saturating_sub(fit - 1);
    let pinned = app.pinned_column();
    let (dim, strong) = (pen.theme.tone(Tone::Dim), pen.theme.tone(Tone::Strong));
    for (i, who) in columns.iter().enumerate().skip(from).take(fit) {
        let x = left + (i - from) as u16 * COLUMN;
        let mut name = short(&app.column_name(*who));
        if pinned == Some(*who) {
            name.insert(0, '=');
        }
        let style = if i == at { pen.theme.tone(Tone::Accent).add_modifier(Modifier::BOLD) } else { strong };
        pen.text((x, area.y), COLUMN - 1, &name, style);
        pen.text((x, area.y + 1), COLUMN - 1, &summary(app, *who), dim);
    }
    let body = Pen::below(area, 2);
    let row_at = shown.iter().position(|q| Some(*q) == question).unwrap_or(0);
    let top = Pen::first_row(row_at, shown.len(), body.height);
    for (row, q) in shown.iter().enumerate().skip(top).take(body.height.into()) {
        let y = body.y + (row - top) as u16;
        let here = row == row_at;
        let style = if here { pen.theme.chosen() } else { dim };
        pen.text((area.x, y), NUMBER - 1, &format!("{q:>4}"), style);
        if asked > 0
            && let Some(answer) = columns.iter().find_map(|who| app.answer(*who, *q))
        {
            pen.text((area.x + NUMBER, y), asked, &answer.question, pen.theme.tone(Tone::Plain));
        }
        for (i, who) in columns.iter().enumerate().skip(from).take(fit) {
            let x = left + (i - from) as u16 * COLUMN;
            let (text, mut style) = match app.answer(*who, *q) {
                Some(answer) => verdict(answer, *pen.theme),
                None => (String::new(), dim),
            };
            if here && i == at {
                style = style.patch(pen.theme.chosen());
            }
            let text = pad(&text, usize::from(COLUMN - 2));
            pen.text((x, y), COLUMN - 1, &text, style);
            pen.hit(Rect::new(x, y, COLUMN, 1), Hit::Answer(*q, *who));
        }
    }
    if shown.is_empty() {
        let waiting = columns.iter().any(|who| app.column_answers(*who).is_none());
        let text = if waiting { words::answers_on_their_way() } else { words::filter_empty() };
        pen.text((body.x, body.y), body.width, text, dim);
    }
}

/// Under a column's name: its score, or why there is none.
fn summary(app: &App, who: Who) -> String {
    if let Some(answers) = app.column_answers(who) {
        return words::share_of(&percent(answers.score.acc_ja), answers.score.n);
    }
    let fetch = app.candidate_of(who).and_then(|id| app.answers.fetched.get(&(id, app.answers.split)));
    match fetch {
        Some(Fetch::Failed(_)) => words::none().to_owned(),
        _ => words::waiting().to_owned(),
    }
}

/// The question, and the pinned column's answer beside the current one's.
fn texts(app: &App, pen: &mut Pen<'_>, area: Rect, question: Option<usize>) {
    if area.height < 3 {
        return;
    }
    let here = app.current_column();
    let pinned = app.pinned_column().filter(|p| Some(*p) != here);
    let found = |who: Option<Who>| who.zip(question).and_then(|(w, q)| app.answer(w, q));
    let any = app.answer_columns().into_iter().find_map(|w| found(Some(w)));
    let title = any.map_or_else(String::new, |a| words::question_title(&a.id, &a.gold));
    let inner = pen.panel(area, &title, app.answers.zoom);
    let inner = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), inner.height);
    let asked = any.map_or("", |a| a.question.as_str());
    let most = Rect::new(inner.x, inner.y, inner.width, (inner.height / 2).max(1));
    let used = pen.paragraph(most, asked, pen.theme.tone(Tone::Strong));
    let gap = u16::from(inner.height > used + 4);
    let rest = Pen::below(inner, used + gap);
    let sides: Vec<Who> = pinned.into_iter().chain(here).collect();
    let n = sides.len().max(1) as u16;
    let wide = rest.width.saturating_sub(2 * (n - 1)) / n;
    for (i, who) in sides.into_iter().enumerate() {
        let column = Rect::new(rest.x + i as u16 * (wide + 2), rest.y, wide, rest.height);
        side(app, pen, column, who, found(Some(who)));
    }
}

fn side(app: &App, pen: &mut Pen<'_>, area: Rect, who: Who, answer: Option<&Answer>) {
    let name = short(&app.column_name(who));
    let here = app.current_column() == Some(who);
    let style = pen.theme.tone(if here { Tone::Accent } else { Tone::Plain });
    let used = pen.text((area.x, area.y), area.width, &name, style);
    let Some(answer) = answer else {
        let fetch = app.candidate_of(who).and_then(|id| app.answers.fetched.get(&(id, app.answers.split)));
        if let Some(Fetch::Failed(why)) = fetch {
            pen.paragraph(Pen::below(area, 1), why, pen.theme.tone(Tone::Warn));
        }
        return;
    };
    let (words, style) = verdict(answer, *pen.theme);
    let mark = |right: bool| pen.theme.verdict(right);
    let differ = answer.lenient_correct.filter(|l| *l != answer.correct);
    let both = differ.map(|l| words::strict_lenient(mark(answer.correct), mark(l)));
    let facts = format!("{}{}", both.unwrap_or_default(), words::answer_facts(answer.p_ja, answer.tokens));
    let x = area.x + used + 2;
    let used = pen.text((x, area.y), area.right().saturating_sub(x), &words, style);
    let dim = pen.theme.tone(Tone::Dim);
    pen.text((x + used, area.y), area.right().saturating_sub(x + used), &facts, dim);
    let body = Pen::below(area, 1);
    let lines = wrap(answer.text.trim_start(), body.width.into());
    let skip = app.answers.scroll.min(lines.len().saturating_sub(1));
    pen.lines(body, lines.iter().skip(skip).map(String::as_str), pen.theme.tone(Tone::Plain));
}
