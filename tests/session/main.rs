//! The engine from outside, over the same channels and sockets that the faces use. The worker is
//! a function with a made-up fitness; everything else is the real thing.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod elsewhere;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

#[test]
fn two_runs_with_one_seed_tell_the_same_events() {
    let (a, b) = (whole_run(Duration::ZERO), whole_run(Duration::from_millis(2)));
    assert_eq!(events(&a), events(&b));
    assert!(matches!(a.last().unwrap().event, Event::Finished { .. }));
    let other = CONFIG.replace("seed = 3", "seed = 4");
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, &other, None);
    assert_ne!(events(&a), events(&follow(&mut client, &session, 1, ends)));
}

#[test]
fn the_journal_is_what_was_sent() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let sent = follow(&mut client, &session, 1, ends);
    let reader = Reader::open(&home, &session).unwrap();
    assert_eq!(reader.records(1).unwrap(), sent);
    let state = reader.state().unwrap();
    assert_eq!((state.status, state.evaluations), (Status::Finished, 20));
    assert_eq!((state.device.as_str(), state.dtype.as_str()), ("toy", "f32"));
    for entry in &state.entries {
        assert_eq!(reader.answers(entry.candidate.id, Split::Train).unwrap().len(), 4);
    }
    let best = state.best.unwrap();
    let Reply::Answers(answers) = client
        .call(Command::Answers { session: session.clone(), candidate: best, split: Split::Test })
        .unwrap()
    else {
        panic!("no answers")
    };
    assert_eq!(answers.answers.len(), 4);
    assert_eq!(answers.score, state.entry(best).unwrap().test.unwrap());
    assert_eq!(answers.answers[2].question, "Test question 2");
    // A second session of that name gets a name of its own, or a clear word.
    assert_eq!(start(&mut client, CONFIG, None), "toy-2");
    follow(&mut client, "toy-2", 1, ends);
    match client.call(Command::Start { config: CONFIG.into(), name: Some("toy".into()) }).unwrap() {
        Reply::Error(why) => assert!(why.contains("exists already") && why.contains("--resume"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pause_resume_stop_and_inject() {
    let straight = whole_run(Duration::ZERO);
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(5)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let is = |n: u64| move |r: &Record| r.seq == n;
    follow(&mut client, &session, 1, is(14));
    assert_eq!(client.call(Command::Pause { session: session.clone() }).unwrap(), Reply::Done);
    follow(&mut client, &session, 15, |r| r.event == Event::Paused);
    // It is not running now.
    assert!(matches!(client.call(Command::Pause { session: session.clone() }).unwrap(), Reply::Error(_)));
    let Reply::Sessions(rows) = client.call(Command::Sessions).unwrap() else { panic!() };
    assert_eq!(rows[0].status, Status::Paused);

    let started = Reply::Started { session: session.clone() };
    assert_eq!(client.call(Command::Resume { session: session.clone() }).unwrap(), started);
    assert_eq!(client.call(Command::Stop { session: session.clone() }).unwrap(), Reply::Done);
    assert_eq!(client.call(Command::Resume { session: session.clone() }).unwrap(), started);
    let records = follow(&mut client, &session, 1, |r| matches!(r.event, Event::Finished { .. }));
    let told: Vec<Event> = events(&records)
        .into_iter()
        .filter(|e| !matches!(e, Event::Paused | Event::Resumed | Event::Stopped { .. }))
        .collect();
    assert_eq!(told, events(&straight));
    assert_eq!(records.len(), straight.len() + 4);

    // Another run, with the best recipe there is put in by hand.
    let session = start(&mut client, CONFIG, Some("helped"));
    follow(&mut client, &session, 1, is(12));
    let inject = Command::Inject { session: session.clone(), recipe: Box::new(recipe(0.9, 0.1)) };
    assert_eq!(client.call(inject).unwrap(), Reply::Done);
    let records = follow(&mut client, &session, 1, |r| matches!(r.event, Event::Finished { .. }));
    let mut state = SessionState::default();
    for record in &records {
        state.apply(record);
    }
    assert_eq!(state.evaluations, 20);
    let best = state.entry(state.finished.as_ref().unwrap().best).unwrap();
    assert_eq!(best.candidate.label, "by hand 1");
    let strange = Recipe { base: Some("other".into()), ..recipe(0.9, 0.1) };
    match client.call(Command::Inject { session, recipe: Box::new(strange) }).unwrap() {
        Reply::Error(why) => assert!(why.contains("not running"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_clients_see_one_run_from_where_they_ask() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(3)))).unwrap();
    let (mut first, mut second) = (engine.connect().unwrap(), engine.connect().unwrap());
    let session = start(&mut first, CONFIG, None);
    // One run at a time.
    match second.call(Command::Start { config: CONFIG.into(), name: None }).unwrap() {
        Reply::Error(why) => assert!(why.contains("`toy` is running"), "{why}"),
        other => panic!("{other:?}"),
    }
    let all = follow(&mut first, &session, 1, ends);
    let late = follow(&mut second, &session, 17, ends);
    assert_eq!(late, all[16..]);
    assert!(late.iter().enumerate().all(|(i, r)| r.seq == 17 + i as u64));
    // The past ends with a boundary.
    second.send(Command::Subscribe { session: session.clone(), since: 20 }).unwrap();
    let next = loop {
        if let Message::Boundary { next, .. } = second.recv().unwrap() {
            break next;
        }
    };
    assert_eq!(next, all.len() as u64 + 1);
}

#[test]
fn a_watched_question_streams_while_it_runs() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(5)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    client.call(Command::Subscribe { session: session.clone(), since: 1 }).unwrap();
    let mut seen: HashMap<&str, u32> = HashMap::new();
    loop {
        match client.recv().unwrap() {
            Message::Live { live: Live::Watching { questions }, .. } => {
                assert_eq!(questions[0].question, "Train question 1");
                *seen.entry("watching").or_default() += 1;
            }
            Message::Live { live: Live::Token { question, text, .. }, .. } => {
                assert_eq!((question, text.as_str()), (1, "答"));
                *seen.entry("token").or_default() += 1;
            }
            Message::Live { live: Live::Rate { candidates_per_hour, .. }, .. } => {
                assert!(candidates_per_hour > 0.0);
                *seen.entry("rate").or_default() += 1;
            }
            Message::Event { record, .. } if ends(&record) => break,
            _ => {}
        }
    }
    assert!(seen["watching"] == 1 && seen["token"] > 10 && seen["rate"] > 10, "{seen:?}");
}

/// A task of one's own names no questions to watch, and its candidates are short: twenty a second.
#[test]
fn a_fast_run_streams_from_its_first_generation_also_where_nothing_is_named() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(50)))).unwrap();
    let mut client = engine.connect().unwrap();
    let config = CONFIG.replace("watch = [1]\n", "").replace("evaluations = 20", "evaluations = 30");
    let session = start(&mut client, &config, None);
    client.call(Command::Subscribe { session: session.clone(), since: 1 }).unwrap();
    let (mut watching, mut tokens, mut generations) = (Vec::new(), 0, 0);
    loop {
        match client.recv().unwrap() {
            Message::Live { live: Live::Watching { questions }, .. } => {
                watching = questions.into_iter().map(|q| q.index).collect();
            }
            Message::Live { live: Live::Token { question, .. }, .. } => {
                assert!(watching.contains(&question));
                tokens += 1;
            }
            Message::Event { record, .. } => match record.event {
                Event::GenerationFinished { .. } => {
                    // Three a candidate, of five candidates.
                    assert!(tokens >= 15, "generation {generations}: {tokens} tokens");
                    (tokens, generations) = (0, generations + 1);
                }
                Event::Finished { .. } => break,
                _ => {}
            },
            _ => {}
        }
    }
    assert_eq!((watching, generations), (vec![0, 1, 2], 6));
}

