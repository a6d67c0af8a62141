//! A line chart: axes with round numbers, lines of braille dots, and each line's name at its end instead of a legend.
//! The Evolve pane draws fitness with it.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::limits::TICKS;
use crate::workbench::canvas::Canvas;
use crate::workbench::text::width;
use crate::workbench::theme::Tone;

/// Greater heights are drawn at the top edge.
const HIGHEST: f64 = 1e100;

/// A named line.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    pub style: Style,
    /// The glyph that draws the line if the terminal has no braille. It is also shown beside the line's name.
    pub mark: char,
}

/// A height to compare with, drawn as a dashed line.
pub struct Level {
    pub name: String,
    pub y: f64,
}

/// A named vertical line on the x axis, such as the start of a stage.
pub struct Border {
    pub name: String,
    pub x: f64,
}

/// The chart's content.
pub struct Chart {
    pub series: Vec<Series>,
    pub levels: Vec<Level>,
    pub borders: Vec<Border>,
    /// The x axis runs from 1 to this.
    pub x_max: f64,
    pub x_title: &'static str,
}

/// The dots of one cell as bits of its braille pattern, and the series that drew in it last.
#[derive(Clone, Copy, Default)]
struct Dots {
    bits: u8,
    series: usize,
}

/// The plot's coordinates.
struct Frame {
    plot: Rect,
    x_max: f64,
    y_max: f64,
}

impl Frame {
    /// Dot column and row (from the top) of a point.
    fn dot(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let (w, h) = (f64::from(self.plot.width) * 2.0 - 1.0, f64::from(self.plot.height) * 4.0 - 1.0);
        let across = (x - 1.0) / (self.x_max - 1.0).max(1.0);
        let up = (y / self.y_max).clamp(0.0, 1.0);
        ((across.clamp(0.0, 1.0) * w).round() as i32, ((1.0 - up) * h).round() as i32)
    }

    /// Screen row of a height.
    fn row(&self, y: f64) -> u16 {
        self.plot.y + (self.dot((1.0, y)).1 / 4) as u16
    }
}

