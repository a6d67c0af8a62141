//! Models: what is on this machine, what fits together, and which are picked.

pub mod actions;
mod distances;
pub mod state;
mod update;

use ratatui::layout::Rect;

use crate::checkpoint::{Fit, ModelSummary};
use crate::workbench::app::{App, Link};
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::Hit;
use crate::workbench::panes::models::state::Apart;
use crate::workbench::text::{bytes, count, cut, pad_left, width, wrap};
use crate::workbench::theme::Tone;

/// Draws the pane.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let models = app.models.all();
    let next = next_step(app);
    let foot = if area.height > 12 { 3 } else { 0 };
    let list_rows = (models.len() as u16 + 3).clamp(5, (area.height.saturating_sub(foot) * 3 / 5).max(5));
    let list = Rect::new(area.x, area.y, area.width, list_rows.min(area.height));
    let rest = Canvas::below(area, list_rows);
    let detail = Rect::new(rest.x, rest.y, rest.width, rest.height.saturating_sub(foot));
    table(app, canvas, list);
    let map = distances::rows(app);
    let wanted = matches!(app.models.apart, Apart::Known(..)) || detail.height >= 10;
    let (detail, beside) = if !wanted || app.models.list.is_none() {
        (detail, None)
    } else if detail.width >= 110 && detail.height >= map.min(8) {
        let card = detail.width * 2 / 5;
        let right = Rect::new(detail.x + card, detail.y, detail.width - card, detail.height);
        (Rect::new(detail.x, detail.y, card, detail.height), Some(right))
    } else if detail.height >= 8 {
        let rows = map.min(detail.height - 4);
        let below = Canvas::below(detail, detail.height - rows);
        (Rect::new(detail.x, detail.y, detail.width, detail.height - rows), Some(below))
    } else {
        (detail, None)
    };
    if let Some(area) = beside {
        distances::draw(app, canvas, area);
    }
    if detail.height > 2 {
        match app.models.chosen() {
            Some(model) => card(model, canvas, detail),
            None => {
                canvas.panel(detail, "", false);
            }
        }
    }
    if foot > 0 {
        let inner =
            canvas.panel(Rect::new(area.x, area.bottom() - foot, area.width, foot), messages::next(), false);
        canvas.text(
            (inner.x + 1, inner.y),
            inner.width.saturating_sub(1),
            &next,
            canvas.theme.tone(Tone::Accent),
        );
    }
}

/// What a person would do now.
fn next_step(app: &App) -> String {
    match &app.link {
        Link::Connecting => messages::engine_being_started().to_owned(),
        Link::Lost(why) => messages::engine_gone(why),
        Link::Connected { .. } if app.models.list.is_none() => messages::looking_for_models().to_owned(),
        Link::Connected { .. } if app.run.is_some() => messages::next_with_run().to_owned(),
        Link::Connected { .. } => messages::next_start(&app.config.title),
    }
}

/// What a column after the name tells.
#[derive(Clone, Copy)]
enum Fact {
    Size,
    Layers,
    Family,
    Vocab,
    Dtype,
}

impl Fact {
    fn head(self) -> &'static str {
        match self {
            Self::Size => messages::head_size(),
            Self::Layers => messages::head_layers(),
            Self::Family => messages::head_family(),
            Self::Vocab => messages::head_vocab(),
            Self::Dtype => messages::head_dtype(),
        }
    }

    fn of(self, model: &ModelSummary) -> String {
        match self {
            Self::Size => bytes(model.bytes),
            Self::Layers => model.layers.to_string(),
            Self::Family => model.family.clone(),
            Self::Vocab => model.vocab.to_string(),
            Self::Dtype => model.dtype.clone(),
        }
    }

    /// Numbers stand to the right.
    fn placed(self, text: String, wide: u16) -> String {
        match self {
            Self::Size | Self::Layers | Self::Vocab => pad_left(&text, wide.into()),
            Self::Family | Self::Dtype => text,
        }
    }
}

/// Columns after the name with their widths. Where it is narrow the last of them are left out.
const COLUMNS: [(Fact, u16); 5] =
    [(Fact::Size, 8), (Fact::Layers, 6), (Fact::Family, 8), (Fact::Vocab, 6), (Fact::Dtype, 5)];

/// Least room for the words on what fits.
const FIT: u16 = 16;

