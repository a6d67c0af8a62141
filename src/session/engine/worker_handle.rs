//! The engine's handle to its worker: a process of this same program, or, in tests, a function on a thread. Jobs go in;
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

/// A worker in tests: a function that does a job and reports through the sink.
pub type WorkerFunction = dyn Fn(&Job, &mut dyn FnMut(Report)) + Send + Sync;

/// How to make a worker.
#[derive(Clone)]
pub enum WorkerKind {
    /// A process of this program.
    Process,
    /// A process of another build of this program (tests have their own executable).
    Program(PathBuf),
    /// A function on a thread of this process; a panic counts as a crash of the worker.
    Function(Arc<WorkerFunction>),
}

/// A running worker that accepts jobs.
pub struct WorkerHandle {
    /// Distinguishes reports of this worker from those of an earlier one.
    pub number: u64,
    transport: Transport,
}

enum Transport {
    Process { child: Child, stdin: ChildStdin },
    Thread(Sender<Job>),
}

impl WorkerHandle {
    /// Starts a worker whose reports go to the dispatcher. A worker process is killed when the thread that started it
    /// ends, so this must be called on a thread that lives as long as the worker.
    pub fn start(kind: &WorkerKind, number: u64, dispatcher: Sender<Inbound>) -> anyhow::Result<Self> {
        let mut command = match kind {
            WorkerKind::Process => own_program()?,
            WorkerKind::Program(path) => std::process::Command::new(path),
            WorkerKind::Function(function) => {
                return Ok(Self { number, transport: on_thread(Arc::clone(function), number, dispatcher) });
            }
        };
        // The worker gets its own process group: Ctrl-C in the terminal of a headless run must not reach it.
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

    /// Sends a job to the worker. An error means that the worker is gone.
    pub fn send(&mut self, job: &Job) -> anyhow::Result<()> {
        match &mut self.transport {
            Transport::Thread(tx) => tx.send(job.clone()).context("the worker is gone"),
            Transport::Process { stdin, .. } => stdin.write_all(&encode(job)?).context("the worker is gone"),
        }
    }

    /// The worker's process id, if it is a process.
    pub fn pid(&self) -> Option<u32> {
        match &self.transport {
            Transport::Process { child, .. } => Some(child.id()),
            Transport::Thread(_) => None,
        }
    }

    /// Ends the worker and says how it ended.
    pub fn end(mut self) -> String {
        match &mut self.transport {
            Transport::Thread(_) => "the worker panicked".into(),
            Transport::Process { child, .. } => {
                use std::os::unix::process::ExitStatusExt;
                // A worker that has closed its output is about to end; its exit status is what to report.
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
