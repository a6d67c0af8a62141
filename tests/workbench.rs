//! The real binary in a real pseudo-terminal: what a person sees and types, from the first
//! screen to the way back after the line was lost.
#![cfg(feature = "workbench")]

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use yosegi::session::protocol::{Command, Reply, Status};
use yosegi::session::{Client, Home};

/// What a busy machine may take until something shows.
const PATIENCE: Duration = Duration::from_mins(1);

/// The workbench in a pseudo-terminal of its own.
struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    /// Cleared to make the reader let go of the line.
    line: Arc<AtomicBool>,
    reading: Option<JoinHandle<()>>,
    child: Box<dyn Child + Send + Sync>,
    parser: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    fn open(home: &Path, arguments: &[&str], (rows, cols): (u16, u16)) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_yosegi"));
        command.args(arguments);
        command.env("YOSEGI_HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("HF_HOME", home.join("hf"));
        command.env_remove("NO_COLOR");
        command.cwd(home);
        let child = pair.slave.spawn_command(command).expect("the workbench starts");
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(
            rows.try_into().expect("rows"),
            cols.try_into().expect("columns"),
            0,
        )));
        let line = Arc::new(AtomicBool::new(true));
        let fd = pair.master.as_raw_fd().expect("a file");
        // SAFETY: a duplicate of an open file, owned by the reader from here on.
        let mut reader = unsafe { std::fs::File::from_raw_fd(libc::dup(fd)) };
        let (screen, open) = (parser.clone(), line.clone());
        let reading = thread::spawn(move || {
            let mut bytes = vec![0; 65_536];
            while open.load(Ordering::SeqCst) {
                let mut poll = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                // SAFETY: one valid `pollfd`.
                if unsafe { libc::poll(&raw mut poll, 1, 5) } > 0 {
                    let Ok(n @ 1..) = reader.read(&mut bytes) else { return };
                    screen.lock().expect("no panic there").process(&bytes[..n]);
                }
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        Self { master: Some(pair.master), keys: Some(keys), line, reading: Some(reading), child, parser }
    }

    fn screen(&self) -> String {
        self.parser.lock().expect("no panic there").screen().contents()
    }

    /// Waits until the screen fulfils `what`.
    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "never {what}:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn shows(&self, text: &str) -> String {
        self.until(&format!("shown: {text}"), |s| s.contains(text))
    }

    fn press(&mut self, keys: &str) {
        let out = self.keys.as_mut().expect("open");
        out.write_all(keys.as_bytes()).and_then(|()| out.flush()).expect("keys are taken");
    }

    /// Waits for the process to end and gives its exit code.
    fn ends(&mut self, patience: Duration) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.exit_code();
            }
            assert!(start.elapsed() < patience, "still there:\n{}", self.screen());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The line is lost.
    fn hang_up(&mut self) {
        self.line.store(false, Ordering::SeqCst);
        if let Some(reading) = self.reading.take() {
            reading.join().expect("no panic there");
        }
        self.keys = None;
        self.master = None;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A home of its own, whose engine ends with the test.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn client(&self) -> Client {
        Client::connect(&Home::at(self.path())).expect("the engine is alive")
    }

    /// The zoo's session, small enough for a test.
    fn config(&self, evaluations: u32) -> PathBuf {
        let text = include_str!("../configs/zoo.toml")
            .replace("train_limit = 300", "train_limit = 8")
            .replace("test_limit = 250", "test_limit = 8")
            .replace("grid = [0.1, 0.3, 0.6]", "grid = [0.6]")
            .replace("population = 16", "population = 4")
            .replace("evaluations = 640", &format!("evaluations = {evaluations}"));
        let path = self.path().join("small.toml");
        std::fs::write(&path, text).expect("a config");
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut client) = Client::connect(&Home::at(self.path())) {
            let _ = client.call(Command::Stop { session: "zoo".to_owned() });
            let _ = client.call(Command::Shutdown);
            thread::sleep(Duration::from_millis(100));
            let _ = std::process::Command::new("kill").arg(client.pid.to_string()).status();
        }
    }
}

/// Evaluations done, as the status line of Evolve says.
fn evaluations(screen: &str) -> Option<u32> {
    let rest = screen.split("evaluations ").nth(1)?;
    rest.split('/').next()?.trim().parse().ok()
}

