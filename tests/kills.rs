//! SIGKILL at random moments, of the engine, of the worker and of a headless run: what follows is
//! the journal of a run that nobody disturbed, event for event and answer for answer.
//!
//! `YOSEGI_KILLS=1000 cargo test --release --test kills -- --nocapture` kills a thousand times,
//! a third of each kind. The moments are the same in every run as far as the machine allows.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod processes;

use std::io::Read;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use processes::{children, event_numbers};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use yosegi::session::home::session_list;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::{Answer, Command, Event, Message, Reply, Split};
use yosegi::session::{Client, Home};

/// Kills in the suite, of all three kinds together.
const FEW: u32 = 60;
/// Kills of one session.
const A_SESSION: u32 = 20;
/// How long a run may say nothing.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Engine,
    Worker,
    Headless,
}

/// A small session on the zoo: 80 evaluations of 6 questions.
fn config(seed: u32) -> String {
    let mut text = include_str!("../configs/zoo.toml").to_owned();
    for (key, value) in [
        ("seed", seed.to_string()),
        ("train_limit", "6".to_owned()),
        ("test_limit", "5".to_owned()),
        ("grid", "[0.7]".to_owned()),
        ("population", "4".to_owned()),
        ("evaluations", "80".to_owned()),
    ] {
        let is_key = |l: &str| l.starts_with(&format!("{key} ="));
        assert!(text.lines().any(is_key), "{key}");
        let line = |l: &str| if is_key(l) { format!("{key} = {value}") } else { l.to_owned() };
        text = text.lines().map(line).collect::<Vec<_>>().join("\n");
    }
    text
}

fn yosegi(home: &Path) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home).current_dir(home).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn headless(home: &Path, seed: u32) -> Process {
    std::fs::write(home.join("config.toml"), config(seed)).unwrap();
    let mut command = yosegi(home);
    command.args(["evolve", "config.toml", "--headless", "--json", "--name", "s", "--resume"]);
    command.stdout(Stdio::piped());
    command
}

/// All that a session's journal holds but the clock.
#[derive(Debug, PartialEq)]
struct Told {
    events: Vec<Event>,
    answers: Vec<Vec<Answer>>,
}

fn told(home: &Path) -> Told {
    let reader = Reader::open(&Home::at(home), "s").unwrap();
    let state = reader.state().unwrap();
    let ids = state.entries.iter().map(|e| e.candidate.id);
    let answers =
        ids.flat_map(|id| [Split::Train, Split::Test].map(|split| reader.answers(id, split).unwrap()));
    let answers = answers.collect();
    Told { events: reader.records(1).unwrap().into_iter().map(|r| r.event).collect(), answers }
}

/// What a run tells that nobody disturbs.
fn straight(seed: u32) -> Told {
    let home = tempfile::tempdir().unwrap();
    finish(home.path(), seed);
    told(home.path())
}

