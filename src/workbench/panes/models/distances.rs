//! Where fine-tunes differ from their base: a row a source, a column a layer group, the task
//! vector's length as a share of the base's; below, the cosines between two task vectors.

use ratatui::layout::Rect;

use crate::recipe::LayerGroup;
use crate::session::protocol::Distances;
use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::models::state::Apart;
use crate::workbench::text::{bytes, width};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::short;

/// Widest and narrowest cell.
const WIDE: u16 = 6;
const NARROW: u16 = 1;

/// Rows that the map would like to have, its frame included.
#[must_use]
pub fn rows(app: &App) -> u16 {
    match &app.models.apart {
        Apart::Known(_, found) => {
            let pairs = found.cosines.len() as u16;
            let odd = not_finite(found).len() as u16;
            found.sources.len() as u16 + 4 + odd + if pairs > 0 { pairs + 1 } else { 0 }
        }
        _ => 3,
    }
}

/// Draws the map, or says why there is none.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.panel(area, messages::distances_title(), false);
    let inner = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), inner.height);
    let pool = &app.models.pool;
    if let Apart::Known(of, found) = &app.models.apart
        && of == pool
    {
        map(found, canvas, inner);
        return;
    }
    let size = |name: &String| app.models.all().iter().find(|m| m.reference == *name).map_or(0, |m| m.bytes);
    let read: u64 = pool.sources.iter().chain([&pool.base]).map(size).sum();
    let text = match &app.models.apart {
        Apart::Asked(of) if of == pool => messages::measuring().to_owned(),
        Apart::Failed(of, why) if of == pool => why.clone(),
        _ => messages::distances_wait(&bytes(read)),
    };
    canvas.paragraph(inner, &text, canvas.theme.tone(Tone::Dim));
}

/// A line for each model that holds numbers which are not finite.
fn not_finite(found: &Distances) -> Vec<String> {
    let base = std::iter::once((&found.base, &found.base_not_finite));
    let sources = found.sources.iter().zip(&found.not_finite);
    let odd = base.chain(sources).filter(|(_, n)| **n > 0);
    odd.map(|(model, n)| messages::distances_not_finite(&short(model), *n)).collect()
}

fn map(found: &Distances, canvas: &mut Canvas<'_>, area: Rect) {
    let groups = LayerGroup::count(found.layers) as u16;
    let names: Vec<String> = found.sources.iter().map(|s| short(s)).collect();
    let pair = |first: usize, second: usize| format!("{} {}", names[first], names[second]);
    let pairs: Vec<String> = found.cosines.iter().map(|p| pair(p.first, p.second)).collect();
    let longest = names.iter().chain(&pairs).map(|n| width(n)).max().unwrap_or(0) as u16;
    let name = longest.min(area.width / 3).max(6);
    let room = area.width.saturating_sub(name + 1);
    // More groups than cells: neighbours share one.
    let wide = (room / groups).clamp(NARROW, WIDE);
    let cells = groups.min(room / wide);
    if cells == 0 || area.height == 0 {
        return;
    }
    let left = area.x + name + 1;
    let dim = canvas.theme.tone(Tone::Dim);
    heads(found.layers, canvas, (left, area.y), wide, cells, groups);
    canvas.text((area.x, area.y), name, messages::distances_norm(), dim);
    let highest = found.norms.iter().flatten().copied().fold(0.0, f64::max);
    let mut y = area.y + 1;
    for (label, norms) in names.iter().zip(&found.norms) {
        canvas.text((area.x, y), name, label, canvas.theme.tone(Tone::Plain));
        row(canvas, (left, y), wide, cells, norms, (-highest, highest), &|v| format!("{:.1}", v * 100.0));
        y += 1;
    }
    for line in not_finite(found) {
        if y < area.bottom() {
            canvas.text((area.x, y), area.width, &line, canvas.theme.tone(Tone::Warn));
            y += 1;
        }
    }
    if found.cosines.is_empty() || y + 1 >= area.bottom() {
        return;
    }
    canvas.text((area.x, y), area.width, messages::distances_cosine(), dim);
    y += 1;
    for (label, pair) in pairs.iter().zip(&found.cosines) {
        if y >= area.bottom() {
            return;
        }
        canvas.text((area.x, y), name, label, canvas.theme.tone(Tone::Plain));
        row(canvas, (left, y), wide, cells, &pair.cosines, (-1.0, 1.0), &|v| format!("{v:.2}"));
        y += 1;
    }
    if found.left_out > 0 && y < area.bottom() {
        canvas.text((area.x, y), area.width, &messages::distances_left_out(found.left_out), dim);
    }
}

/// Names of the groups over the cells, as many as have room.
fn heads(layers: usize, canvas: &mut Canvas<'_>, at: (u16, u16), wide: u16, cells: u16, groups: u16) {
    let dim = canvas.theme.tone(Tone::Dim);
    let every = (4 / wide).max(1);
    for cell in (0..cells).step_by(every.into()) {
        let group = LayerGroup::from_index(usize::from(cell * groups / cells), layers);
        let text = match group {
            LayerGroup::Embedding if wide < 5 => "e".to_owned(),
            LayerGroup::Head if wide < 5 => "h".to_owned(),
            group => group.to_string(),
        };
        let room = (wide * every).saturating_sub(u16::from(wide > 1)).max(1);
        let text = if wide > 3 { format!("{text:>w$}", w = usize::from(wide - 1)) } else { text };
        canvas.text((at.0 + cell * wide, at.1), room, &text, dim);
    }
}

/// A row of numbers as colours, with the figures where they have room.
fn row(
    canvas: &mut Canvas<'_>,
    at: (u16, u16),
    wide: u16,
    cells: u16,
    values: &[f64],
    (low, high): (f64, f64),
    figure: &dyn Fn(f64) -> String,
) {
    let n = values.len();
    for cell in 0..usize::from(cells) {
        let (from, to) = (cell * n / usize::from(cells), (cell + 1) * n / usize::from(cells));
        let part = &values[from..to.max(from + 1).min(n)];
        let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
        let style = canvas.theme.heat(mean, low, high);
        let text = if wide >= 5 {
            format!("{:>w$}", figure(mean), w = usize::from(wide - 1))
        } else {
            format!("{}{}", canvas.theme.heat_mark(mean, high), " ".repeat(usize::from(wide - 1)))
        };
        canvas.text((at.0 + cell as u16 * wide, at.1), if wide >= 5 { wide - 1 } else { wide }, &text, style);
    }
}
