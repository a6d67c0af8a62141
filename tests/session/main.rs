//! The engine from outside, over the same channels and sockets that the faces use. The worker is
//! a function with a made-up fitness; everything else is the real thing.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod clients;
mod elsewhere;
mod failures;
mod plans;
mod run;
mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yosegi::evaluate::plan::{AskedSplit, PlannedTask, SetupPlan, Timed};
use yosegi::evaluate::{SetupFacts, SplitResult, StoredQuestion};
use yosegi::recipe::{Method, Param, Recipe, Source};
use yosegi::session::engine::WorkerFunction;
use yosegi::session::job::{Job, Report};
use yosegi::session::journal::{Journal, Reader};
use yosegi::session::protocol::{
    Answer, Command, Cost, Detail, Event, Live, Message, Record, Reply, Score, Split, Status, Target,
};
use yosegi::session::state::SessionState;
use yosegi::session::{Client, Engine, Home, WorkerKind};
use yosegi::task::LanguageProbability;

const CONFIG: &str = r#"
name = "toy"
seed = 3
[pool]
base = "b"
sources = ["x", "y"]
[task]
use = "toy"
watch = [1]
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
evaluations = 20
"#;

/// A fitness that is highest where every weight of x is 0.9 and every weight of y is 0.1.
fn fitness(target: &Target) -> f64 {
    let Target::Recipe(recipe) = target else { return 0.05 };
    let miss: f64 = recipe
        .sources
        .iter()
        .zip([0.9, 0.1])
        .map(|(s, want)| s.weight().values().iter().map(|w| (w - want).powi(2)).sum::<f64>())
        .sum();
    (-miss).exp()
}

fn answers(target: &Target, split: Split, questions: &[usize]) -> SplitResult {
    let f = fitness(target);
    let score = Score { fitness: f, acc: f, acc_in_language: f, in_language: 1.0, n: questions.len() as u64 };
    let answer = |&index: &usize| Answer {
        index,
        id: format!("q{index}"),
        question: format!("{split:?} question {index}"),
        images: Vec::new(),
        gold: "1".into(),
        text: format!("答えは{f}です。"),
        number: Some(f.to_string()),
        correct: false,
        language: "ja".into(),
        p_language: LanguageProbability::Japanese(1.0),
        tokens: 7,
        lenient_correct: None,
        in_language: None,
        detail: Detail::default(),
    };
    SplitResult {
        split,
        score,
        metrics: BTreeMap::new(),
        tasks: Vec::new(),
        answers: questions.iter().map(answer).collect(),
        seconds: Vec::new(),
        values: Vec::new(),
    }
}

/// Does every job at once, after `pause`.
fn toy(pause: Duration) -> Arc<WorkerFunction> {
    Arc::new(move |job: &Job, report: &mut dyn FnMut(Report)| match job {
        Job::Open { id, setup, .. } => {
            assert_eq!(setup.tasks[0].train_limit, 0);
            let question = |split, index| StoredQuestion {
                split,
                index,
                id: format!("q{index}"),
                question: format!("{split:?} question {index}"),
                gold: "1".into(),
                images: Vec::new(),
            };
            let questions =
                (0..4).flat_map(|i| [question(Split::Train, i), question(Split::Test, i)]).collect();
            let facts = SetupFacts {
                layers: 2,
                train_questions: 4,
                test_questions: 4,
                device: "toy".into(),
                device_note: "running on a toy: no GPU".into(),
                dtype: "f32".into(),
                language_by: "nobody".into(),
                languages: vec!["ja".into()],
                prints: Vec::new(),
            };
            report(Report::Opened { id: *id, facts, questions });
        }
        Job::Run { id, target, ask, watch, .. } => {
            for &question in watch {
                report(Report::Token { id: *id, question, text: "答".into() });
            }
            std::thread::sleep(pause);
            let splits = ask.iter().map(|a| answers(target, a.split, &a.questions)).collect();
            let cost = Cost { decode_s: 0.5, tokens: 28, ..Cost::default() };
            report(Report::Done { id: *id, device: "toy".into(), splits, cost });
        }
        Job::Plan { id, setup, .. } => {
            let asked = |questions| AskedSplit { questions, most_tokens: Some(100), ..AskedSplit::default() };
            let task = setup.tasks[0].task.clone();
            let found = SetupPlan {
                tasks: vec![PlannedTask { task, train: asked(4), test: asked(4) }],
                layers: Some(2),
                ..SetupPlan::default()
            };
            report(Report::Planned { id: *id, found: Box::new(found), questions: Vec::new() });
        }
        Job::Measure { id, request, .. } => {
            std::thread::sleep(pause);
            let cost = Cost { merge_s: 1.0, decode_s: 3.0, tokens: 28, ..Cost::default() };
            let timed = Timed { answers: request.of, cost, seconds: 4.0, longest: 7, text_bytes: 80 };
            report(Report::Timed { id: *id, timed: vec![timed; request.targets.len()] });
        }
        Job::Cancel { .. } => {}
    })
}

fn start(client: &mut Client, config: &str, name: Option<&str>) -> String {
    let command = Command::Start { config: config.into(), name: name.map(Into::into) };
    match client.call(command).unwrap() {
        Reply::Started { session } => session,
        other => panic!("{other:?}"),
    }
}

fn recipe(x: f64, y: f64) -> Recipe {
    Recipe {
        sources: [("x", x), ("y", y)].map(|(model, w)| Source::new(model).with(Param::Weight, w)).into(),
        seed: 3,
        ..Recipe::new(Method::TaskArithmetic, Some("b"))
    }
}

/// Follows a session until `enough` says so.
fn follow(client: &mut Client, session: &str, since: u64, enough: impl Fn(&Record) -> bool) -> Vec<Record> {
    assert_eq!(client.call(Command::Subscribe { session: session.into(), since }).unwrap(), Reply::Done);
    let mut records = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        if let Some(Message::Event { record, .. }) = client.recv_timeout(Duration::from_secs(20)).unwrap() {
            // Left over from following it before.
            if record.seq != since + records.len() as u64 {
                continue;
            }
            let last = enough(&record);
            records.push(record);
            if last {
                return records;
            }
        }
    }
    panic!("no end after {records:?}");
}

fn ends(record: &Record) -> bool {
    matches!(record.event, Event::Finished { .. } | Event::Stopped { .. } | Event::Paused)
}

fn events(records: &[Record]) -> Vec<Event> {
    records.iter().map(|r| r.event.clone()).collect()
}

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    (folder, home)
}

fn whole_run(pause: Duration) -> Vec<Record> {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(pause))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    follow(&mut client, &session, 1, ends)
}
