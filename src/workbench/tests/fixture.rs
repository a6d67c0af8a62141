//! A session that never ran: plausible events in a fixed order and without a clock, so that pictures of the panes stay
//! the same. The workbench's tests build on it.

mod engine;
mod plan;

pub use engine::{answer, answers, question, serve, watched};
pub use plan::plan;

use crate::recipe::{Method, Param, Recipe, Source, Values};
use crate::session::protocol::{
    Candidate, Cost, Event, Gene, Live, Message, Origin, Outcome, Record, Score, Split, SplitScore, Target,
};
use crate::workbench::app::{App, Startup};
use crate::workbench::config::{StartConfig, ZOO};
use crate::workbench::theme::{Depth, Theme};

pub const LAYERS: usize = 5;
pub const SOURCES: [&str; 3] = ["zoo:ja", "zoo:math-add", "zoo:math-mul"];
const GENERATIONS: u64 = 9;
const POPULATION: u64 = 16;

/// Numbers in [0, 1) that are the same on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub fn theme() -> Theme {
    Theme { depth: Depth::True, ascii: false }
}

pub fn recipe(weights: &[f64]) -> Recipe {
    let groups = LAYERS + 2;
    let source = |(i, model): (usize, &&str)| {
        Source::new(model)
            .with(Param::Weight, Values::from_slice(&weights[i * groups..(i + 1) * groups]))
            .with(Param::Density, 1.0)
    };
    Recipe {
        sources: SOURCES.iter().enumerate().map(source).collect(),
        ..Recipe::new(Method::TaskArithmetic, Some("zoo:base"))
    }
}

fn score(both: f64, acc: f64, in_language: f64, n: u64) -> Score {
    Score { fitness: both + 0.05 * acc + 0.02 * in_language, acc, acc_in_language: both, in_language, n }
}

fn scored(id: u64, label: &str, origin: Origin, target: Target, s: [(f64, f64, f64); 2]) -> Event {
    let candidate = Candidate { id, label: label.to_owned(), origin, genome: Vec::new(), target };
    let split =
        |split, n, (both, acc, ja)| SplitScore { split, score: score(both, acc, ja, n), tasks: Vec::new() };
    let scores = vec![split(Split::Train, 100, s[0]), split(Split::Test, 250, s[1])];
    Event::Baseline { candidate, scores, failed: None, values: Vec::new() }
}

fn weights(chance: &mut Chance, centre: &[f64], sigma: f64) -> Vec<f64> {
    let draw = |c: &f64, r: f64| ((c + sigma * (r - 0.5) * 3.0) * 1000.0).round() / 1000.0;
    centre.iter().map(|c| draw(c, chance.next()).clamp(-0.3, 1.8)).collect()
}

