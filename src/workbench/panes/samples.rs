//! Sample questions with an answer or two below each.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::session::protocol::Answer;
use crate::workbench::answers::counts;
use crate::workbench::pen::Pen;
use crate::workbench::text::{clip, wrap};
use crate::workbench::theme::{Theme, Tone};

/// One text with its heading.
pub struct Sample {
    pub title: String,
    pub style: Style,
    pub text: String,
    pub answer: Option<Answer>,
    /// It is still being written.
    pub open: bool,
}

impl Sample {
    /// An answer that is complete.
    #[must_use]
    pub fn done(title: &str, answer: &Answer, theme: &Theme) -> Self {
        Self {
            title: title.to_owned(),
            style: theme.tone(Tone::Dim),
            text: answer.text.clone(),
            answer: Some(answer.clone()),
            open: false,
        }
    }
}

/// Verdict of an answer in a few cells: mark, number found, language.
#[must_use]
pub fn verdict(answer: &Answer, theme: &Theme) -> (String, Style) {
    let number = answer.number.as_deref().unwrap_or("-");
    let text = format!("{} {number} {}", theme.verdict(answer.correct), answer.language);
    let tone = match (counts(answer), answer.correct) {
        (true, _) => Tone::Good,
        (false, true) => Tone::Warn,
        (false, false) => Tone::Bad,
    };
    (text, theme.tone(tone))
}

/// Draws a question and its samples side by side, and gives the rows used.
pub fn draw(pen: &mut Pen<'_>, area: Rect, question: &str, gold: &str, samples: &[Sample]) -> u16 {
    if area.height < 2 || area.width < 8 {
        return 0;
    }
    // The answer is what one came for: a long question gives way.
    let most = (area.height * 2 / 5).max(1);
    let head = Rect::new(area.x, area.y, area.width, most);
    let mut lines = wrap(question, area.width.into());
    if lines.len() > usize::from(most) {
        lines.truncate(most.into());
        if let Some(last) = lines.last_mut() {
            *last = format!("{} ...", clip(last, usize::from(area.width).saturating_sub(5)));
        }
    }
    let asked_rows = pen.lines(head, lines.iter().map(String::as_str), pen.theme.tone(Tone::Dim));
    let rest = Pen::below(area, asked_rows);
    let n = samples.len().max(1) as u16;
    let wide = (rest.width.saturating_sub(2 * (n - 1))) / n;
    let mut used = 0;
    for (i, sample) in samples.iter().enumerate() {
        let x = rest.x + i as u16 * (wide + 2);
        let last = i + 1 == samples.len();
        used = used.max(column(pen, Rect::new(x, rest.y, wide, rest.height), sample, last.then_some(gold)));
    }
    asked_rows + used
}

fn column(pen: &mut Pen<'_>, area: Rect, sample: &Sample, gold: Option<&str>) -> u16 {
    let mut used = pen.text((area.x, area.y), area.width, &sample.title, sample.style);
    if let Some(answer) = &sample.answer {
        let (text, style) = verdict(answer, pen.theme);
        if used > 0 {
            used += 1;
        }
        used += pen.text((area.x + used, area.y), area.width.saturating_sub(used), &text, style);
    }
    if let Some(gold) = gold {
        let rest = Rect::new(area.x + used, area.y, area.width.saturating_sub(used), 1);
        pen.right(rest, area.y, &format!(" answer {gold}"), pen.theme.tone(Tone::Dim));
    }
    let body = Pen::below(area, 1);
    let mut text = sample.text.clone();
    if sample.open {
        text.push('_');
    }
    let lines = wrap(&text, body.width.into());
    // Of a text that is being written the end matters, of a finished one the beginning.
    let skip = if sample.open { lines.len().saturating_sub(body.height.into()) } else { 0 };
    let shown = lines.iter().skip(skip).map(String::as_str);
    1 + pen.lines(body, shown, pen.theme.tone(Tone::Plain))
}