#[test]
fn models_a_hand_made_recipe_and_a_run_that_outlives_the_terminal() {
    let place = Place::new();
    let config = place.config(4000);
    let config = config.to_str().expect("a plain path");

    // The first screen: the zoo is there, and a line says what to do.
    let mut terminal = Terminal::open(place.path(), &[], (40, 120));
    for model in ["zoo:base", "zoo:ja", "zoo:math-add", "zoo:math-mul"] {
        terminal.shows(model);
    }
    terminal.shows("Press s to evolve the bundled zoo");

    // An edited cell: the sample answers are given anew, those before beside them.
    terminal.press("\t");
    terminal.shows("now ");
    terminal.until("answered", |s| !s.contains("answering") && s.contains("answer "));
    terminal.press("1.25\r");
    let screen = terminal.shows("before ");
    assert!(screen.contains("1.25"), "{screen}");
    terminal.press("u");
    terminal.until("undone", |s| !s.contains("1.25"));
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);

    // A run from a config on the command line; a generation ends.
    let mut terminal = Terminal::open(place.path(), &["evolve", config], (40, 120));
    terminal.shows("running");
    let screen = terminal.until("a generation finished", |s| s.contains("Generation 3"));
    let before = evaluations(&screen).expect("evaluations are shown");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
    terminal.shows("The run goes on. yosegi attach zoo brings it back.");

    // Back, and further on; paused, stopped.
    let mut terminal = Terminal::open(place.path(), &["attach", "zoo"], (24, 80));
    terminal.until("further on", |s| evaluations(s).is_some_and(|n| n > before));
    terminal.press("p");
    terminal.shows("paused");
    terminal.press("4");
    terminal.shows("training questions");
    terminal.press("3x");
    terminal.shows("Sure?");
    terminal.press("y");
    terminal.shows("stopped");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn a_lost_line_ends_the_workbench_and_not_the_run() {
    let place = Place::new();
    let config = place.config(100_000);
    let mut terminal =
        Terminal::open(place.path(), &["evolve", config.to_str().expect("a plain path")], (40, 120));
    terminal.shows("Generation");
    let pid = place.client().pid;
    // Moments that a person does not choose: odd milliseconds, in any pane.
    for (keys, wait) in [("", 7), ("2+++", 43), ("4", 151), ("?", 311)] {
        terminal.press(keys);
        thread::sleep(Duration::from_millis(wait));
        terminal.hang_up();
        terminal.ends(Duration::from_secs(1));
        terminal = Terminal::open(place.path(), &["attach", "zoo"], (40, 120));
        terminal.shows("zoo running");
    }
    let mut client = place.client();
    assert_eq!(client.pid, pid, "the engine is still the same");
    let Ok(Reply::Sessions(rows)) = client.call(Command::Sessions) else { panic!("no list of sessions") };
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status, Status::Running);
    // Signals give the terminal back.
    let id = terminal.child.process_id().expect("it runs");
    std::process::Command::new("kill").arg(id.to_string()).status().expect("kill is there");
    assert_eq!(terminal.ends(Duration::from_secs(2)), 143);
    let parser = terminal.parser.lock().expect("no panic there");
    assert!(!parser.screen().alternate_screen(), "back on the normal screen");
    assert!(!parser.screen().hide_cursor(), "with its cursor");
}

/// Prints figures, asserts nothing: `cargo test --release --test workbench -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn figures() {
    let place = Place::new();
    let config = place.config(100_000);
    let quick = |terminal: &Terminal, holds: &dyn Fn(&str) -> bool| {
        let start = Instant::now();
        while !holds(&terminal.screen()) && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_micros(200));
        }
        start.elapsed()
    };
    for engine in ["started", "running"] {
        let terminal = Terminal::open(place.path(), &[], (40, 120));
        let first = quick(&terminal, &|s| s.contains("1 Models"));
        let models = first + quick(&terminal, &|s| s.contains("zoo:math-mul"));
        println!("engine {engine}: first frame {first:.1?}, models listed {models:.1?}");
    }
    let mut terminal =
        Terminal::open(place.path(), &["evolve", config.to_str().expect("a plain path")], (40, 120));
    terminal.shows("Generation");
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            terminal.press("?");
            let open = quick(&terminal, &|s| s.contains("What can be done"));
            terminal.press("\x1b");
            quick(&terminal, &|s| !s.contains("What can be done"));
            thread::sleep(Duration::from_millis(30));
            open
        })
        .collect();
    times.sort();
    println!("key to frame while evolving: median {:.1?}, p99 {:.1?}", times[50], times[98]);
    terminal.press("2");
    terminal.until("answered", |s| !s.contains("answering") && s.contains("answer "));
    let mut times: Vec<Duration> = (0..20)
        .map(|i| {
            terminal.press(if i % 4 < 2 { "+" } else { "-" });
            quick(&terminal, &|s| s.contains("answering"));
            quick(&terminal, &|s| !s.contains("answering"))
        })
        .collect();
    times.sort();
    println!(
        "edited cell to three new answers while evolving: median {:.0?}, worst {:.0?}",
        times[10], times[19]
    );
}
