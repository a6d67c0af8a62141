//! A session with a toy task, for tests: its configs, a journal in memory, a run to the end.

use super::config::Config;
use super::evolve::{Evolution, Next, Work, created};
use super::protocol::{Event, Record, Score, SplitScore};
use super::state::SessionState;
use crate::evaluate::SetupFacts;

pub const CONFIG: &str = r#"
name = "toy"
seed = 5
[pool]
base = "b"
sources = ["x", "y"]
[task]
use = "toy"
[space]
method = "task_arithmetic"
weight = { min = -0.5, max = 1.5 }
[baselines]
grid = [0.2, 0.6]
[search]
population = 5
sigma = 0.3
start = "grid"
[budget]
evaluations = 23
"#;

/// A config of two stages: first a merge's weights, then paths through the winner.
pub const STAGES: &str = r#"
name = "toy"
seed = 5
[pool]
base = "b"
sources = ["x", "y"]
[task]
use = "toy"
[[stage]]
name = "weights"
[stage.space]
method = "task_arithmetic"
weight = { min = -0.5, max = 1.5 }
[stage.search]
population = 5
sigma = 0.3
start = "uniform"
[stage.budget]
evaluations = 12
[[stage]]
[stage.space.path]
models = ["stage:1", "y"]
repeats = 2
[stage.search]
algorithm = "margin-cma-es"
population = 6
[stage.budget]
evaluations = 20
"#;

pub fn facts() -> SetupFacts {
    SetupFacts { layers: 2, train_questions: 10, test_questions: 10, ..SetupFacts::default() }
}

/// The scores for all splits of a work item, from one fitness.
pub fn scores(work: &Work, fitness: f64, n: u64) -> Vec<SplitScore> {
    let score = Score { fitness, acc: fitness, acc_in_language: fitness, in_language: 1.0, n };
    work.splits.iter().map(|&split| SplitScore { split, score, tasks: Vec::new() }).collect()
}

/// The event as a journal returns it.
fn again(event: &Event) -> Event {
    serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap()
}

/// A journal in memory: the applied events are the written ones.
pub fn store(records: &mut Vec<Record>, run: &mut Evolution, event: &Event) {
    let record = Record { seq: records.len() as u64 + 1, at_ms: 0, cost: None, event: again(event) };
    run.apply(&record).unwrap();
    records.push(record);
}

pub fn start(text: &str) -> (Vec<Record>, Evolution) {
    start_with(text, &facts())
}

pub fn start_with(text: &str, facts: &SetupFacts) -> (Vec<Record>, Evolution) {
    let config = Config::parse(text, "toy").unwrap();
    start_from(&created("toy", text, &config, facts).unwrap())
}

pub fn start_from(event: &Event) -> (Vec<Record>, Evolution) {
    let records = vec![Record { seq: 1, at_ms: 0, cost: None, event: again(event) }];
    let run = Evolution::replay(&records).unwrap();
    (records, run)
}

/// Runs to the end. `between` may insert an event before each step.
pub fn finish(
    mut records: Vec<Record>,
    mut run: Evolution,
    between: impl Fn(&[Record], &Evolution) -> Option<Event>,
    answer: impl Fn(&Evolution, &Work) -> Event,
) -> Vec<Record> {
    for _ in 0..10_000 {
        if let Some(event) = between(&records, &run) {
            store(&mut records, &mut run, &event);
        }
        let event = match run.step().unwrap() {
            Next::Record(event) => event,
            Next::Evaluate(work) => answer(&run, &work),
            Next::Done => return records,
            Next::Wait => panic!("nobody paused"),
        };
        store(&mut records, &mut run, &event);
    }
    panic!("no end");
}

/// The state after a run's events.
pub fn folded(records: &[Record]) -> SessionState {
    let mut state = SessionState::default();
    for record in records {
        state.apply(record);
    }
    state
}
