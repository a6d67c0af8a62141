//! A workbench on a headless run: it shows what it would show of a run of its own engine, its
//! commands act on that run, and it follows the session over a kill to the next process.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use yosegi::session::Home;
use yosegi::session::home::session_list;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::Event;
use yosegi::workbench::messages;

use super::evaluations;
use super::place::{PATIENCE, Place, Terminal};

/// A headless run of this program, ended with the test.
struct Headless(Child);

impl Headless {
    /// Starts or resumes the session `seen` and waits until it has begun.
    fn start(place: &Place, config: &Path, more: &[&str]) -> Self {
        Self::named(place, config, "seen", more)
    }

    fn named(place: &Place, config: &Path, name: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.args(["evolve", config.to_str().expect("a plain path"), "--headless", "--name", name]);
        command.args(more).env("YOSEGI_HOME", place.path()).env("HF_HOME", place.path().join("hf"));
        command.current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let run = Self(command.spawn().expect("the run starts"));
        let begin = std::time::Instant::now();
        while !session_list::exists(&Home::at(place.path()), name) {
            assert!(begin.elapsed() < PATIENCE, "no session");
            std::thread::sleep(Duration::from_millis(10));
        }
        run
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child of ours that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.0.id().cast_signed(), signal) }, 0);
    }

    /// How it ends, and what it said.
    fn ends(mut self) -> (Option<i32>, String) {
        use std::io::Read;
        let mut said = String::new();
        self.0.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        (self.0.wait().expect("a child of ours").code(), said)
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn attach(place: &Place) -> Terminal {
    Terminal::open(place.path(), &["attach", "seen"], (40, 120))
}

/// Waits until the run goes on before one's eyes: evaluations are counted and answers stream.
fn is_live(terminal: &Terminal, after: u32) -> u32 {
    let screen = terminal.until("live", |s| {
        s.contains("seen running")
            && evaluations(s).is_some_and(|n| n > after)
            && !s.contains(messages::samples_appear())
    });
    evaluations(&screen).expect("it was there")
}

/// Workers that a process has started.
fn workers(pid: u32) -> usize {
    let parent = |child: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let ids = all.filter_map(|e| e.file_name().to_str()?.parse().ok());
    ids.filter(|&child| parent(child) == Some(pid)).count()
}

#[test]
fn a_headless_run_is_live_from_its_start_to_its_end() {
    let place = Place::new();
    let config = place.config(400);
    let run = Headless::start(&place, &config, &[]);
    let early = attach(&place);
    let seen = is_live(&early, 0);
    // Somebody else looks in later; and without a terminal.
    let middle = attach(&place);
    is_live(&middle, seen);
    let follower = Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(["attach", "seen"])
        .env("YOSEGI_HOME", place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (code, said) = run.ends();
    assert_eq!(code, Some(0), "{said}");
    let output = follower.wait_with_output().expect("a child of ours");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("best global"), "{told}");
    let late = attach(&place);
    for terminal in [&early, &middle, &late] {
        let screen = terminal.until("its end", |s| s.contains("seen finished"));
        assert_eq!(evaluations(&screen), Some(400), "{screen}");
    }
}

#[test]
fn commands_act_on_the_headless_run() {
    let place = Place::new();
    let config = place.config(100_000);
    let run = Headless::start(&place, &config, &[]);
    let mut terminal = attach(&place);
    let mut seen = is_live(&terminal, 0);
    // A recipe is tried: by the run's own worker, which has the models open.
    terminal.press("2");
    terminal.until("answered", |s| s.contains("now ") && s.contains("expected ") && !s.contains("answering"));
    assert_eq!(workers(place.client().pid), 0, "the engine has loaded the models a second time");
    terminal.press("i");
    // In Recipe a digit begins a weight.
    terminal.press("\t");
    terminal.shows("by hand");
    seen = is_live(&terminal, seen);
    terminal.press("p");
    terminal.shows("seen paused");
    let (code, said) = run.ends();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--name seen --resume"), "{said}");
    let home = Home::at(place.path());
    let records = Reader::open(&home, "seen").and_then(|r| r.records(1)).expect("a journal");
    assert!(records.iter().any(|r| matches!(r.event, Event::Injected { .. })));
    // It is taken up where one asks, and by whoever is next.
    terminal.press("p");
    seen = is_live(&terminal, seen);
    terminal.press("p");
    terminal.shows("seen paused");
    let _run = Headless::start(&place, &config, &["--resume"]);
    is_live(&terminal, seen);
}

#[test]
fn a_killed_run_says_so_and_is_live_again_when_somebody_resumes_it() {
    let place = Place::new();
    let config = place.config(100_000);
    let run = Headless::start(&place, &config, &[]);
    let mut terminal = attach(&place);
    let mut seen = is_live(&terminal, 0);
    run.signal(libc::SIGKILL);
    drop(run);
    terminal.shows("seen killed");
    terminal.shows("p resumes it");
    let run = Headless::start(&place, &config, &["--resume"]);
    seen = is_live(&terminal, seen);
    run.signal(libc::SIGKILL);
    drop(run);
    terminal.shows("seen killed");
    // Here, by the engine.
    terminal.press("p");
    seen = is_live(&terminal, seen);
    // The engine of the home dies with it; the next one follows the run that somebody resumes.
    let engine = place.client().pid;
    // SAFETY: a signal to the engine of this test's own home.
    assert_eq!(unsafe { libc::kill(engine.cast_signed(), libc::SIGKILL) }, 0);
    terminal.shows("seen killed");
    let run = Headless::start(&place, &config, &["--resume"]);
    seen = is_live(&terminal, seen);
    // The engine that only looks on dies: nothing is lost but a moment.
    let engine = place.client().pid;
    // SAFETY: a signal to the engine of this test's own home.
    assert_eq!(unsafe { libc::kill(engine.cast_signed(), libc::SIGKILL) }, 0);
    is_live(&terminal, seen + 3);
    drop(run);
}

#[test]
fn told_to_end_a_headless_run_says_how_it_goes_on() {
    let place = Place::new();
    let config = place.config(100_000);
    let run = Headless::start(&place, &config, &[]);
    let terminal = attach(&place);
    is_live(&terminal, 0);
    run.signal(libc::SIGTERM);
    let (code, said) = run.ends();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.trim().lines().last().is_some_and(|l| l.contains("--name seen --resume")), "{said}");
    terminal.shows("seen stopped");
    terminal.shows("p resumes it");
}

#[test]
fn two_headless_runs_in_one_home_are_seen_each_for_itself() {
    let place = Place::new();
    let config = place.config(100_000);
    let (one, two) = (Headless::start(&place, &config, &[]), Headless::named(&place, &config, "other", &[]));
    let terminal = attach(&place);
    let mut second = Terminal::open(place.path(), &["attach", "other"], (40, 120));
    let seen = is_live(&terminal, 0);
    second.until("live", |s| s.contains("other running") && evaluations(s).is_some_and(|n| n > 0));
    // One is stopped from where it is seen; the other goes on.
    second.press("x");
    second.shows("Sure?");
    second.press("y");
    second.shows("other stopped");
    assert_eq!(two.ends().0, Some(1));
    is_live(&terminal, seen);
    // And by the command.
    let stop = Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(["stop", "seen"])
        .env("YOSEGI_HOME", place.path())
        .status()
        .expect("it starts");
    assert!(stop.success());
    terminal.shows("seen stopped");
    let (code, said) = one.ends();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("stopped by hand"), "{said}");
}
