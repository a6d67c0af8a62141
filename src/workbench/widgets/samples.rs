//! Sample questions, each with one or two answers below it. Evolve draws streamed answers with it, Recipe the answers
//! before and after an edit.

use std::rc::Rc;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Flex, Layout, Rect};
use ratatui::style::Style;

use super::picture;
use crate::session::protocol::{Answer, ImageRef};
use crate::text::visible_cells;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::pictures::Pictures;
use crate::workbench::text::{cut, width, wrap};
use crate::workbench::theme::{Theme, Tone};

/// Most rows of the pictures beside a sample.
const PICTURE_ROWS: u16 = 12;

/// An answer with its heading.
pub struct Sample {
    pub title: String,
    pub style: Style,
    pub text: String,
    pub answer: Option<Answer>,
    /// The answer is still being written.
    pub open: bool,
}

impl Sample {
    /// An answer that is complete.
    #[must_use]
    pub fn done(title: &str, answer: &Answer, theme: Theme) -> Self {
        Self {
            title: title.to_owned(),
            style: theme.tone(Tone::Dim),
            text: answer.text.clone(),
            answer: Some(answer.clone()),
            open: false,
        }
    }
}

/// Short verdict of an answer: mark, number found, language.
#[must_use]
pub fn verdict(answer: &Answer, theme: Theme) -> (String, Style) {
    let number = answer.number.as_deref().unwrap_or("-");
    // If strict and lenient scoring differ, both marks are shown, the strict one first.
    let lenient = answer.lenient_correct.filter(|l| *l != answer.correct).map_or("", |l| theme.verdict(l));
    let text = format!("{}{lenient} {number} {}", theme.verdict(answer.correct), answer.language);
    let tone = match (answer.counts(), answer.correct) {
        (true, _) => Tone::Good,
        (false, true) => Tone::Warn,
        (false, false) => Tone::Bad,
    };
    (text, theme.tone(tone))
}

/// A question with its samples.
pub struct SampledQuestion {
    pub question: String,
    pub images: Vec<ImageRef>,
    pub gold: String,
    pub samples: Vec<Sample>,
}

/// Draws as many questions as fit. Each takes the rows that it needs, but at most an equal share of the rows left;
/// unused rows go to the next question.
pub fn draw_all(canvas: &mut Canvas<'_>, pictures: &Pictures, area: Rect, all: &[SampledQuestion]) {
    let need = |asked: &SampledQuestion, share: u16| {
        let room = Rect { height: area.height.min(PICTURE_ROWS).min(share), ..area };
        let (seen, beside) =
            (picture::rows(pictures, &asked.images, room), picture::columns(pictures, &asked.images, room));
        let cells = usize::from(area.width - beside);
        let n = asked.samples.len().max(1);
        let wide = cells.saturating_sub(2 * (n - 1)) / n;
        let texts = asked.samples.iter().map(|s| wrap(&s.text, wide).len()).max().unwrap_or(0);
        let above = if beside == 0 { seen } else { 0 };
        let text = (wrap(&asked.question, cells).len() + texts + 2) as u16;
        (text + above).max(seen + 1)
    };
    // A picture needs more rows than a text.
    let least = if all.iter().any(|asked| !asked.images.is_empty()) { 9 } else { 6 };
    let fit = usize::from(area.height / least).clamp(1, all.len().max(1));
    let mut rest = area;
    for (i, asked) in all.iter().take(fit).enumerate() {
        let share = (rest.height + 1) / (fit - i) as u16;
        let rows = need(asked, share.saturating_sub(1)).min(share.max(4)).min(rest.height);
        let gap = u16::from(i + 1 < fit);
        let [part, _, below] =
            Layout::vertical([Length(rows.saturating_sub(gap)), Length(gap.min(rows)), Fill(1)]).areas(rest);
        let part = picture::beside(canvas, pictures, &asked.images, part);
        draw(canvas, part, &asked.question, &asked.gold, &asked.samples);
        rest = below;
    }
}

/// Draws a question and its samples side by side.
fn draw(canvas: &mut Canvas<'_>, area: Rect, question: &str, gold: &str, samples: &[Sample]) {
    if area.height < 2 || area.width < 8 {
        return;
    }
    // A long question is cut, so that the answers have room.
    let most = (area.height * 2 / 5).max(1);
    let lines = cut(wrap(question, area.width.into()), most.into(), area.width.into());
    let asked_rows = canvas.lines(area, lines.iter().map(String::as_str), canvas.theme.tone(Tone::Dim));
    let rest = Canvas::below(area, asked_rows);
    let columns = columns(samples.len(), rest);
    let wide = columns.first().map_or(0, |c| c.width);
    // The expected answer is shown beside the last heading if it fits whole, else in a row above.
    let fits = samples
        .last()
        .is_none_or(|s| heading(s, *canvas.theme) + 1 + width(&messages::answer_is(gold)) <= wide.into());
    let above = u16::from(!fits && rest.height > 2);
    if above > 0 {
        expected(canvas, rest, gold);
    }
    for (i, (sample, area)) in samples.iter().zip(columns.iter()).enumerate() {
        let beside = (above == 0 && i + 1 == samples.len()).then_some(gold);
        column(canvas, Canvas::below(*area, above), sample, beside);
    }
}

/// Columns of equal width with two cells between them.
#[must_use]
pub fn columns(n: usize, area: Rect) -> Rc<[Rect]> {
    let n = n.max(1) as u16;
    let wide = area.width.saturating_sub(2 * (n - 1)) / n;
    Layout::horizontal((0..n).map(|_| Length(wide))).spacing(2).flex(Flex::Start).split(area)
}

/// Width in cells of a sample's heading.
fn heading(sample: &Sample, theme: Theme) -> usize {
    let verdict = sample.answer.as_ref().map_or(0, |a| width(&verdict(a, theme).0) + 1);
    width(&visible_cells(&sample.title)) + verdict
}

/// Writes the expected answer at the right of a row. If it is too long, first its label is left out, then its end.
fn expected(canvas: &mut Canvas<'_>, row: Rect, gold: &str) {
    let text = messages::answer_is(gold);
    let text = if width(&text) <= row.width.into() { text } else { gold.to_owned() };
    canvas.right(row, &text, canvas.theme.tone(Tone::Dim));
}

/// Draws a sample: heading and verdict, below them the text.
fn column(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample, gold: Option<&str>) {
    let [head, body] = Layout::vertical([Length(1), Fill(1)]).areas(area);
    let mut used = canvas.line(head, &sample.title, sample.style);
    if let Some(answer) = &sample.answer {
        let (text, style) = verdict(answer, *canvas.theme);
        if used > 0 {
            used += 1;
        }
        used += canvas.line(Canvas::after(head, used), &text, style);
    }
    if let Some(gold) = gold {
        expected(canvas, Canvas::after(head, used), gold);
    }
    let mut text = sample.text.trim_start().to_owned();
    if sample.open {
        text.push('_');
    }
    let lines = wrap(&text, body.width.into());
    // A text that is still being written shows its end, a finished text its beginning.
    let skip = if sample.open { lines.len().saturating_sub(body.height.into()) } else { 0 };
    let shown = lines.iter().skip(skip).map(String::as_str);
    canvas.lines(body, shown, canvas.theme.tone(Tone::Plain));
}
