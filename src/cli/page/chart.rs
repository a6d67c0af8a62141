//! The fitness curve. A session's generations come in, an inline SVG goes out: the best fitness so far, the mean with
//! its spread, and the best candidate's fitness on the held-out questions. The page calls it.

use std::fmt::Write;

use super::escape;
use crate::session::protocol::Origin;
use crate::session::state::{Entry, Generation, SessionState};

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 128.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;
/// Least vertical distance between two line names at the right edge.
const APART: f64 = 16.0;

/// The figure of a generation that a line plots.
type Of<'a> = &'a dyn Fn(&Generation) -> Option<f64>;

/// Maps fitness and generation to coordinates in the picture.
struct Scale {
    last: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn x(&self, place: usize) -> f64 {
        let share = if self.last > 0.0 { place as f64 / self.last } else { 0.5 };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, fitness: f64) -> f64 {
        let share = (fitness - self.low) / (self.high - self.low);
        TOP + (1.0 - share.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
    }
}

pub fn draw(state: &SessionState, out: &mut String) -> std::fmt::Result {
    let rows: Vec<&Generation> = state.generations.iter().filter(|g| g.complete).collect();
    out.push_str("<section>\n<h2>Fitness</h2>\n");
    if rows.is_empty() {
        out.push_str("<p class=\"note\">No generation is complete yet.</p>\n</section>\n");
        return Ok(());
    }
    let held = |g: &Generation| g.best.and_then(|id| state.entry(id)?.test).map(|s| s.fitness);
    let levels = levels(state);
    let scale = scale(&rows, &levels, &held);
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Fitness over the generations\">"
    )?;
    axes(&scale, &rows, out)?;
    borders(state, &scale, &rows, out)?;
    for (_, y) in &levels {
        let y = scale.y(*y);
        writeln!(out, "<path class=\"level\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT)?;
    }
    band(&scale, &rows, out)?;
    let mut names: Vec<(f64, String, &str)> =
        levels.iter().map(|(name, y)| (scale.y(*y), format!("{name} {y:.3}"), "")).collect();
    let lines: [(&str, &str, Of<'_>); 3] = [
        ("mean", "mean", &|g| Some(g.mean_fitness)),
        ("held", "held out", &held),
        ("best", "best", &|g| Some(g.best_fitness)),
    ];
    for (class, name, of) in lines {
        let points: Vec<(f64, f64)> = rows
            .iter()
            .enumerate()
            .filter_map(|(i, g)| of(g).filter(|y| y.is_finite()).map(|y| (scale.x(i), y)))
            .collect();
        let Some((_, last)) = points.last() else { continue };
        let mut path = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            write!(path, "{}{x:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, scale.y(*y))?;
        }
        writeln!(out, "<path class=\"line {class}\" d=\"{path}\"/>")?;
        names.push((scale.y(*last), format!("{name} {last:.3}"), class));
    }
    ends(names, out)?;
    out.push_str("</svg>\n");
    out.push_str(
        "<p class=\"note\">best: highest training fitness so far; mean: of each generation, with one standard \
         deviation; held out: the best one's fitness on questions that the search never saw.</p>\n</section>\n",
    );
    Ok(())
}

/// Horizontal lines for the base and the best global weighting, for comparison.
fn levels(state: &SessionState) -> Vec<(&'static str, f64)> {
    let fitness = |e: &Entry| e.train().map(|s| s.fitness).filter(|f| f.is_finite());
    let of = |origin| state.entries.iter().filter(move |e| e.candidate.origin == origin).filter_map(fitness);
    let base = of(Origin::Base).next().map(|y| ("base", y));
    let global = of(Origin::Grid).max_by(f64::total_cmp).map(|y| ("best global", y));
    base.into_iter().chain(global).collect()
}

fn scale(rows: &[&Generation], levels: &[(&str, f64)], held: &dyn Fn(&Generation) -> Option<f64>) -> Scale {
    let values = rows
        .iter()
        .flat_map(|g| [Some(g.best_fitness), Some(g.mean_fitness), held(g)])
        .flatten()
        .chain(levels.iter().map(|l| l.1))
        .filter(|y| y.is_finite());
    let (low, high) = values.fold((0.0_f64, 0.1_f64), |(low, high), y| (low.min(y), high.max(y)));
    let step = step(high - low);
    Scale {
        last: (rows.len() - 1) as f64,
        low: (low / step).floor() * step,
        high: (high / step).ceil() * step,
    }
}

/// A round step between grid lines that gives about five of them.
fn step(span: f64) -> f64 {
    let power = 10_f64.powf((span / 5.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| span / s <= 6.0).unwrap_or(power * 10.0)
}

fn axes(scale: &Scale, rows: &[&Generation], out: &mut String) -> std::fmt::Result {
    let step = step(scale.high - scale.low);
    for i in 0..=((scale.high - scale.low) / step).round() as u32 {
        let value = scale.low + f64::from(i) * step;
        let y = scale.y(value);
        writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT)?;
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.2}</text>",
            LEFT - 8.0,
            y + 4.0
        )?;
    }
    let every = (rows.len() / 8).max(1);
    for (i, row) in rows.iter().enumerate().filter(|(i, _)| i % every == 0) {
        let (x, y) = (scale.x(i), HEIGHT - BOTTOM + 18.0);
        writeln!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", row.generation)?;
    }
    let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
    writeln!(out, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">generation</text>", HEIGHT - 6.0)
}