impl Chart {
    /// Draws the chart into `area`.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let names = self.series.iter().map(|s| &s.name).chain(self.levels.iter().map(|l| &l.name));
        let mark = if canvas.theme.ascii { 2 } else { 0 };
        let ends = names.map(|n| width(n) + 6 + mark).max().unwrap_or(0).min(20) as u16;
        let ends = if area.width > 50 { ends } else { 0 };
        if area.width < 12 + ends || area.height < 5 {
            return;
        }
        let plot = Rect::new(area.x + 6, area.y, area.width - 7 - ends, area.height - 2);
        let (step, y_max) = self.scale(plot.height);
        let frame = Frame { plot, x_max: self.x_max.max(2.0), y_max };
        self.axes(canvas, &frame, step);
        for level in &self.levels {
            let y = frame.row(level.y);
            for x in (plot.left()..plot.right()).step_by(2) {
                canvas.glyph(x, y, "-", canvas.theme.tone(Tone::Dim));
            }
        }
        self.borders(canvas, &frame);
        let mut dots = vec![Dots::default(); usize::from(plot.width) * usize::from(plot.height)];
        for (index, series) in self.series.iter().enumerate().rev() {
            trace(&frame, &mut dots, index, &series.points);
        }
        for (i, cell) in dots.iter().enumerate().filter(|(_, d)| d.bits != 0) {
            let x = plot.x + (i % usize::from(plot.width)) as u16;
            let y = plot.y + (i / usize::from(plot.width)) as u16;
            let dot = char::from_u32(0x2800 + u32::from(cell.bits)).unwrap_or('*');
            let series = &self.series[cell.series];
            let glyph = if canvas.theme.ascii { series.mark } else { dot };
            canvas.glyph(x, y, &glyph.to_string(), series.style);
        }
        self.border_names(canvas, &frame);
        if ends > 0 {
            self.ends(canvas, &frame, ends);
        }
    }

    /// Screen columns of the borders.
    fn border_columns(&self, frame: &Frame) -> Vec<u16> {
        let column = |border: &Border| frame.plot.x + (frame.dot((border.x, 0.0)).0 / 2) as u16;
        self.borders.iter().map(column).collect()
    }

    /// Draws the vertical lines.
    fn borders(&self, canvas: &mut Canvas<'_>, frame: &Frame) {
        let upright = if canvas.theme.ascii { "|" } else { "│" };
        for x in self.border_columns(frame) {
            for y in frame.plot.top()..frame.plot.bottom() {
                canvas.glyph(x, y, upright, canvas.theme.tone(Tone::Dim));
            }
        }
    }

    /// Writes each vertical line's name at its foot, cut where the next name begins.
    fn border_names(&self, canvas: &mut Canvas<'_>, frame: &Frame) {
        let columns = self.border_columns(frame);
        let dim = canvas.theme.tone(Tone::Dim);
        for (i, (border, x)) in self.borders.iter().zip(&columns).enumerate() {
            let until = columns.get(i + 1).copied().unwrap_or(frame.plot.right());
            canvas.text((x + 2, frame.plot.bottom() - 1), until.saturating_sub(x + 2), &border.name, dim);
        }
    }

    /// The step between two numbers on the y axis, and the axis's end.
    fn scale(&self, height: u16) -> (f64, f64) {
        let values = self.series.iter().flat_map(|s| s.points.iter().map(|p| p.1));
        let finite = values.chain(self.levels.iter().map(|l| l.y)).filter(|y| y.is_finite());
        let top = finite.fold(0.1, f64::max).min(HIGHEST);
        let most = f64::from(height / 2).clamp(2.0, f64::from(TICKS));
        let fits = |s: &f64| (top * 1.05 / s).ceil() <= most;
        // Steps for fitness in [0, 1], then 1, 2 and 5 times any power of ten.
        let power = 10_f64.powf(top.log10().floor() - 1.0).max(1.0);
        let coarse = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0].map(|s| s * power);
        let steps = [0.02, 0.05, 0.1, 0.2, 0.25, 0.5].into_iter().chain(coarse);
        let step = steps.into_iter().find(fits).unwrap_or(top * 1.05);
        (step, (top * 1.02 / step).ceil() * step)
    }

    fn axes(&self, canvas: &mut Canvas<'_>, frame: &Frame, step: f64) {
        let dim = canvas.theme.tone(Tone::Dim);
        let plot = frame.plot;
        let (vertical, corner, horizontal) =
            if canvas.theme.ascii { ("|", "+", "-") } else { ("│", "╰", "─") };
        for y in plot.top()..plot.bottom() {
            canvas.glyph(plot.x - 1, y, vertical, dim);
        }
        canvas.glyph(plot.x - 1, plot.bottom(), corner, dim);
        for x in plot.left()..plot.right() {
            canvas.glyph(x, plot.bottom(), horizontal, dim);
        }
        for tick in 0..=((frame.y_max / step).round() as u32).min(TICKS) {
            let value = f64::from(tick) * step;
            let text = format!("{:>5}", number(value));
            canvas.text((plot.x - 6, frame.row(value)), 5, &text, dim);
        }
        let last = format!("{:.0}", frame.x_max);
        let y = plot.bottom() + 1;
        canvas.text((plot.x, y), 2, "1", dim);
        let title_x = plot.x + plot.width.saturating_sub(width(self.x_title) as u16) / 2;
        canvas.text((title_x, y), plot.width, self.x_title, dim);
        canvas.right(Rect { y, height: 1, ..plot }, &last, dim);
    }

    /// Writes names and last values at the lines' right ends, moved apart where they would overlap.
    fn ends(&self, canvas: &mut Canvas<'_>, frame: &Frame, cells: u16) {
        let plot = frame.plot;
        let mut labels: Vec<(u16, String, Style)> = Vec::new();
        for series in self.series.iter().filter(|s| !s.name.is_empty()) {
            if let Some((_, y)) = series.points.last() {
                let mark = if canvas.theme.ascii { format!("{} ", series.mark) } else { String::new() };
                let text = format!("{mark}{} {}", series.name, number(*y));
                labels.push((frame.row(*y), text, series.style));
            }
        }
        for level in &self.levels {
            let text = format!("{} {}", level.name, number(level.y));
            labels.push((frame.row(level.y), text, canvas.theme.tone(Tone::Dim)));
        }
        // From the top down, each label takes its own row or the next free row below. Labels past the bottom are
        // then moved up.
        labels.sort_by_key(|l| l.0);
        let mut rows: Vec<u16> = labels.iter().map(|l| l.0).collect();
        for i in 1..rows.len() {
            rows[i] = rows[i].max(rows[i - 1] + 1);
        }
        let mut limit = plot.bottom();
        for row in rows.iter_mut().rev() {
            *row = (*row).min(limit.saturating_sub(1));
            limit = *row;
        }
        for (y, (_, text, style)) in rows.into_iter().zip(labels) {
            if y >= plot.top() {
                canvas.text((plot.right() + 1, y), cells.saturating_sub(1), &text, style);
            }
        }
    }
}