fn table(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let models = app.models.all();
    let title = if models.is_empty() {
        messages::models().to_owned()
    } else {
        messages::models_counted(models.len())
    };
    let inner = canvas.panel(area, &title, true);
    let dim = canvas.theme.tone(Tone::Dim);
    if models.is_empty() {
        let text = match (&app.models.error, &app.models.list) {
            (Some(why), _) => why.clone(),
            (None, None) => messages::looking_for_models().to_owned(),
            (None, Some(_)) => messages::no_models().to_owned(),
        };
        canvas.text((inner.x + 1, inner.y), inner.width, &text, dim);
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
    canvas.text((inner.x + 8, inner.y), name, messages::head_name(), dim);
    for (fact, wide) in columns.iter().copied() {
        let text = fact.placed(fact.head().to_owned(), *wide);
        canvas.text((x, inner.y), *wide, &text, dim);
        x += wide + 1;
    }
    let fit_x = x;
    let fit_room = inner.right().saturating_sub(fit_x);
    canvas.text((fit_x, inner.y), fit_room, &messages::head_fit(&app.models.pool.base), dim);
    let body = Canvas::below(inner, 1);
    let top = Canvas::first_row(app.models.cursor, models.len(), body.height);
    for (i, model) in models.iter().enumerate().skip(top).take(body.height.into()) {
        let y = body.y + (i - top) as u16;
        let (mark, tone) = pick(app, model);
        canvas.text((inner.x, y), 7, &mark, canvas.theme.tone(tone));
        canvas.text((inner.x + 8, y), name, &model.reference, canvas.theme.tone(Tone::Strong));
        let mut x = inner.x + 9 + name;
        for (fact, wide) in columns.iter().copied() {
            let text = fact.placed(fact.of(model), *wide);
            canvas.text((x, y), *wide, &text, canvas.theme.tone(Tone::Plain));
            x += wide + 1;
        }
        let (fit, tone) = fit_words(&model.fit);
        canvas.text((fit_x, y), fit_room, &fit, canvas.theme.tone(tone));
        canvas.hit(Rect::new(inner.x, y, inner.width, 1), Hit::Model(i));
        if i == app.models.cursor {
            canvas.mark_row(inner, y);
        }
    }
}

/// How a model takes part.
fn pick(app: &App, model: &ModelSummary) -> (String, Tone) {
    if model.reference == app.models.pool.base {
        return (messages::pick_base().to_owned(), Tone::Accent);
    }
    match app.models.pool.sources.iter().position(|s| *s == model.reference) {
        Some(at) => (messages::pick_source(at + 1), Tone::Good),
        None => (String::new(), Tone::Plain),
    }
}

fn fit_words(fit: &Fit) -> (String, Tone) {
    match fit {
        Fit::Unasked => (String::new(), Tone::Dim),
        Fit::IsBase => (messages::is_base().to_owned(), Tone::Accent),
        Fit::Fits => (messages::fits().to_owned(), Tone::Good),
        Fit::Caution(why) => (why.clone(), Tone::Warn),
        Fit::No(why) => (messages::fits_not(why), Tone::Bad),
    }
}

/// The model under the cursor: its card and its shape.
fn card(model: &ModelSummary, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.panel(area, &model.reference, false);
    let inner = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), inner.height);
    let mut shape = messages::card_size(&count(model.parameters), &bytes(model.bytes), &model.dtype);
    shape.push_str(&messages::card_shape(
        model.layers,
        model.hidden,
        model.heads,
        model.kv_heads,
        model.vocab,
    ));
    if model.tied {
        shape.push_str(messages::card_tied());
    }
    if model.chat_template {
        shape.push_str(messages::card_chat());
    }
    let used = canvas.paragraph(inner, &shape, canvas.theme.tone(Tone::Dim));
    let mut rest = Canvas::below(inner, used);
    let (words, tone) = fit_words(&model.fit);
    if matches!(model.fit, Fit::Caution(_) | Fit::No(_)) {
        let used = canvas.paragraph(rest, &words, canvas.theme.tone(tone));
        rest = Canvas::below(rest, used);
    }
    let about = cut(wrap(&model.about, rest.width.into()), rest.height.into(), rest.width.into());
    canvas.lines(rest, about.iter().map(String::as_str), canvas.theme.tone(Tone::Plain));
}