/// A vertical line where each later stage begins, and the name of every stage at the top.
fn borders(state: &SessionState, scale: &Scale, rows: &[&Generation], out: &mut String) -> std::fmt::Result {
    let Some(first) = state.stages.first() else { return Ok(()) };
    let mut starts = vec![(LEFT, first)];
    for (begun, name) in state.begun.iter().zip(&state.stages[1..]) {
        // Halfway between the previous stage's last generation and this stage's first.
        let Some(place) = rows.iter().position(|g| g.generation >= begun.generation) else { continue };
        let x = f64::midpoint(scale.x(place), scale.x(place.saturating_sub(1)));
        writeln!(out, "<path class=\"border\" d=\"M{x:.1} {TOP}V{:.1}\"/>", HEIGHT - BOTTOM)?;
        starts.push((x, name));
    }
    for (x, name) in starts {
        writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 6.0, TOP + 10.0, escape(name))?;
    }
    Ok(())
}

/// The band of one standard deviation around the mean.
fn band(scale: &Scale, rows: &[&Generation], out: &mut String) -> std::fmt::Result {
    let point = |i: usize, y: f64| format!("{:.1} {:.1}", scale.x(i), scale.y(y));
    let finite = |g: &&Generation| g.mean_fitness.is_finite() && g.std_fitness.is_finite();
    let rows: Vec<(usize, &&Generation)> = rows.iter().enumerate().filter(|(_, g)| finite(g)).collect();
    let above = rows.iter().map(|(i, g)| point(*i, g.mean_fitness + g.std_fitness));
    let below = rows.iter().rev().map(|(i, g)| point(*i, g.mean_fitness - g.std_fitness));
    let outline: Vec<String> = above.chain(below).collect();
    if outline.is_empty() {
        Ok(())
    } else {
        writeln!(out, "<path class=\"band\" d=\"M{}Z\"/>", outline.join("L"))
    }
}

/// Names at the ends of the lines, moved apart if they would overlap.
fn ends(mut names: Vec<(f64, String, &str)>, out: &mut String) -> std::fmt::Result {
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    for i in 1..names.len() {
        names[i].0 = names[i].0.max(names[i - 1].0 + APART);
    }
    let mut limit = HEIGHT - BOTTOM;
    for name in names.iter_mut().rev() {
        name.0 = name.0.min(limit);
        limit = name.0 - APART;
    }
    for (y, name, class) in names {
        let x = WIDTH - RIGHT + 8.0;
        writeln!(out, "<text class=\"name-{class}\" x=\"{x}\" y=\"{:.1}\">{name}</text>", y + 4.0)?;
    }
    Ok(())
}
