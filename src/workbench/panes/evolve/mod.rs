//! Evolve: the run at a glance.

pub mod actions;
mod population;
mod scores;
mod start;
pub mod state;
mod update;

use ratatui::layout::Rect;

use crate::session::protocol::{Split, Status, Target};
use crate::session::state::Entry;
use crate::session::text::visible_line;
use crate::workbench::app::{App, Link};
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::answers::state::Fetch;
use crate::workbench::panes::evolve::state::Run;
use crate::workbench::text::{bytes, count, duration};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::chart::{Border, Chart, Level, Series};
use crate::workbench::widgets::heat::Grid;
use crate::workbench::widgets::path_map::PathMap;
use crate::workbench::widgets::samples::{self, Asked, Sample};

/// Draws the pane.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(run) = &app.run else {
        welcome(app, canvas, area);
        return;
    };
    let head = Rect::new(area.x, area.y, area.width, 2.min(area.height));
    status(run, canvas, head);
    let body = Canvas::below(area, 2);
    let side = (body.width * 2 / 5).clamp(30, 48).min(body.width);
    let main = body.width - side;
    let upper = if body.height < 16 { body.height / 2 } else { (body.height * 9 / 20).max(10) };
    let lower = Canvas::below(body, upper);
    let rect = |x: u16, y: u16, w: u16, h: u16| Rect::new(body.x + x, y, w, h);
    if body.width < 64 {
        // Too narrow for two columns: the chart, then the population, then a sample.
        chart(run, canvas, rect(0, body.y, body.width, upper));
        let rows = lower.height / 2;
        people(app, run, canvas, rect(0, lower.y, body.width, rows));
        stream(app, run, canvas, Canvas::below(lower, rows));
        return;
    }
    chart(run, canvas, rect(0, body.y, main, upper));
    let inner = canvas.panel(rect(main, body.y, side, upper), messages::reference_points(), false);
    scores::draw(run, canvas, shrink(inner));
    let best = best_genome(run);
    let wide = body.width >= 110;
    match best {
        Some(best) if wide => {
            let grid_width = (best.width() + 3).min(body.width / 3);
            let people_width = ((body.width - grid_width) * 2 / 5).max(44);
            people(app, run, canvas, rect(0, lower.y, people_width, lower.height));
            genome(run, &best, canvas, rect(people_width, lower.y, grid_width, lower.height));
            let x = people_width + grid_width;
            stream(app, run, canvas, rect(x, lower.y, body.width - x, lower.height));
        }
        _ => {
            let half = body.width / 2;
            people(app, run, canvas, rect(0, lower.y, half, lower.height));
            stream(app, run, canvas, rect(half, lower.y, body.width - half, lower.height));
        }
    }
}

fn shrink(area: Rect) -> Rect {
    Rect::new(area.x + 1, area.y, area.width.saturating_sub(2), area.height)
}

/// Nothing runs: say what can.
fn welcome(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = shrink(canvas.panel(area, messages::evolve(), true));
    let pool = &app.models.pool;
    let text = match &app.link {
        Link::Connecting => messages::engine_being_started().to_owned(),
        Link::Lost(why) => messages::engine_gone(why),
        Link::Connected { .. } => messages::welcome(&app.config.title, &pool.sources.join(", "), &pool.base),
    };
    let room = Rect::new(inner.x, inner.y + inner.height / 4, inner.width.min(72), inner.height * 3 / 4);
    canvas.paragraph(room, &text, canvas.theme.tone(Tone::Plain));
}

/// Two lines: how far it is, and how fast.
fn status(run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let state = &run.state;
    let (strong, dim) = (canvas.theme.tone(Tone::Strong), canvas.theme.tone(Tone::Dim));
    if !run.caught_up && state.seq == 0 {
        canvas.text((area.x + 1, area.y), area.width, messages::reading_journal(), dim);
        return;
    }
    let generation = state.generations.last().map_or(0, |g| g.generation);
    let done = format!("{}/{}", state.evaluations, state.budget);
    let best = state.best_entry();
    let fitness = best.and_then(Entry::train).map_or_else(|| "-".to_owned(), |s| format!("{:.3}", s.fitness));
    let held = best.and_then(|e| e.test).map_or_else(|| "-".to_owned(), |s| format!("{:.3}", s.fitness));
    let generation = generation.to_string();
    let tone = match run.status() {
        Status::Running => Tone::Good,
        Status::Paused | Status::Stopped => Tone::Warn,
        Status::New | Status::Finished => Tone::Accent,
    };
    let pieces = [
        (run.status_word(), canvas.theme.tone(tone)),
        (messages::status_generation(), dim),
        (&generation, strong),
        (messages::status_evaluations(), dim),
        (&done, strong),
        (messages::status_best(), dim),
        (&fitness, strong),
        (messages::status_held_out(), dim),
        (&held, strong),
    ];
    canvas.pieces((area.x + 1, area.y), area.width.saturating_sub(1), &pieces);
    if area.height < 2 {
        return;
    }
    let mut words = Vec::new();
    if let Some(rate) = &run.rate {
        words.push(messages::per_hour(&count(rate.candidates_per_hour.max(0.0) as u64)));
        words.push(messages::tokens_per_second(&count(rate.tokens_per_second.max(0.0) as u64)));
        if let Some(eta) = rate.eta_s {
            words.push(messages::time_left(&duration(eta)));
        }
        if rate.memory_bytes > 0 {
            words.push(bytes(rate.memory_bytes));
        }
    } else {
        let seconds = state.updated_ms.saturating_sub(state.created_ms) as f64 / 1000.0;
        words.push(messages::since_start(&duration(seconds)));
        words.push(messages::tokens(&count(state.tokens)));
    }
    words.push(format!("{} {}", state.device, state.dtype));
    if !state.device_note.is_empty() {
        words.push(messages::fell_back().to_owned());
    }
    if let Some((at, name, of)) = state.stage_place() {
        words.insert(0, messages::stage(at, of, &visible_line(name)));
    }
    words.push(messages::seed(state.seed));
    if let Some(reason) = &state.reason {
        words.push(reason.clone());
    }
    let cells = if area.width < 100 { 10 } else { 20 };
    let bar = progress_bar(run, cells.into());
    canvas.text((area.x + 1, area.y + 1), cells, &bar, canvas.theme.series(0));
    let x = cells + 3;
    canvas.text((area.x + x, area.y + 1), area.width.saturating_sub(x), &words.join("   "), dim);
}

