//! Draws the chart of fitness: best, mean and held-out over the generations, with the base's fitness and that of the
//! best global weighting as reference lines. `panes/evolve/mod.rs` calls it.

use ratatui::layout::Rect;

use super::state::Run;
use crate::session::protocol::Origin;
use crate::session::state::Entry;
use crate::text::visible_line;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::theme::Tone;
use crate::workbench::widgets::chart::{Border, Chart, Level, Series};

/// Last generation on the axis: the planned last one, or, while that is far ahead, a round number that leaves room
/// for more generations.
fn axis_end(last: f64, planned: f64) -> f64 {
    let near = (1..8).flat_map(|p| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(p)));
    let room = near.into_iter().find(|end| *end >= last * 1.5).unwrap_or(planned);
    room.min(planned.max(last)).max(2.0)
}

/// Draws best, mean and held-out fitness over the generations.
pub fn draw(run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.panel(area, messages::fitness(), false);
    let state = &run.state;
    let complete: Vec<_> = state.generations.iter().filter(|g| g.complete).collect();
    let first = state.generations.first().map_or(0, |g| g.generation);
    let x = |g: u64| g.saturating_sub(first) as f64 + 1.0;
    let line = |f: &dyn Fn(usize) -> Option<f64>| {
        (0..complete.len()).filter_map(|i| Some((x(complete[i].generation), f(i)?))).collect()
    };
    let held = |i: usize| complete[i].best.and_then(|id| state.entry(id)?.test).map(|s| s.fitness);
    let spread = |sign: f64| Series {
        name: String::new(),
        points: line(&|i| Some(complete[i].mean_fitness + sign * complete[i].std_fitness)),
        style: canvas.theme.tone(Tone::Dim),
        mark: '.',
    };
    let series = vec![
        Series {
            name: messages::series_best().to_owned(),
            points: line(&|i| Some(complete[i].best_fitness)),
            style: canvas.theme.series(0),
            mark: '*',
        },
        Series {
            name: messages::series_mean().to_owned(),
            points: line(&|i| Some(complete[i].mean_fitness)),
            style: canvas.theme.series(1),
            mark: 'o',
        },
        Series {
            name: messages::series_held_out().to_owned(),
            points: line(&held),
            style: canvas.theme.series(2),
            mark: '+',
        },
        // One standard deviation above and below the mean of each generation.
        spread(1.0),
        spread(-1.0),
    ];
    let mut levels = Vec::new();
    let fitness = |e: &Entry| e.train().map(|s| s.fitness);
    let base = state.baselines().find(|e| e.candidate.origin == Origin::Base);
    for (name, entry) in [(messages::level_base(), base), (messages::level_global(), run.best_global())] {
        if let Some(y) = entry.and_then(fitness) {
            levels.push(Level { name: name.to_owned(), y });
        }
    }
    let size = state.generations.first().map_or(1, |g| g.candidates.len().max(1));
    let planned = (state.budget as f64 / size as f64).ceil();
    let last = state.generations.last().map_or(1.0, |g| x(g.generation));
    let begun = state.begun.iter().zip(state.stages.iter().skip(1));
    let borders =
        begun.map(|(b, name)| Border { name: visible_line(name), x: x(b.generation) - 0.5 }).collect();
    let x_max = axis_end(last, planned);
    Chart { series, levels, borders, x_max, x_title: messages::axis_generation() }.draw(canvas, inner);
}