/// The first `generations` generations of the session, the last of them half done.
pub fn events(generations: u64) -> Vec<Event> {
    let groups = LAYERS + 2;
    let mut chance = Chance(0x59_6f_73_65_67_69);
    let genes = ["ja", "math-add", "math-mul"]
        .iter()
        .flat_map(|s| (0..groups).map(move |g| format!("{s}.weight[{g}]")))
        .map(|name| Gene { name, low: -0.3, high: 1.8 })
        .collect();
    let model = |m: &str| Target::Model(m.to_owned());
    let uniform = Target::Recipe(Box::new(recipe(&vec![0.333; groups * 3])));
    let global = Target::Recipe(Box::new(recipe(&[[0.9; 7], [0.6; 7], [0.6; 7]].concat())));
    let mut out = vec![
        Event::Created {
            version: 1,
            name: "zoo".to_owned(),
            config: ZOO.to_owned(),
            seed: 1,
            genes,
            layers: LAYERS,
            train_questions: 100,
            test_questions: 250,
            budget: 320,
            device: "cpu".to_owned(),
            device_note: String::new(),
            dtype: "bf16".to_owned(),
            language_by: "lid.176".to_owned(),
            search: 1,
            begin: None,
        },
        scored(0, "zoo:base", Origin::Base, model("zoo:base"), [(0.59, 0.61, 0.97), (0.608, 0.62, 0.96)]),
        scored(1, "zoo:ja", Origin::Source, model(SOURCES[0]), [(0.05, 0.05, 1.0), (0.044, 0.05, 1.0)]),
        scored(2, "zoo:math-add", Origin::Source, model(SOURCES[1]), [(0.0, 0.46, 0.0), (0.0, 0.44, 0.0)]),
        scored(3, "zoo:math-mul", Origin::Source, model(SOURCES[2]), [(0.0, 0.58, 0.0), (0.0, 0.6, 0.0)]),
        scored(4, "uniform", Origin::Uniform, uniform, [(0.07, 0.4, 0.2), (0.056, 0.42, 0.19)]),
        scored(5, "0.9 0.6 0.6", Origin::Grid, global, [(0.3, 0.46, 0.7), (0.28, 0.45, 0.7)]),
    ];
    let mut centre = [[0.9; 7], [0.6; 7], [0.6; 7]].concat();
    let goal: Vec<f64> = (0..groups * 3).map(|_| chance.next() * 1.9 - 0.2).collect();
    let (mut id, mut best, mut best_fitness, mut evaluations) = (6, 0, 0.0, 0);
    for generation in 1..=generations {
        let sigma = 0.25 * 0.93_f64.powi(generation as i32);
        let candidates: Vec<Candidate> = (0..POPULATION)
            .map(|k| {
                let genome = weights(&mut chance, &centre, sigma);
                let target = Target::Recipe(Box::new(recipe(&genome)));
                let label = format!("g{generation} #{}", k + 1);
                Candidate { id: id + k, label, origin: Origin::Search, genome, target }
            })
            .collect();
        let ids: Vec<u64> = candidates.iter().map(|c| c.id).collect();
        out.push(Event::GenerationStarted { generation, sigma, mean: centre.clone(), candidates });
        let mut sum = 0.0;
        let half = generation == generations;
        for k in ids.iter().take(if half { 7 } else { ids.len() }) {
            let reach = 0.66 - 0.36 * 0.75_f64.powi(generation as i32);
            let both = ((reach - 0.18 * chance.next()) * 100.0).round() / 100.0;
            let s = score(both, both + 0.05, 0.93, 100);
            let outcome = if *k == 40 {
                Outcome::Failed("the worker was killed; the candidate ranks last".to_owned())
            } else {
                Outcome::Scored(s)
            };
            if s.fitness > best_fitness && *k != 40 {
                (best, best_fitness) = (*k, s.fitness);
            }
            sum += s.fitness;
            evaluations += 1;
            out.push(Event::Evaluated { id: *k, generation, outcome, tasks: Vec::new(), stopped: false });
        }
        id += POPULATION;
        if half {
            break;
        }
        let score = score(best_fitness - 0.09, best_fitness, 0.95, 250);
        out.push(Event::HeldOut { id: best, score, tasks: Vec::new() });
        out.push(Event::GenerationFinished {
            generation,
            best,
            best_fitness,
            mean_fitness: sum / POPULATION as f64,
            std_fitness: 0.04,
            evaluations,
            front: Vec::new(),
        });
        for (c, g) in centre.iter_mut().zip(&goal) {
            *c += (g - *c) * 0.16;
        }
    }
    out
}

pub fn records(events: Vec<Event>) -> Vec<Record> {
    let cost =
        Cost { merge_s: 0.01, prefill_s: 0.1, decode_s: 0.3, score_s: 0.02, tokens: 4200, pictures: 0 };
    let record = |(i, event): (usize, Event)| Record {
        seq: i as u64 + 1,
        at_ms: 1_790_000_000_000 + i as u64 * 450,
        cost: matches!(event, Event::Evaluated { .. }).then_some(cost),
        event,
    };
    events.into_iter().enumerate().map(record).collect()
}

/// A workbench that has just connected to its engine.
pub fn fresh() -> App {
    let mut app = App::new(theme(), StartConfig::default(), Startup::ShowRunning);
    app.connected("cpu".to_owned());
    serve(&mut app);
    app
}

/// A workbench in the middle of a session.
pub fn evolving() -> App {
    let mut app = fresh();
    app.open_session("zoo");
    for record in records(events(GENERATIONS)) {
        app.receive(Message::Event { session: "zoo".to_owned(), record });
    }
    app.receive(Message::Boundary { session: "zoo".to_owned(), next: 1 });
    let mut live = |live| app.receive(Message::Live { session: Some("zoo".to_owned()), live });
    live(Live::Watching { questions: (0..3).map(watched).collect() });
    for question in 0..3 {
        let text = answer(question, question % 2).text;
        live(Live::Token { candidate: 141, question, text });
    }
    live(Live::Progress { candidate: 141, done: 60, of: 100 });
    live(Live::Rate {
        candidates_per_hour: 6120.0,
        tokens_per_second: 8400.0,
        eta_s: Some(107.0),
        memory_bytes: 190_000_000,
        device: "cpu".to_owned(),
    });
    serve(&mut app);
    app
}