fn progress_bar(run: &Run, cells: usize) -> String {
    let full = (run.state.used() * cells as f64).round() as usize;
    format!("{}{}", "=".repeat(full), "-".repeat(cells - full))
}

/// Where the generations' axis ends: at the planned end, or, while that is far, at a round number
/// that leaves room to grow.
fn axis_end(last: f64, planned: f64) -> f64 {
    let near = (1..8).flat_map(|p| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(p)));
    let room = near.into_iter().find(|end| *end >= last * 1.5).unwrap_or(planned);
    room.min(planned.max(last)).max(2.0)
}

/// Best, mean and held-out fitness over the generations.
fn chart(run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
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
        // The spread of a generation: a standard deviation above and below its mean.
        spread(1.0),
        spread(-1.0),
    ];
    let mut levels = Vec::new();
    let fitness = |e: &Entry| e.train().map(|s| s.fitness);
    let base = state.baselines().find(|e| e.candidate.origin == crate::session::protocol::Origin::Base);
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

fn people(app: &App, run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let title = match run.state.generations.last() {
        Some(g) => messages::generation_numbered(g.generation),
        None => messages::population().to_owned(),
    };
    let inner = canvas.panel(area, &title, true);
    population::draw(app, run, canvas, inner);
}

/// The best recipe: a grid of weights, or the map of its path.
enum Genome<'a> {
    Grid(Grid<'a>),
    PathMap(PathMap<'a>),
}

impl Genome<'_> {
    fn width(&self) -> u16 {
        match self {
            Self::Grid(grid) => grid.compact_width(),
            Self::PathMap(path_map) => path_map.width(),
        }
    }
}

fn best_genome(run: &Run) -> Option<Genome<'_>> {
    let best = run.state.best_entry()?;
    let Target::Recipe(recipe) = &best.candidate.target else { return None };
    Some(if recipe.path.is_empty() {
        Genome::Grid(Grid::still(recipe, run.state.layers))
    } else {
        Genome::PathMap(PathMap::still(&recipe.path, recipe.donor()))
    })
}

fn genome(run: &Run, best: &Genome<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    let label = run.state.best_entry().map_or("", |e| e.candidate.label.as_str());
    let inner = canvas.panel(area, &messages::best_labelled(label), false);
    match best {
        Genome::Grid(grid) => grid.draw(canvas, inner),
        Genome::PathMap(path_map) => path_map.draw(canvas, inner),
    };
}

/// The watched questions with the answers that are being written, or, of a session at rest, with
/// the best candidate's.
fn stream(app: &App, run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = shrink(canvas.panel(area, messages::samples(), false));
    if inner.height < 3 {
        return;
    }
    let mut rows = Vec::new();
    let n = run.watching.len();
    for i in 0..n {
        let watched = &run.watching[(i + run.first_sample) % n];
        if let Some(stream) = run.streams.get(&watched.index) {
            let entry = run.state.entry(stream.candidate);
            let title = entry.map_or(messages::reference_point(), |e| e.candidate.label.as_str()).to_owned();
            let style = canvas.theme.tone(Tone::Accent);
            let sample = Sample { title, style, text: stream.text.clone(), answer: None, open: false };
            rows.push(Asked {
                question: watched.question.clone(),
                gold: watched.gold.clone(),
                samples: vec![sample],
            });
        }
    }
    if rows.is_empty()
        && let Some(id) = run.state.best
        && let Some(Fetch::Here(stored)) = app.answers.fetched.get(&(id, Split::Train))
    {
        let style = canvas.theme.tone(Tone::Accent);
        let label = run.state.entry(id).map_or(messages::best_name(), |e| e.candidate.label.as_str());
        for question in &app.preview.questions {
            if let Some(answer) = stored.answers.iter().find(|a| a.index == *question) {
                let sample = Sample { style, ..Sample::done(label, answer, *canvas.theme) };
                rows.push(Asked {
                    question: answer.question.clone(),
                    gold: answer.gold.clone(),
                    samples: vec![sample],
                });
            }
        }
    }
    if rows.is_empty() {
        canvas.paragraph(inner, messages::samples_appear(), canvas.theme.tone(Tone::Dim));
        return;
    }
    samples::draw_all(canvas, inner, &rows);
}
