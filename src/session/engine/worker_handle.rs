//! The engine's handle of its worker: a process of this same program, or, in tests, a function on a thread. Jobs go in;
//! reports go to the dispatcher's channel. The dispatcher holds one.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::Context;

use super::inbound::Inbound;
use crate::limits::MESSAGE;
use crate::session::client::{own_program, read_lines};
use crate::session::job::{Job, Report};
use crate::session::json_line::encode;

/// A worker in tests: it does a job and reports through the sink.
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
pub struct WorkerHandle {
    /// Tells reports of this worker from those of an earlier one.
    pub number: u64,
    transport: Transport,
}

enum Transport {
    Process { child: Child, stdin: ChildStdin },
    Thread(Sender<Job>),
}

impl WorkerHandle {
    /// Starts a worker whose reports go to the dispatcher. A worker process dies with the thread that started it, so
    /// this thread must live as long.
    pub fn start(kind: &WorkerKind, number: u64, dispatcher: Sender<Inbound>) -> anyhow::Result<Self> {
        let mut command = match kind {
            WorkerKind::Process => own_program()?,
            WorkerKind::Program(path) => std::process::Command::new(path),
            WorkerKind::Function(function) => {
                return Ok(Self { number, transport: on_thread(Arc::clone(function), number, dispatcher) });
            }
        };
        // A group of its own: Ctrl-C in the terminal of a headless run is not for the worker.
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().context("starting the worker")?;
        let stdin = child.stdin.take().context("the worker's input")?;
        let stdout = child.stdout.take().context("the worker's output")?;
        thread::Builder::new().name("worker-reports".into()).spawn(move || {
            read_lines(stdout, MESSAGE, |report| {
                dispatcher.send(Inbound::Report { worker: number, report }).is_ok()
            });
            let _ = dispatcher.send(Inbound::WorkerGone { worker: number });
        })?;
        Ok(Self { number, transport: Transport::Process { child, stdin } })
    }

    /// Sends it a job. An error means that the worker is gone.
    pub fn send(&mut self, job: &Job) -> anyhow::Result<()> {
        match &mut self.transport {
            Transport::Thread(tx) => tx.send(job.clone()).context("the worker is gone"),
            Transport::Process { stdin, .. } => stdin.write_all(&encode(job)?).context("the worker is gone"),
        }
    }

    /// Its process id, where it is a process.
    pub fn pid(&self) -> Option<u32> {
        match &self.transport {
            Transport::Process { child, .. } => Some(child.id()),
            Transport::Thread(_) => None,
        }
    }

    /// Ends it and says how it ended.
    pub fn end(mut self) -> String {
        match &mut self.transport {
            Transport::Thread(_) => "the worker panicked".into(),
            Transport::Process { child, .. } => {
                use std::os::unix::process::ExitStatusExt;
                // A worker that closed its output is about to end; its exit status is what to report.
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

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        if let Transport::Process { child, .. } = &mut self.transport {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn on_thread(function: Arc<WorkerFunction>, number: u64, dispatcher: Sender<Inbound>) -> Transport {
    let (tx, rx) = mpsc::channel::<Job>();
    thread::spawn(move || {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for job in rx {
                function(&job, &mut |report| {
                    let _ = dispatcher.send(Inbound::Report { worker: number, report });
                });
            }
        }));
        if result.is_err() {
            let _ = dispatcher.send(Inbound::WorkerGone { worker: number });
        }
    });
    Transport::Thread(tx)
}