/// A number in five cells if possible: `0.25`, `1234`, `2e7`.
fn number(value: f64) -> String {
    match value.abs() {
        size if size < 100.0 => format!("{value:.2}"),
        size if size < 10_000.0 => format!("{value:.0}"),
        _ => format!("{value:.0e}"),
    }
}

/// Draws a line through `points`.
fn trace(frame: &Frame, dots: &mut [Dots], series: usize, points: &[(f64, f64)]) {
    let mut set = |x: i32, y: i32| {
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let column = (x / 2) as usize;
        let row = (y / 4) as usize;
        let width = usize::from(frame.plot.width);
        if let Some(cell) = (column < width).then(|| dots.get_mut(row * width + column)).flatten() {
            cell.bits |= BITS[(y % 4) as usize][(x % 2) as usize];
            cell.series = series;
        }
    };
    let mut before: Option<(i32, i32)> = None;
    for point in points.iter().filter(|p| p.1.is_finite()) {
        let (x, y) = frame.dot(*point);
        let (x0, y0) = before.unwrap_or((x, y));
        let steps = (x - x0).abs().max((y - y0).abs()).max(1);
        for i in 0..=steps {
            let share = f64::from(i) / f64::from(steps);
            let at = |a: i32, b: i32| (f64::from(a) + f64::from(b - a) * share).round() as i32;
            set(at(x0, x), at(y0, y));
        }
        before = Some((x, y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Chart {
        let points = values.iter().enumerate().map(|(i, y)| (i as f64 + 1.0, *y)).collect();
        let series = vec![Series { name: "best".into(), points, style: Style::default(), mark: '*' }];
        Chart { series, levels: Vec::new(), borders: Vec::new(), x_max: 5.0, x_title: "generation" }
    }

    /// For any range, the axis shows a few round numbers.
    #[test]
    fn the_axis_has_a_few_numbers_for_any_range() {
        for (top, step) in [(0.9, 0.2), (1.0, 0.2), (4.0, 1.0), (70.0, 20.0), (1e6, 200_000.0), (1e8, 2e7)] {
            let (found, y_max) = of(&[0.0, top]).scale(20);
            assert!((found - step).abs() < step * 1e-9, "{top}: {found}");
            assert!(y_max >= top);
        }
        for top in [0.0, -5.0, 1.0, 3.0, 1e9, 1e50, 1e300, f64::MAX, f64::INFINITY, f64::NAN] {
            for height in [3, 10, 40] {
                let (step, y_max) = of(&[0.5, top]).scale(height);
                assert!((y_max / step).round() <= f64::from(TICKS), "{top}: {step} {y_max}");
            }
        }
        assert_eq!([0.25, 99.5, 1234.0, 2e7, -1e6].map(number), ["0.25", "99.50", "1234", "2e7", "-1e6"]);
    }
}
