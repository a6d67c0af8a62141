//! The real program on the real zoo, killed in every way there is: what it had measured stays,
//! and it ends where it would have ended anyway.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod processes;

use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use processes::{children, event_numbers};
use yosegi::session::journal::{Journal, Reader};
use yosegi::session::protocol::{Command, Event, Message, Reply};
use yosegi::session::{Client, Home};

/// Evaluations of the session that the tests disturb.
const EVALUATIONS: u64 = 100;

/// A small session on the zoo: 100 evaluations of 6 questions.
fn config() -> String {
    let replace = |text: String, key: &str, line: &str| {
        let mut found = false;
        let lines: Vec<String> = text
            .lines()
            .map(|l| {
                if l.starts_with(&format!("{key} =")) {
                    found = true;
                    line.to_owned()
                } else {
                    l.to_owned()
                }
            })
            .collect();
        assert!(found, "{key}");
        lines.join("\n")
    };
    let mut text = include_str!("../configs/zoo.toml").to_owned();
    for (key, line) in [
        ("train_limit", "train_limit = 6"),
        ("test_limit", "test_limit = 5"),
        ("grid", "grid = [0.7]"),
        ("population", "population = 4"),
        ("evaluations", &format!("evaluations = {EVALUATIONS}")),
    ] {
        text = replace(text, key, line);
    }
    text
}

/// These tests are about time and processes: one at a time.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn yosegi(home: &Path) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home).current_dir(home).stdin(Stdio::null());
    command
}

fn evolve(home: &Path, name: &str) -> Process {
    std::fs::write(home.join("config.toml"), config()).unwrap();
    let mut command = yosegi(home);
    command.args(["evolve", "config.toml", "--headless", "--json", "--name", name]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn events(home: &Path, name: &str) -> Vec<Event> {
    let reader = Reader::open(&Home::at(home), name).unwrap();
    reader.records(1).unwrap().into_iter().map(|r| r.event).collect()
}

/// The events of a run that nobody disturbs.
fn straight() -> &'static Vec<Event> {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let output = evolve(home.path(), "straight").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.contains("best global") && stderr.contains("held out"), "{stderr}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["event"], "finished");
        assert_eq!(last["evaluations"], EVALUATIONS);
        assert!(last["best"]["recipe"]["sources"].is_array() && last["best"]["train"].is_number(), "{last}");
        let events = events(home.path(), "straight");
        assert_eq!(stdout.lines().count(), events.len());
        events
    })
}

/// Equal but for the session's name.
fn assert_same(got: &[Event]) {
    let mut got = got.to_vec();
    if let Event::Created { name, .. } = &mut got[0] {
        *name = "straight".into();
    }
    for (i, (a, b)) in got.iter().zip(straight()).enumerate() {
        assert_eq!(a, b, "event {}", i + 1);
    }
    assert_eq!(got.len(), straight().len());
}

