//! The engine's end of the line to its worker: a process of this same program, or, in tests, a
//! function on a thread.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::Context;

use super::hub::Inbound;
use crate::limits::MESSAGE;
use crate::session::client::{own_program, read_lines};
use crate::session::job::{Job, Report};
use crate::session::line::encode;

/// What does a job and reports through the sink.
pub type WorkerFunction = dyn Fn(&Job, &mut dyn FnMut(Report)) + Send + Sync;

/// How workers are made.
#[derive(Clone)]
pub enum WorkerKind {
    /// A process of this program.
    Process,
    /// A process of another build of this program (tests run in their own).
    Program(PathBuf),
    /// A function on a thread of this process; a panic is its crash.
    Function(Arc<WorkerFunction>),
}

/// A worker that takes jobs.
pub struct Worker {
    /// Tells reports of this worker from those of one before it.
    pub number: u64,
    hands: Hands,
}

enum Hands {
    Process { child: Child, stdin: ChildStdin },
    Thread(Sender<Job>),
}

impl Worker {
    /// Starts a worker whose reports go to the hub. Must be called on a thread that lives as
    /// long as the worker shall: a worker dies with the thread that started it.
    pub fn start(kind: &WorkerKind, number: u64, hub: Sender<Inbound>) -> anyhow::Result<Self> {
        let mut command = match kind {
            WorkerKind::Process => own_program()?,
            WorkerKind::Program(path) => std::process::Command::new(path),
            WorkerKind::Function(function) => {
                return Ok(Self { number, hands: on_thread(Arc::clone(function), number, hub) });
            }
        };
        // A group of its own: Ctrl-C in the terminal of a headless run is not for the worker.
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().context("starting the worker")?;
        let stdin = child.stdin.take().context("the worker's input")?;
        let stdout = child.stdout.take().context("the worker's output")?;
        thread::Builder::new().name("worker-reports".into()).spawn(move || {
            read_lines(stdout, MESSAGE, |report| {
                hub.send(Inbound::Report { worker: number, report }).is_ok()
            });
            let _ = hub.send(Inbound::WorkerGone { worker: number });
        })?;
        Ok(Self { number, hands: Hands::Process { child, stdin } })
    }

    /// Gives it a job. An error means that it is gone.
    pub fn give(&mut self, job: &Job) -> anyhow::Result<()> {
        match &mut self.hands {
            Hands::Thread(tx) => tx.send(job.clone()).context("the worker is gone"),
            Hands::Process { stdin, .. } => stdin.write_all(&encode(job)?).context("the worker is gone"),
        }
    }

    /// Its process id, where it is a process.
    pub fn pid(&self) -> Option<u32> {
        match &self.hands {
            Hands::Process { child, .. } => Some(child.id()),
            Hands::Thread(_) => None,
        }
    }

    /// Ends it and says how it ended.
    pub fn end(mut self) -> String {
        match &mut self.hands {
            Hands::Thread(_) => "the worker panicked".into(),
            Hands::Process { child, .. } => {
                use std::os::unix::process::ExitStatusExt;
                // A worker that closed its output is about to end by itself; its own way of
                // ending is the one to tell.
                let ended = (0..50).find_map(|_| match child.try_wait() {
                    Ok(None) => {
                        thread::sleep(std::time::Duration::from_millis(4));
                        None
                    }
                    other => Some(other),
                });
                match ended {
                    Some(Ok(Some(status))) => match (status.signal(), status.code()) {
                        (Some(9), _) => "the worker was killed (signal 9: out of memory?)".into(),
                        (Some(signal), _) => format!("the worker was killed by signal {signal}"),
                        (None, code) => format!("the worker ended with status {}", code.unwrap_or(-1)),
                    },
                    _ => "the worker closed its output".into(),
                }
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Hands::Process { child, .. } = &mut self.hands {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn on_thread(function: Arc<WorkerFunction>, number: u64, hub: Sender<Inbound>) -> Hands {
    let (tx, rx) = mpsc::channel::<Job>();
    thread::spawn(move || {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for job in rx {
                function(&job, &mut |report| {
                    let _ = hub.send(Inbound::Report { worker: number, report });
                });
            }
        }));
        if result.is_err() {
            let _ = hub.send(Inbound::WorkerGone { worker: number });
        }
    });
    Hands::Thread(tx)
}