#[test]
fn the_latest_try_wins_and_goes_before_the_run() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(20)))).unwrap();
    let mut client = engine.connect().unwrap();
    start(&mut client, CONFIG, None);
    let ask = |w| Command::Try {
        target: Target::Recipe(Box::new(recipe(w, 0.1))),
        task: "toy".into(),
        split: Split::Train,
        questions: vec![0, 2],
    };
    let begin = Instant::now();
    let numbers: Vec<u64> = (0..5).map(|i| client.send(ask(0.1 * f64::from(i))).unwrap()).collect();
    let mut replies = HashMap::new();
    while replies.len() < 5 {
        if let Message::Reply { id, reply } = client.recv().unwrap() {
            replies.insert(id, reply);
        }
    }
    for number in &numbers[..4] {
        assert_eq!(replies[number], Reply::Superseded);
    }
    let Reply::Answers(answers) = &replies[&numbers[4]] else { panic!() };
    assert_eq!(answers.answers.iter().map(|a| a.index).collect::<Vec<_>>(), [0, 2]);
    // The run has some 35 candidates of 20 ms before it; the try waited for a few at most.
    assert!(begin.elapsed() < Duration::from_millis(300), "{:?}", begin.elapsed());
}

#[test]
fn a_crashing_worker_costs_one_candidate() {
    let (_folder, home) = home();
    let calls = Arc::new(AtomicU64::new(0));
    let poison: Arc<Mutex<Option<f64>>> = Arc::default();
    let (inner, crashes, poisoned) = (toy(Duration::ZERO), Arc::clone(&calls), Arc::clone(&poison));
    let worker: Arc<WorkerFunction> = Arc::new(move |job, report| {
        if let Job::Run { target, .. } = job {
            let f = fitness(target);
            let n = crashes.fetch_add(1, Ordering::SeqCst);
            let mut poisoned = poisoned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Call 12 crashes once; what call 16 asks for crashes every time.
            if n == 16 {
                *poisoned = Some(f);
            }
            let bad = n == 12 || *poisoned == Some(f);
            drop(poisoned);
            assert!(!bad, "crash on purpose");
        }
        inner(job, report);
    });
    let engine = Engine::start(&home, WorkerKind::Function(worker)).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let records = follow(&mut client, &session, 1, ends);
    let mut state = SessionState::default();
    for record in &records {
        state.apply(record);
    }
    assert_eq!(state.status, Status::Finished);
    let failed: Vec<_> = state
        .entries
        .iter()
        .filter(|e| matches!(&e.outcome, Some(yosegi::session::protocol::Outcome::Failed(_))))
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
}

