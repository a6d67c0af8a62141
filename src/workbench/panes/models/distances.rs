//! Draws the map of distances: where the sources differ from their base. It has a row for each source and a column for
//! each layer group; a cell shows the task vector's norm as a fraction of the base's norm. Below are the cosines of
//! pairs of task vectors. `panes/models/mod.rs` calls it.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Flex, Layout, Rect};

use crate::recipe::LayerGroup;
use crate::session::protocol::Distances;
use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::models::state::PoolDistances;
use crate::workbench::text::{bytes, width};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::short;

/// Widest and narrowest cell.
const WIDE: u16 = 6;
const NARROW: u16 = 1;

/// Rows that the whole map takes, its frame included.
#[must_use]
pub fn rows(app: &App) -> u16 {
    match &app.models.distances {
        PoolDistances::Known(_, found) => {
            let pairs = found.cosines.len() as u16;
            let odd = not_finite(found).len() as u16;
            found.sources.len() as u16 + 4 + odd + if pairs > 0 { pairs + 1 } else { 0 }
        }
        _ => 3,
    }
}

/// Draws the map, or says why there is none.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = Canvas::padded(canvas.panel(area, messages::distances_title(), false));
    let pool = &app.models.pool;
    if let PoolDistances::Known(of, found) = &app.models.distances
        && of == pool
    {
        map(found, canvas, inner);
        return;
    }
    let size = |name: &String| app.models.all().iter().find(|m| m.reference == *name).map_or(0, |m| m.bytes);
    let read: u64 = pool.sources.iter().chain([&pool.base]).map(size).sum();
    let text = match &app.models.distances {
        PoolDistances::Asked(of) if of == pool => messages::measuring().to_owned(),
        PoolDistances::Failed(of, why) if of == pool => why.clone(),
        _ => messages::distances_wait(&bytes(read)),
    };
    canvas.paragraph(inner, &text, canvas.theme.tone(Tone::Dim));
}

/// A warning for each model that contains numbers that are not finite.
fn not_finite(found: &Distances) -> Vec<String> {
    let base = std::iter::once((&found.base, &found.base_not_finite));
    let sources = found.sources.iter().zip(&found.not_finite);
    let odd = base.chain(sources).filter(|(_, n)| **n > 0);
    odd.map(|(model, n)| messages::distances_not_finite(&short(model), *n)).collect()
}

/// Draws a row for each source, then one for each pair of sources.
fn map(found: &Distances, canvas: &mut Canvas<'_>, area: Rect) {
    let groups = LayerGroup::count(found.layers) as u16;
    let names: Vec<String> = found.sources.iter().map(|s| short(s)).collect();
    let pair = |first: usize, second: usize| format!("{} {}", names[first], names[second]);
    let pairs: Vec<String> = found.cosines.iter().map(|p| pair(p.first, p.second)).collect();
    let longest = names.iter().chain(&pairs).map(|n| width(n)).max().unwrap_or(0) as u16;
    let name = longest.min(area.width / 3).max(6);
    let [left, right] = Layout::horizontal([Length(name), Fill(1)]).spacing(1).areas(area);
    // If there are more groups than cells, neighbouring groups share a cell.
    let wide = (right.width / groups).clamp(NARROW, WIDE);
    let cells = groups.min(right.width / wide);
    if cells == 0 {
        return;
    }
    let cells = Layout::horizontal((0..cells).map(|_| Length(wide))).flex(Flex::Start).split(right);
    let (dim, plain) = (canvas.theme.tone(Tone::Dim), canvas.theme.tone(Tone::Plain));
    let mut rows = area.rows().collect::<Vec<_>>().into_iter();
    let Some(head) = rows.next() else { return };
    heads(found.layers, canvas, &cells, head);
    canvas.line(left.intersection(head), messages::distances_norm(), dim);
    let highest = found.norms.iter().flatten().copied().fold(0.0, f64::max);
    for ((label, norms), row) in names.iter().zip(&found.norms).zip(&mut rows) {
        canvas.line(left.intersection(row), label, plain);
        write_cells(canvas, &cells, row, norms, (-highest, highest), &|v| format!("{:.1}", v * 100.0));
    }
    for (line, row) in not_finite(found).iter().zip(&mut rows) {
        canvas.line(row, line, canvas.theme.tone(Tone::Warn));
    }
    if found.cosines.is_empty() || rows.len() < 2 {
        return;
    }
    if let Some(row) = rows.next() {
        canvas.line(row, messages::distances_cosine(), dim);
    }
    for ((label, pair), row) in pairs.iter().zip(&found.cosines).zip(&mut rows) {
        canvas.line(left.intersection(row), label, plain);
        write_cells(canvas, &cells, row, &pair.cosines, (-1.0, 1.0), &|v| format!("{v:.2}"));
    }
    if let Some(row) = rows.next().filter(|_| found.left_out > 0) {
        canvas.line(row, &messages::distances_left_out(found.left_out), dim);
    }
}

/// Writes as many names of layer groups over the cells as fit.
fn heads(layers: usize, canvas: &mut Canvas<'_>, cells: &[Rect], row: Rect) {
    let dim = canvas.theme.tone(Tone::Dim);
    let wide = cells.first().map_or(1, |c| c.width);
    let every = usize::from((4 / wide).max(1));
    let groups = LayerGroup::count(layers);
    for (i, at) in cells.chunks(every).enumerate() {
        let group = LayerGroup::from_index(i * every * groups / cells.len(), layers);
        let text = match group {
            LayerGroup::Embedding if wide < 5 => "e".to_owned(),
            LayerGroup::Head if wide < 5 => "h".to_owned(),
            group => group.to_string(),
        };
        let room = (wide * every as u16).saturating_sub(u16::from(wide > 1)).max(1);
        let text = if wide > 3 { format!("{text:>w$}", w = usize::from(wide - 1)) } else { text };
        canvas.line(Rect { width: room, ..at[0].intersection(row) }, &text, dim);
    }
}

/// Draws a row of numbers as colours, with digits if there is room.
fn write_cells(
    canvas: &mut Canvas<'_>,
    cells: &[Rect],
    row: Rect,
    values: &[f64],
    (low, high): (f64, f64),
    figure: &dyn Fn(f64) -> String,
) {
    let n = values.len();
    for (i, cell) in cells.iter().enumerate() {
        let (from, to) = (i * n / cells.len(), (i + 1) * n / cells.len());
        let part = &values[from..to.max(from + 1).min(n)];
        let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
        let style = canvas.theme.heat(mean, low, high);
        let mut cell = cell.intersection(row);
        let text = if cell.width >= 5 {
            cell.width -= 1;
            format!("{:>w$}", figure(mean), w = usize::from(cell.width))
        } else {
            format!("{:<w$}", canvas.theme.heat_mark(mean, high), w = usize::from(cell.width))
        };
        canvas.line(cell, &text, style);
    }
}
