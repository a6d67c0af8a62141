//! Draws the Answers pane: a table with a row for each question and a column for each model, and below it the full
//! texts of two columns side by side. `panes/mod.rs` calls it.

pub mod actions;
mod columns;
mod export;
pub mod state;
mod update;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Flex, Layout, Rect};
use ratatui::style::Modifier;

use crate::session::protocol::{Answer, Split};
use crate::task::{AnswerLanguage, LanguageProbability};
use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::Hit;
use crate::workbench::panes::answers::state::{AnswerColumn, FetchedAnswers};
use crate::workbench::text::{pad, percent, wrap};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::short;
use crate::workbench::widgets::picture;
use crate::workbench::widgets::samples::{columns, verdict};

/// Widths of the question number and of a model's column, in cells.
const NUMBER: u16 = 5;
const COLUMN: u16 = 11;

/// Draws the pane.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let columns = app.answer_columns();
    let view = &app.answers;
    if columns.is_empty() {
        let inner = canvas.panel(area, messages::answers(), true);
        canvas.paragraph(inner, messages::answers_wait(), canvas.theme.tone(Tone::Dim));
        return;
    }
    let shown = app.shown_questions();
    let question = app.current_question().or_else(|| shown.first().copied());
    let rows = if view.zoom { 0 } else { (area.height / 2).max(6).min(area.height) };
    let [upper, lower] = Layout::vertical([Length(rows), Fill(1)]).areas(area);
    if rows > 0 {
        let title = match view.split {
            Split::Train => messages::train_questions(shown.len(), view.filter.name()),
            Split::Test => messages::test_questions(shown.len(), view.filter.name()),
        };
        let inner = canvas.panel(upper, &title, true);
        table(app, canvas, inner, &columns, &shown, question);
    }
    texts(app, canvas, lower, question);
}

fn table(
    app: &App,
    canvas: &mut Canvas<'_>,
    area: Rect,
    columns: &[AnswerColumn],
    shown: &[usize],
    question: Option<usize>,
) {
    let at = app.current_place();
    let asked = if area.width >= 76 { (area.width / 4).min(40) } else { 0 };
    let [numbers, questions, _, answers] =
        Layout::horizontal([Length(NUMBER), Length(asked), Length(u16::from(asked > 0)), Fill(1)])
            .areas(area);
    let [names, summaries, body] = Layout::vertical([Length(1), Length(1), Fill(1)]).areas(area);
    let fit = usize::from(answers.width / COLUMN).max(1);
    let from = at.saturating_sub(fit - 1);
    let shares = Layout::horizontal((0..fit).map(|_| Length(COLUMN))).flex(Flex::Start).split(answers);
    let shown_columns = || columns.iter().copied().enumerate().skip(from).zip(shares.iter().copied());
    let pinned = app.pinned_column();
    let (dim, strong) = (canvas.theme.tone(Tone::Dim), canvas.theme.tone(Tone::Strong));
    for ((i, who), share) in shown_columns() {
        let mut name = short(&app.column_name(who));
        if pinned == Some(who) {
            name.insert(0, '=');
        }
        let style =
            if i == at { canvas.theme.tone(Tone::Accent).add_modifier(Modifier::BOLD) } else { strong };
        canvas.line(gap_after(share.intersection(names)), &name, style);
        canvas.line(gap_after(share.intersection(summaries)), &summary(app, who), dim);
    }
    let row_at = shown.iter().position(|q| Some(*q) == question).unwrap_or(0);
    let top = Canvas::first_row(row_at, shown.len(), body.height);
    for ((n, q), row) in shown.iter().enumerate().skip(top).zip(body.rows()) {
        let here = n == row_at;
        let style = if here { canvas.theme.chosen() } else { dim };
        canvas.line(gap_after(numbers.intersection(row)), &format!("{q:>4}"), style);
        if asked > 0
            && let Some(answer) = columns.iter().find_map(|who| app.answer(*who, *q))
        {
            canvas.line(questions.intersection(row), &answer.question, canvas.theme.tone(Tone::Plain));
        }
        for ((i, who), share) in shown_columns() {
            let cell = share.intersection(row);
            let (text, mut style) = match app.answer(who, *q) {
                Some(answer) => verdict(answer, *canvas.theme),
                None => (String::new(), dim),
            };
            if here && i == at {
                style = style.patch(canvas.theme.chosen());
            }
            let text = pad(&text, usize::from(COLUMN - 2));
            canvas.line(gap_after(cell), &text, style);
            canvas.hit(cell, Hit::Answer(*q, who));
        }
    }
    if shown.is_empty() {
        let waiting = columns.iter().any(|who| app.column_answers(*who).is_none());
        let text = if waiting { messages::answers_on_their_way() } else { messages::filter_empty() };
        canvas.line(body, text, dim);
    }
}