/// Runs the session to its end.
fn finish(home: &Path, seed: u32) {
    let output = headless(home, seed).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Waits for event `wanted`, then a moment; `false` when the run has ended before.
fn moment(told: &mpsc::Receiver<u64>, seen: &mut u64, wanted: u64, random: &mut StdRng) -> bool {
    while *seen < wanted {
        match told.recv_timeout(PATIENCE) {
            Ok(seq) => *seen = (*seen).max(seq),
            Err(mpsc::RecvTimeoutError::Disconnected) => return false,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing is told for {PATIENCE:?}"),
        }
    }
    std::thread::sleep(Duration::from_millis(random.random_range(0..40)));
    true
}

/// Kills headless runs of one session; how many.
fn kill_headless(home: &Path, seed: u32, times: u32, random: &mut StdRng) -> u32 {
    let mut seen = 0;
    for kill in 0..times {
        let mut child = headless(home, seed).spawn().unwrap();
        let told = event_numbers(&mut child);
        if kill % 4 == 0 {
            // Wherever it is then: starting, opening models, making the journal.
            std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
        } else {
            let wanted = seen + random.random_range(1..=3);
            moment(&told, &mut seen, wanted, random);
        }
        let over = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(status) = over {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            assert!(status.success(), "{said}");
            return kill;
        }
    }
    times
}

/// Kills the workers of one headless run, each candidate's once at most: a second time would be
/// taken for the candidate's own fault.
fn kill_workers(home: &Path, seed: u32, times: u32, random: &mut StdRng) -> u32 {
    let mut child = headless(home, seed).spawn().unwrap();
    let told = event_numbers(&mut child);
    let (mut seen, mut killed) = (0, 0);
    while killed < times {
        // What the killed worker had in hand, or was given next, is stored by then: a generation may
        // end and another begin in between.
        let wanted = seen + random.random_range(4..=5);
        if !moment(&told, &mut seen, wanted, random) {
            break;
        }
        for worker in children(child.id()) {
            // SAFETY: kill touches no memory; the process was a child of the run just now.
            killed += u32::from(unsafe { libc::kill(worker.cast_signed(), libc::SIGKILL) } == 0);
        }
        // What is stored by now is from before, although it may not have been told yet.
        seen = Reader::open(&Home::at(home), "s").and_then(|r| r.last_seq()).unwrap();
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    killed
}

/// Kills engines, each of which takes up the session where the one before left it.
fn kill_engines(home: &Path, config: &str, times: u32, random: &mut StdRng) -> u32 {
    let place = Home::at(home);
    for kill in 0..times {
        let mut engine = yosegi(home).arg("engine").stdout(Stdio::null()).spawn().unwrap();
        let over = run_a_little(&place, config, kill, random);
        engine.kill().unwrap();
        engine.wait().unwrap();
        if over {
            return kill;
        }
    }
    times
}

/// Has the engine go on with the session for a moment. `true` when the session has finished.
fn run_a_little(place: &Home, config: &str, kill: u32, random: &mut StdRng) -> bool {
    if kill % 8 == 7 {
        std::thread::sleep(Duration::from_millis(random.random_range(0..50)));
        return false;
    }
    let begin = Instant::now();
    let mut client = loop {
        match Client::connect(place) {
            Ok(client) => break client,
            Err(_) if begin.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Err(why) => panic!("the engine does not listen: {why}"),
        }
    };
    let session = || "s".to_owned();
    let command = if session_list::exists(place, "s") {
        Command::Resume { session: session() }
    } else {
        Command::Start { config: config.to_owned(), name: Some(session()) }
    };
    let asked = client.send(command).unwrap();
    if kill % 4 == 3 {
        // While models are opened, or the journal is made.
        std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
        return false;
    }
    let mut wanted = random.random_range(1..=3);
    loop {
        match client.recv_timeout(PATIENCE).unwrap().expect("something is told") {
            Message::Reply { id, reply: Reply::Started { .. } } if id == asked => {
                let seen = Reader::open(place, "s").and_then(|r| r.last_seq()).unwrap();
                wanted += seen;
                client.send(Command::Subscribe { session: session(), since: seen + 1 }).unwrap();
            }
            Message::Reply { reply: Reply::Error(why), .. } => {
                assert!(why.contains("has finished"), "{why}");
                return true;
            }
            Message::Event { record, .. } if matches!(record.event, Event::Finished { .. }) => return true,
            Message::Event { record, .. } if record.seq >= wanted => {
                std::thread::sleep(Duration::from_millis(random.random_range(0..40)));
                return false;
            }
            _ => {}
        }
    }
}

#[test]
fn killed_at_random_moments_it_ends_as_if_undisturbed() {
    let all = std::env::var("YOSEGI_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(FEW);
    let mut left = [Kind::Engine, Kind::Worker, Kind::Headless].map(|kind| (kind, all.div_ceil(3)));
    let begin = Instant::now();
    let mut seed = 0;
    while left.iter().any(|(_, n)| *n > 0) {
        seed += 1;
        let straight = straight(seed);
        let Some(Event::Created { config, .. }) = straight.events.first() else { panic!("no first event") };
        for (kind, left) in left.iter_mut().filter(|(_, n)| *n > 0) {
            let home = tempfile::tempdir().unwrap();
            let mut random = StdRng::seed_from_u64(u64::from(seed * 3 + *kind as u32));
            let times = A_SESSION.min(*left);
            let killed = match kind {
                Kind::Engine => kill_engines(home.path(), config, times, &mut random),
                Kind::Worker => kill_workers(home.path(), seed, times, &mut random),
                Kind::Headless => kill_headless(home.path(), seed, times, &mut random),
            };
            finish(home.path(), seed);
            let told = told(home.path());
            for (i, (a, b)) in told.events.iter().zip(&straight.events).enumerate() {
                assert_eq!(a, b, "{kind:?}, seed {seed}: event {}", i + 1);
            }
            assert!(told == straight, "{kind:?}, seed {seed}: {} events", told.events.len());
            assert!(killed > 0, "{kind:?}, seed {seed}: the session ended before the first kill");
            *left -= killed.min(*left);
            eprintln!(
                "{kind:?}, seed {seed}: {killed} kills, {} events equal, {:.0?}",
                told.events.len(),
                begin.elapsed()
            );
        }
    }
}
