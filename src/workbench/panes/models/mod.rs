//! Draws the Models pane: the models of this machine, whether they can be merged, and which are picked; below them the
//! card of the model under the cursor and a map of distances. `panes/mod.rs` calls it.

pub mod actions;
mod distances;
pub mod state;
mod update;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::checkpoint::{Fit, ModelSummary};
use crate::workbench::app::{App, Link};
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::Hit;
use crate::workbench::panes::models::state::PoolDistances;
use crate::workbench::text::{bytes, count, cut, pad_left, width, wrap};
use crate::workbench::theme::Tone;

/// Draws the pane.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    // If there is room, a framed line says what to do next.
    let foot = if area.height > 12 { 3 } else { 0 };
    let most = ((area.height - foot) * 3 / 5).max(5);
    let list = (app.models.all().len() as u16 + 3).clamp(5, most);
    let [list, detail, next] = Layout::vertical([Length(list), Fill(1), Length(foot)]).areas(area);
    table(app, canvas, list);
    let (detail, map) = beside_the_card(app, detail);
    if let Some(area) = map {
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
        let inner = Canvas::indented(canvas.panel(next, messages::next(), false));
        canvas.line(inner, &next_step(app), canvas.theme.tone(Tone::Accent));
    }
}

/// Splits the lower part: the card of the model under the cursor, and the map of distances to its right on a wide
/// screen, else below it. Without room there is no map.
fn beside_the_card(app: &App, area: Rect) -> (Rect, Option<Rect>) {
    let rows = distances::rows(app);
    let wanted = matches!(app.models.distances, PoolDistances::Known(..)) || area.height >= 10;
    if !wanted || app.models.list.is_none() {
        return (area, None);
    }
    if area.width >= 110 && area.height >= rows.min(8) {
        let [card, map] = Layout::horizontal([Length(area.width * 2 / 5), Fill(1)]).areas(area);
        return (card, Some(map));
    }
    if area.height >= 8 {
        let [card, map] = Layout::vertical([Fill(1), Length(rows.min(area.height - 4))]).areas(area);
        return (card, Some(map));
    }
    (area, None)
}

/// A sentence on what the user can do next.
fn next_step(app: &App) -> String {
    match &app.link {
        Link::Connecting => messages::engine_being_started().to_owned(),
        Link::Lost(why) => messages::engine_gone(why),
        Link::Connected { .. } if app.models.list.is_none() => messages::looking_for_models().to_owned(),
        Link::Connected { .. } if app.run.is_some() => messages::next_with_run().to_owned(),
        Link::Connected { .. } => messages::next_start(&app.config.title),
    }
}

/// A column after the name.
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

    /// The text aligned in its column: numbers at the right.
    fn placed(self, text: String, wide: u16) -> String {
        match self {
            Self::Size | Self::Layers | Self::Vocab => pad_left(&text, wide.into()),
            Self::Family | Self::Dtype => text,
        }
    }
}

/// Columns after the name with their widths. On a narrow screen the last of them are left out.
const COLUMNS: [(Fact, u16); 5] =
    [(Fact::Size, 8), (Fact::Layers, 6), (Fact::Family, 8), (Fact::Vocab, 6), (Fact::Dtype, 5)];

/// Width in cells of the mark before a picked model's name.
const MARK: u16 = 7;
/// Least width of the last column, which says whether the model fits.
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
        canvas.line(Canvas::indented(inner), &text, dim);
        return;
    }
    let longest = models.iter().map(|m| width(&m.reference)).max().unwrap_or(8) as u16;
    let name = longest.clamp(10, (inner.width / 3).max(12));
    let mut left = inner.width.saturating_sub(MARK + name + 2 + FIT);
    let columns: Vec<_> = COLUMNS
        .iter()
        .take_while(|c| {
            let fits = c.1 < left;
            left = left.saturating_sub(c.1 + 1);
            fits
        })
        .collect();
    let facts = columns.iter().map(|c| Length(c.1));
    let widths = [Length(MARK), Length(name)].into_iter().chain(facts).chain([Fill(1)]);
    let cells = Layout::horizontal(widths).spacing(1).split(inner);
    let [head, body] = Layout::vertical([Length(1), Fill(1)]).areas(inner);
    let mut texts = vec![(String::new(), Tone::Dim), (messages::head_name().to_owned(), Tone::Dim)];
    texts.extend(columns.iter().map(|(fact, wide)| (fact.placed(fact.head().to_owned(), *wide), Tone::Dim)));
    texts.push((messages::head_fit(&app.models.pool.base), Tone::Dim));
    write_row(canvas, &cells, head, &texts);
    let top = Canvas::first_row(app.models.cursor, models.len(), body.height);
    for ((i, model), row) in models.iter().enumerate().skip(top).zip(body.rows()) {
        let mut texts = vec![pick(app, model), (model.reference.clone(), Tone::Strong)];
        texts.extend(columns.iter().map(|(fact, wide)| (fact.placed(fact.of(model), *wide), Tone::Plain)));
        texts.push(fit_words(&model.fit));
        write_row(canvas, &cells, row, &texts);
        canvas.hit(row, Hit::Model(i));
        if i == app.models.cursor {
            canvas.mark(row);
        }
    }
}

/// Writes a text into each column of a row.
fn write_row(canvas: &mut Canvas<'_>, columns: &[Rect], row: Rect, texts: &[(String, Tone)]) {
    for (column, (text, tone)) in columns.iter().zip(texts) {
        canvas.line(column.intersection(row), text, canvas.theme.tone(*tone));
    }
}

/// The mark of a picked model: for the base, or the source's number.
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

/// Draws the card of the model under the cursor: its sizes, then its description.
fn card(model: &ModelSummary, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.panel(area, &model.reference, false);
    let inner = Canvas::padded(inner);
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
    if let Some(vision) = &model.vision {
        shape.push_str(&messages::card_vision(
            &vision.layout,
            &vision.tower,
            vision.layers,
            vision.hidden,
            vision.image_size,
        ));
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
