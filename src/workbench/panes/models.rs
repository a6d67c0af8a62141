//! Models: what is on this machine, what fits together, and which are picked.

use ratatui::layout::Rect;

use crate::checkpoint::{Fit, ModelSummary};
use crate::workbench::app::{App, Link};
use crate::workbench::pen::Pen;
use crate::workbench::text::{bytes, count, cut, width, wrap};
use crate::workbench::theme::Tone;
use crate::workbench::update::mouse::Hit;

/// Draws the pane.
pub fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let models = app.models.all();
    let next = next_step(app);
    let foot = if area.height > 12 { 3 } else { 0 };
    let list_rows = (models.len() as u16 + 3).clamp(5, (area.height.saturating_sub(foot) * 3 / 5).max(5));
    let list = Rect::new(area.x, area.y, area.width, list_rows.min(area.height));
    let rest = Pen::below(area, list_rows);
    let detail = Rect::new(rest.x, rest.y, rest.width, rest.height.saturating_sub(foot));
    table(app, pen, list);
    if detail.height > 2 {
        match app.models.chosen() {
            Some(model) => card(model, pen, detail),
            None => {
                pen.panel(detail, "", false);
            }
        }
    }
    if foot > 0 {
        let inner = pen.panel(Rect::new(area.x, area.bottom() - foot, area.width, foot), "Next", false);
        pen.text((inner.x + 1, inner.y), inner.width.saturating_sub(1), &next, pen.theme.tone(Tone::Accent));
    }
}

/// What a person would do now.
fn next_step(app: &App) -> String {
    match &app.link {
        Link::Connecting => "The engine is being started".to_owned(),
        Link::Lost(why) => format!("The engine is gone: {why}"),
        Link::Connected { .. } if app.models.list.is_none() => "Looking for models".to_owned(),
        Link::Connected { .. } if app.run.is_some() => {
            "3 shows the evolution, 2 paints a merge by hand, 4 compares answers".to_owned()
        }
        Link::Connected { .. } => {
            format!("Press s to evolve {}, or 2 to paint a merge by hand", app.config.title)
        }
    }
}

/// Columns after the name with their widths. Where it is narrow the last of them are left out.
const COLUMNS: [(&str, u16); 5] = [("size", 8), ("layers", 6), ("family", 8), ("vocab", 6), ("dtype", 5)];

/// Least room for the words on what fits.
const FIT: u16 = 16;

fn table(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let models = app.models.all();
    let title = if models.is_empty() { "Models".to_owned() } else { format!("Models ({})", models.len()) };
    let inner = pen.panel(area, &title, true);
    let dim = pen.theme.tone(Tone::Dim);
    if models.is_empty() {
        let text = match (&app.models.error, &app.models.list) {
            (Some(why), _) => why.clone(),
            (None, None) => "Looking for models".to_owned(),
            (None, Some(_)) => "No models here".to_owned(),
        };
        pen.text((inner.x + 1, inner.y), inner.width, &text, dim);
        return;
    }
    let longest = models.iter().map(|m| width(&m.reference)).max().unwrap_or(8) as u16;
    let name = longest.clamp(10, (inner.width / 3).max(12));
    let mut left = inner.width.saturating_sub(9 + name + FIT);
    let columns: Vec<_> = COLUMNS
        .iter()
        .take_while(|c| {
            let fits = c.1 < left;
            left = left.saturating_sub(c.1 + 1);
            fits
        })
        .collect();
    let mut x = inner.x + 9 + name;
    pen.text((inner.x + 8, inner.y), name, "name", dim);
    for (head, wide) in columns.iter().copied() {
        let head = if matches!(*head, "size" | "layers" | "vocab") {
            format!("{head:>w$}", w = usize::from(*wide))
        } else {
            (*head).to_owned()
        };
        pen.text((x, inner.y), *wide, &head, dim);
        x += wide + 1;
    }
    let fit_x = x;
    let fit_room = inner.right().saturating_sub(fit_x);
    pen.text((fit_x, inner.y), fit_room, &format!("with {}", app.models.pool.base), dim);
    let body = Pen::below(inner, 1);
    let top = Pen::first_row(app.models.cursor, models.len(), body.height);
    for (i, model) in models.iter().enumerate().skip(top).take(body.height.into()) {
        let y = body.y + (i - top) as u16;
        let (mark, tone) = pick(app, model);
        pen.text((inner.x, y), 7, &mark, pen.theme.tone(tone));
        pen.text((inner.x + 8, y), name, &model.reference, pen.theme.tone(Tone::Strong));
        let mut x = inner.x + 9 + name;
        for (head, wide) in columns.iter().copied() {
            let text = match *head {
                "family" => model.family.clone(),
                "layers" => format!("{:>6}", model.layers),
                "size" => format!("{:>8}", bytes(model.bytes)),
                "dtype" => model.dtype.clone(),
                _ => format!("{:>6}", model.vocab),
            };
            pen.text((x, y), *wide, &text, pen.theme.tone(Tone::Plain));
            x += wide + 1;
        }
        let (fit, tone) = fit_words(&model.fit);
        pen.text((fit_x, y), fit_room, &fit, pen.theme.tone(tone));
        pen.hit(Rect::new(inner.x, y, inner.width, 1), Hit::Model(i));
        if i == app.models.cursor {
            pen.mark_row(inner, y);
        }
    }
}

/// How a model takes part.
fn pick(app: &App, model: &ModelSummary) -> (String, Tone) {
    if model.reference == app.models.pool.base {
        return (" base".to_owned(), Tone::Accent);
    }
    match app.models.pool.sources.iter().position(|s| *s == model.reference) {
        Some(at) => (format!(" src {}", at + 1), Tone::Good),
        None => (String::new(), Tone::Plain),
    }
}

fn fit_words(fit: &Fit) -> (String, Tone) {
    match fit {
        Fit::Unasked => (String::new(), Tone::Dim),
        Fit::IsBase => ("is the base".to_owned(), Tone::Accent),
        Fit::Fits => ("fits".to_owned(), Tone::Good),
        Fit::Caution(why) => (why.clone(), Tone::Warn),
        Fit::No(why) => (format!("no: {why}"), Tone::Bad),
    }
}

/// The model under the cursor: its card and its shape.
fn card(model: &ModelSummary, pen: &mut Pen<'_>, area: Rect) {
    let inner = pen.panel(area, &model.reference, false);
    let inner = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), inner.height);
    let shape = format!(
        "{} parameters in {} ({}), {} layers of width {}, {} heads over {} key-value heads, vocabulary {}{}{}",
        count(model.parameters),
        bytes(model.bytes),
        model.dtype,
        model.layers,
        model.hidden,
        model.heads,
        model.kv_heads,
        model.vocab,
        if model.tied { ", tied embeddings" } else { "" },
        if model.chat_template { ", chat template" } else { "" },
    );
    let used = pen.paragraph(inner, &shape, pen.theme.tone(Tone::Dim));
    let mut rest = Pen::below(inner, used);
    let (words, tone) = fit_words(&model.fit);
    if matches!(model.fit, Fit::Caution(_) | Fit::No(_)) {
        let used = pen.paragraph(rest, &words, pen.theme.tone(tone));
        rest = Pen::below(rest, used);
    }
    let about = cut(wrap(&model.about, rest.width.into()), rest.height.into(), rest.width.into());
    pen.lines(rest, about.iter().map(String::as_str), pen.theme.tone(Tone::Plain));
}