#[test]
fn killed_it_goes_on_and_finished_it_says_so() {
    let _alone = alone();
    straight();
    let home = tempfile::tempdir().unwrap();
    // At many more moments: `tests/kills.rs`.
    let mut child = evolve(home.path(), "killed").spawn().unwrap();
    let told = event_numbers(&mut child);
    while told.recv_timeout(Duration::from_mins(1)).unwrap() < 8 {}
    child.kill().unwrap();
    child.wait().unwrap();
    let output = evolve(home.path(), "killed").arg("--resume").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same(&events(home.path(), "killed"));

    // Finished: resuming tells the end again, starting anew is refused in one sentence.
    let output = evolve(home.path(), "killed").arg("--resume").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).lines().last().unwrap().contains("\"finished\""));
    let output = evolve(home.path(), "killed").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("exists already") && stderr.contains("--resume"), "{stderr}");
    assert_eq!(stderr.trim().lines().count(), 1);

    let output = yosegi(home.path()).args(["sessions", "--json"]).output().unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((rows[0]["name"].as_str(), rows[0]["status"].as_str()), (Some("killed"), Some("finished")));
    let output = yosegi(home.path()).args(["report", "killed"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["finished", "uniform", "evolved", "mean", "generation   9", "merge", "method = "] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn interrupted_it_says_how_to_go_on() {
    let _alone = alone();
    straight();
    let home = tempfile::tempdir().unwrap();
    let mut child = evolve(home.path(), "cut").spawn().unwrap();
    let told = event_numbers(&mut child);
    while told.recv_timeout(Duration::from_mins(1)).unwrap() < 6 {}
    signal(child.id(), libc::SIGINT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.trim().lines().last().unwrap().contains("--name cut --resume"), "{stderr}");
    assert!(evolve(home.path(), "cut").arg("--resume").output().unwrap().status.success());
    assert_same(&events(home.path(), "cut"));
}

#[test]
fn a_killed_worker_costs_nothing_but_time() {
    let _alone = alone();
    straight();
    let home = tempfile::tempdir().unwrap();
    let mut child = evolve(home.path(), "orphan").spawn().unwrap();
    let told = event_numbers(&mut child);
    for target in [3, 9, 14] {
        while told.recv_timeout(Duration::from_mins(1)).unwrap() < target {}
        for worker in children(child.id()) {
            signal(worker, libc::SIGKILL);
        }
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same(&events(home.path(), "orphan"));
}

#[test]
fn the_engine_outlives_its_clients_and_a_kill() {
    let _alone = alone();
    straight();
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let mut engine = start_engine(&home);
    let mut client = Client::connect(&home).unwrap();
    assert_eq!(client.pid, engine.id());
    let start = Command::Start { config: config(), name: Some("served".into()) };
    assert_eq!(client.call(start).unwrap(), Reply::Started { session: "served".into() });
    drop(client);
    signal(engine.id(), libc::SIGHUP);
    // A second engine over the same home has nothing to do.
    assert!(yosegi(home.root()).arg("engine").status().unwrap().success());

    let mut client = Client::connect(&home).unwrap();
    follow(&mut client, |e| matches!(e, Event::GenerationFinished { .. }));
    engine.kill().unwrap();
    engine.wait().unwrap();
    assert!(client.call(Command::Sessions).is_err());

    // The dead engine's socket is still there; another engine takes its place.
    assert!(home.socket().exists());
    let mut engine = start_engine(&home);
    let mut client = Client::connect(&home).unwrap();
    let Reply::Sessions(rows) = client.call(Command::Sessions).unwrap() else { panic!() };
    assert_eq!(rows[0].status, yosegi::session::protocol::Status::Stopped);
    let resume = Command::Resume { session: "served".into() };
    assert_eq!(client.call(resume).unwrap(), Reply::Started { session: "served".into() });
    follow(&mut client, |e| matches!(e, Event::Finished { .. }));
    assert_same(&events(home.root(), "served"));

    signal(engine.id(), libc::SIGTERM);
    assert!(engine.wait().unwrap().success());
    assert!(!home.socket().exists());
}

fn start_engine(home: &Home) -> Child {
    let engine = yosegi(home.root()).arg("engine").spawn().unwrap();
    let begin = Instant::now();
    while Client::connect(home).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the engine does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    engine
}

fn follow(client: &mut Client, enough: impl Fn(&Event) -> bool) {
    client.call(Command::Subscribe { session: "served".into(), since: 1 }).unwrap();
    loop {
        match client.recv_timeout(Duration::from_mins(1)).unwrap() {
            Some(Message::Event { record, .. }) if enough(&record.event) => return,
            Some(_) => {}
            None => panic!("nothing comes"),
        }
    }
}

fn signal(pid: u32, signal: i32) {
    // SAFETY: kill touches no memory; the process is a child of this test.
    assert_eq!(unsafe { libc::kill(libc::pid_t::try_from(pid).unwrap(), signal) }, 0);
}

/// A journal's files as they lie while it is written, cut at many places.
#[test]
fn a_journal_cut_anywhere_tells_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let mut journal = Journal::create(&home, "whole").unwrap();
    for i in 0..300 {
        journal.append(&Event::Stopped { reason: format!("{i} {}", "x".repeat(150)) }, None).unwrap();
        // The first half moves from the log of changes to the file itself.
        if i == 150 {
            let db = rusqlite::Connection::open(home.session("whole").unwrap().join("journal.db")).unwrap();
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
    }
    let whole = journal.reader().records(1).unwrap();
    let from = home.session("whole").unwrap();
    let (file, log) = ("journal.db", "journal.db-wal");
    let (mut tails, mut sentences) = (0, 0);
    for (name, step) in [(log, 997), (file, 509)] {
        let size = std::fs::metadata(from.join(name)).unwrap().len();
        assert!(size > 10_000, "{name}: {size}");
        for cut in (0..size).step_by(step) {
            let into = home.session("cut").unwrap();
            let _ = std::fs::remove_dir_all(&into);
            std::fs::create_dir_all(&into).unwrap();
            for copied in [file, log] {
                // A cut file is one whose later changes are lost too.
                if name == log || copied == file {
                    std::fs::copy(from.join(copied), into.join(copied)).unwrap();
                }
            }
            std::fs::File::options().write(true).open(into.join(name)).unwrap().set_len(cut).unwrap();
            match Reader::open(&home, "cut").and_then(|reader| reader.records(1)) {
                Ok(records) => {
                    assert_eq!(records, whole[..records.len()], "{name} cut at {cut}");
                    assert!(name == file || records.len() >= 150, "only the tail: {}", records.len());
                    tails += 1;
                }
                Err(why) => {
                    let why = why.to_string();
                    let clear =
                        ["no journal", "holds no events", "cannot be read as a journal", "is damaged"];
                    assert!(clear.iter().any(|words| why.contains(words)), "{name} cut at {cut}: {why}");
                    assert!(name == file, "{name} cut at {cut}: {why}");
                    sentences += 1;
                }
            }
        }
    }
    assert!(tails > 50 && sentences > 10, "{tails} {sentences}");
}