#[test]
fn a_killed_session_says_so_and_goes_on() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(5)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    follow(&mut client, &session, 1, |r| r.seq == 12);
    // Gone without a word, as after a kill: the journal has no end and nobody holds it.
    drop(engine);
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut client = engine.connect().unwrap();
    let Reply::Sessions(rows) = client.call(Command::Sessions).unwrap() else { panic!() };
    assert_eq!((rows[0].status, rows[0].interrupted), (Status::Stopped, true));
    client.call(Command::Subscribe { session: session.clone(), since: 0 }).unwrap();
    loop {
        if let Message::Live { live: Live::Halted { reason, killed: true }, .. } = client.recv().unwrap() {
            assert!(reason.contains("killed"), "{reason}");
            break;
        }
    }
    assert_eq!(
        client.call(Command::Resume { session: session.clone() }).unwrap(),
        Reply::Started { session: session.clone() }
    );
    let records = follow(&mut client, &session, 1, |r| matches!(r.event, Event::Finished { .. }));
    assert_eq!(events(&records), events(&whole_run(Duration::ZERO)));
    let Reply::Sessions(rows) = client.call(Command::Sessions).unwrap() else { panic!() };
    assert!(!rows[0].interrupted && rows[0].best_train.is_some());
}

#[test]
fn one_writer_a_session() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(20)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let other = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut second = other.connect().unwrap();
    let why = Journal::open(&home, &session).err().unwrap().to_string();
    assert!(why.contains("is being run by another process"), "{why}");
    // Who asks for it to go on is told that it does.
    assert_eq!(second.call(Command::Resume { session: session.clone() }).unwrap(), Reply::Done);
    // Reading is free.
    let seen = Reader::open(&home, &session).unwrap().records(1).unwrap();
    assert!(!seen.is_empty());
    drop(engine);
    assert!(matches!(client.recv_timeout(Duration::from_secs(5)), Ok(Some(_)) | Err(_)));
    assert_eq!(
        second.call(Command::Resume { session: session.clone() }).unwrap(),
        Reply::Started { session: session.clone() }
    );
    let records = follow(&mut second, &session, 1, ends);
    assert_eq!(events(&records), events(&whole_run(Duration::ZERO)));
}

#[test]
fn journals_that_cannot_be_read_say_so() {
    let (folder, home) = home();
    let says = |name: &str| Reader::open(&home, name).and_then(|r| r.state()).unwrap_err().to_string();
    {
        let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
        let mut client = engine.connect().unwrap();
        let session = start(&mut client, CONFIG, None);
        follow(&mut client, &session, 1, ends);
    }
    let missing = says("tyo");
    assert!(missing.contains("no session `tyo`") && missing.contains("did you mean `toy`"), "{missing}");
    assert!(says("../toy").contains("no session name"));
    let make = |name: &str, bytes: &[u8]| {
        let dir = folder.path().join("sessions").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("journal.db"), bytes).unwrap();
    };
    make(
        "garbage",
        b"this is no database, but it is long enough to be looked at as one....".repeat(30).as_slice(),
    );
    assert!(says("garbage").contains("cannot be read"), "{}", says("garbage"));
    let path = folder.path().join("sessions/toy/journal.db");
    let bytes = std::fs::read(&path).unwrap();
    make("cut", &bytes[..bytes.len() / 2]);
    assert!(says("cut").contains("cannot be read"), "{}", says("cut"));
    make("newer", &bytes);
    rusqlite::Connection::open(folder.path().join("sessions/newer/journal.db"))
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(says("newer").contains("newer Yosegi"), "{}", says("newer"));
    make("foreign", b"");
    rusqlite::Connection::open(folder.path().join("sessions/foreign/journal.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    assert!(says("foreign").contains("no journal of Yosegi"), "{}", says("foreign"));
    // All are listed, each with what is the matter.
    let mut listed: Vec<(String, &str)> = yosegi::session::home::session_list::rows(&home)
        .unwrap()
        .into_iter()
        .map(|r| (r.name, r.problem.map_or("", |p| p.kind.name())))
        .collect();
    listed.sort();
    println!("{listed:?}");
    let of = |name: &str| listed.iter().find(|(n, _)| n == name).map(|(_, kind)| *kind);
    assert_eq!(of("toy"), Some(""));
    assert_eq!(of("newer"), Some("newer"));
    assert_eq!(of("foreign"), Some("foreign"));
}
