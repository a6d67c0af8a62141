//! Told to end, engine and headless run end in order and soon, whatever their parent left blocked
//! and whatever their worker is doing.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod processes;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use processes::children;
use yosegi::session::home::session_list;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::{Command, Event, Live, Message, Reply};
use yosegi::session::{Client, Home};

/// What a busy machine may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The zoo's session: a candidate answers 300 questions.
const CONFIG: &str = include_str!("../configs/zoo.toml");

/// This program, started by a parent that has blocked the signals that end a process and ignores
/// some more.
fn yosegi(home: &Path) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home).current_dir(home).stdin(Stdio::null());
    // SAFETY: between fork and exec only calls that are allowed there.
    unsafe {
        command.pre_exec(|| {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD] {
                libc::sigaddset(&raw mut set, signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            libc::signal(libc::SIGTERM, libc::SIG_IGN);
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    command
}

/// Ended with the test.
struct Running(Child);

impl Running {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn ends(&mut self) -> std::process::ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                eprintln!("gone after {:.0?}", begin.elapsed());
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(pid: u32, signal: i32) {
    // SAFETY: kill touches no memory; the process is a child of this test, or its worker.
    assert_eq!(unsafe { libc::kill(pid.cast_signed(), signal) }, 0);
}

/// The process that `pid` has started, once there is one.
fn worker(pid: u32) -> u32 {
    let begin = Instant::now();
    loop {
        // It has become one: its arguments are a worker's.
        let is_worker = |child: u32| {
            std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|c| c.ends_with(b"worker\0"))
        };
        if let Some(child) = children(pid).into_iter().find(|&child| is_worker(child)) {
            return child;
        }
        assert!(begin.elapsed() < PATIENCE, "no worker");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Signals of a process that are blocked, or ignored, as the system tells it.
fn signals(pid: u32, which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(which)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

/// Whether a process is there and not only waiting to be collected.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

fn client(home: &Home) -> Client {
    let begin = Instant::now();
    loop {
        match Client::connect(home) {
            Ok(client) => return client,
            Err(why) => assert!(begin.elapsed() < PATIENCE, "{why}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn engine_ends(is_stuck: bool) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let mut engine = Running(yosegi(home.root()).arg("engine").spawn().unwrap());
    let mut client = client(&home);
    let asked = client.send(Command::Start { config: CONFIG.into(), name: Some("s".into()) }).unwrap();
    let worker = worker(engine.id());
    if is_stuck {
        // Wherever it is, opening models or before: it does and says nothing any more.
        signal(worker, libc::SIGSTOP);
    } else {
        loop {
            match client.recv_timeout(PATIENCE).unwrap().unwrap() {
                Message::Reply { id, reply } if id == asked => {
                    assert_eq!(reply, Reply::Started { session: "s".into() });
                    client.send(Command::Subscribe { session: "s".into(), since: 1 }).unwrap();
                }
                // A candidate is being answered.
                Message::Live { live: Live::Progress { .. } | Live::Token { .. }, .. } => break,
                _ => {}
            }
        }
        for pid in [engine.id(), worker] {
            assert_eq!(signals(pid, "SigBlk"), 0);
            assert_eq!(signals(pid, "SigIgn") & (1 << (libc::SIGTERM - 1)), 0);
            assert_eq!(signals(pid, "SigIgn") & (1 << (libc::SIGCHLD - 1)), 0);
        }
    }
    signal(engine.id(), libc::SIGTERM);
    assert!(engine.ends().success());
    assert!(!is_alive(worker), "the worker outlives its engine");
    assert!(!home.socket().exists());
    let mut halted = false;
    while let Ok(Some(message)) = client.recv_timeout(PATIENCE) {
        halted |= matches!(message, Message::Live { live: Live::Halted { killed: false, .. }, .. });
    }
    assert!(is_stuck || halted, "the client was not told");
    if session_list::exists(&home, "s") {
        let records = Reader::open(&home, "s").unwrap().records(1).unwrap();
        assert!(matches!(records[0].event, Event::Created { .. }));
    }
}

#[test]
fn an_engine_that_is_told_to_end_gives_up_the_candidate_in_flight() {
    engine_ends(false);
}

#[test]
fn an_engine_does_not_wait_for_a_worker_that_is_stuck() {
    engine_ends(true);
}

#[test]
fn a_headless_run_ends_the_same() {
    for is_stuck in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        std::fs::write(folder.path().join("config.toml"), CONFIG).unwrap();
        let mut command = yosegi(home.root());
        command.args(["evolve", "config.toml", "--headless", "--name", "s"]).stderr(Stdio::piped());
        let mut run = Running(command.spawn().unwrap());
        let worker = worker(run.id());
        if is_stuck {
            signal(worker, libc::SIGSTOP);
        } else {
            let begin = Instant::now();
            while !session_list::exists(&home, "s") {
                assert!(begin.elapsed() < PATIENCE, "no session");
                std::thread::sleep(Duration::from_millis(10));
            }
            assert_eq!(signals(worker, "SigBlk"), 0);
        }
        signal(run.id(), libc::SIGTERM);
        assert_eq!(run.ends().code(), Some(130));
        assert!(!is_alive(worker), "the worker outlives the run");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut run.0.stderr.take().unwrap(), &mut said).unwrap();
        let last = said.trim().lines().last().unwrap_or_default();
        assert!(last.contains("interrupted"), "{said}");
        assert!(is_stuck || last.contains("--name s --resume"), "{said}");
    }
}