/// A column without the gap before the next column.
fn gap_after(cell: Rect) -> Rect {
    Rect { width: cell.width.saturating_sub(1), ..cell }
}

/// The code of the language whose probability an answer shows.
fn language(app: &App, answer: &Answer) -> String {
    let session = app.run.as_ref().map(|run| AnswerLanguage::of_tasks(&run.state.languages));
    match answer.p_language {
        LanguageProbability::Japanese(_) => "ja".to_owned(),
        LanguageProbability::Other(_) => {
            session.as_ref().and_then(AnswerLanguage::code).unwrap_or("language").to_owned()
        }
    }
}

/// The line under a column's name: its score, or why there is none.
fn summary(app: &App, who: AnswerColumn) -> String {
    if let Some(answers) = app.column_answers(who) {
        return messages::share_of(&percent(answers.score.acc_in_language), answers.score.n);
    }
    let fetch = app.candidate_of(who).and_then(|id| app.answers.fetched.get(&(id, app.answers.split)));
    match fetch {
        Some(FetchedAnswers::Failed(_)) => messages::none().to_owned(),
        _ => messages::waiting().to_owned(),
    }
}

/// Draws the question, and below it the pinned column's answer beside the current one's.
fn texts(app: &App, canvas: &mut Canvas<'_>, area: Rect, question: Option<usize>) {
    if area.height < 3 {
        return;
    }
    let here = app.current_column();
    let pinned = app.pinned_column().filter(|p| Some(*p) != here);
    let found = |who: Option<AnswerColumn>| who.zip(question).and_then(|(w, q)| app.answer(w, q));
    let any = app.answer_columns().into_iter().find_map(|w| found(Some(w)));
    let title = any.map_or_else(String::new, |a| messages::question_title(&a.id, &a.gold));
    let inner = Canvas::padded(canvas.panel(area, &title, app.answers.zoom));
    let inner = picture::beside(canvas, &app.pictures, any.map_or(&[], |a| &a.images), inner);
    let asked = any.map_or("", |a| a.question.as_str());
    let [most, _] = Layout::vertical([Length((inner.height / 2).max(1)), Fill(1)]).areas(inner);
    let used = canvas.paragraph(most, asked, canvas.theme.tone(Tone::Strong));
    let gap = u16::from(inner.height > used + 4);
    let rest = Canvas::below(inner, used + gap);
    let sides: Vec<AnswerColumn> = pinned.into_iter().chain(here).collect();
    let columns = columns(sides.len(), rest);
    for (who, column) in sides.into_iter().zip(columns.iter()) {
        side(app, canvas, *column, who, found(Some(who)));
    }
}

/// One column's answer: its name and verdict, then the text.
fn side(app: &App, canvas: &mut Canvas<'_>, area: Rect, who: AnswerColumn, answer: Option<&Answer>) {
    let name = short(&app.column_name(who));
    let here = app.current_column() == Some(who);
    let style = canvas.theme.tone(if here { Tone::Accent } else { Tone::Plain });
    let [head, body] = Layout::vertical([Length(1), Fill(1)]).areas(area);
    let used = canvas.line(head, &name, style);
    let Some(answer) = answer else {
        let fetch = app.candidate_of(who).and_then(|id| app.answers.fetched.get(&(id, app.answers.split)));
        if let Some(FetchedAnswers::Failed(why)) = fetch {
            canvas.paragraph(body, why, canvas.theme.tone(Tone::Warn));
        }
        return;
    };
    let (words, style) = verdict(answer, *canvas.theme);
    let mark = |right: bool| canvas.theme.verdict(right);
    let differ = answer.lenient_correct.filter(|l| *l != answer.correct);
    let both = differ.map(|l| messages::strict_lenient(mark(answer.correct), mark(l)));
    let facts = format!(
        "{}{}",
        both.unwrap_or_default(),
        messages::answer_facts(&language(app, answer), answer.p_language.value(), answer.tokens)
    );
    let dim = canvas.theme.tone(Tone::Dim);
    canvas.pieces(Canvas::after(head, used + 2), &[(&words, style), (&facts, dim)]);
    let lines = wrap(answer.text.trim_start(), body.width.into());
    let skip = app.answers.scroll.min(lines.len().saturating_sub(1));
    canvas.lines(body, lines.iter().skip(skip).map(String::as_str), canvas.theme.tone(Tone::Plain));
}
