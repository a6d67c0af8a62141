//! `yosegi worker`, the process that does the tensor work. Jobs come in on stdin and reports go out on stdout, one JSON
//! document a line. An engine starts it, and it ends with its engine.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::client::read_lines;
use super::job::{Job, Report};
use super::json_line::{Unsayable, encode};
use super::signals;
use crate::evaluate::fingerprints::{Changed, of_models};
use crate::evaluate::plan::{measure, plan};
use crate::evaluate::{EvalRequest, Evaluator, Listener, Progress, SplitResult, is_settled};
use crate::limits::MESSAGE;

/// The shortest time between two progress reports.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// The current job, and the highest number of a cancelled one.
#[derive(Default)]
struct Current {
    id: u64,
    cancelled: u64,
    cancel: Arc<AtomicBool>,
}

/// Does jobs until stdin ends.
///
/// # Errors
/// Stdout can't be redirected, or a thread can't be started.
pub fn run() -> anyhow::Result<()> {
    signals::start_clean();
    die_with_engine();
    give_way();
    let out = Mutex::new(take_stdout()?);
    let say = |report: &Report| {
        let failed = |why: &Unsayable| Report::Failed { id: report.id(), why: why.to_string() };
        let line = encode(report).or_else(|why| encode(&failed(&why))).unwrap_or_default();
        let written = out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        if written.is_err() {
            // The engine is gone.
            std::process::exit(0);
        }
    };
    let current = Arc::new(Mutex::new(Current::default()));
    let jobs = read_jobs(Arc::clone(&current))?;
    let mut evaluator = Evaluator::default();
    for job in jobs {
        let cancel = begin(&current, job.id());
        let id = job.id();
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut evaluator, &job, &say, &cancel)));
        let report = match done {
            Ok(Ok(report)) => report,
            Ok(Err(why)) if why.chain().any(<dyn std::error::Error>::is::<Changed>) => {
                Report::Changed { id, why: format!("{why:#}") }
            }
            Ok(Err(why)) if is_settled(&why) => Report::Unfit { id, why: format!("{why:#}") },
            Ok(Err(why)) => Report::Failed { id, why: format!("{why:#}") },
            Err(panic) => {
                // The loaded models may be in an inconsistent state.
                evaluator = Evaluator::default();
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                Report::Failed { id, why: format!("the worker panicked: {said}") }
            }
        };
        say(&report);
    }
    Ok(())
}

fn work(
    evaluator: &mut Evaluator,
    job: &Job,
    say: &(dyn Fn(&Report) + Sync),
    cancel: &AtomicBool,
) -> anyhow::Result<Report> {
    match job {
        Job::Open { id, setup, known } => {
            let id = *id;
            let progress = |news: Progress| match news {
                Progress::Note(text) => say(&Report::Note { id, text }),
                Progress::Headway(headway) => say(&Report::Headway { id, headway }),
                Progress::Token { .. } | Progress::Done { .. } => {}
            };
            let listener = Listener { tell: &progress, cancel };
            evaluator.forget();
            let (mut facts, questions) = evaluator.open(setup, &listener)?;
            facts.prints.extend(listener.observe(|observer| of_models(setup, known, observer))?);
            Ok(Report::Opened { id, facts, questions })
        }
        Job::Run { id, setup, target, ask, watch } => {
            let id = *id;
            let last = Mutex::new(Instant::now());
            let progress = |news: Progress| match news {
                Progress::Note(text) => say(&Report::Note { id, text }),
                Progress::Headway(headway) => say(&Report::Headway { id, headway }),
                Progress::Token { question, text } => say(&Report::Token { id, question, text }),
                Progress::Done { done, of } => {
                    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                    if done == of || last.elapsed() > PROGRESS_EVERY {
                        *last = Instant::now();
                        say(&Report::Progress { id, done, of });
                    }
                }
            };
            let request = EvalRequest { setup, target, ask, watch, decoding: None };
            let (splits, cost) = evaluator.evaluate(&request, &progress, cancel)?;
            match splits.iter().find_map(SplitResult::unfit) {
                Some(why) => Ok(Report::Unfit { id, why }),
                None => Ok(Report::Done { id, device: evaluator.device_name(setup)?, splits, cost }),
            }
        }
        Job::Plan { id, setup, merge } => {
            let id = *id;
            let progress = |news: Progress| match news {
                Progress::Note(text) => say(&Report::Note { id, text }),
                Progress::Headway(headway) => say(&Report::Headway { id, headway }),
                Progress::Token { .. } | Progress::Done { .. } => {}
            };
            let listener = Listener { tell: &progress, cancel };
            // The files may have changed since they were last opened.
            evaluator.forget();
            let (found, questions) = plan(evaluator, setup, merge, &listener)?;
            Ok(Report::Planned { id, found: Box::new(found), questions })
        }
        Job::Measure { id, setup, request } => {
            let id = *id;
            let progress = |news: Progress| match news {
                Progress::Note(text) => say(&Report::Note { id, text }),
                Progress::Headway(headway) => say(&Report::Headway { id, headway }),
                Progress::Done { done, of } => say(&Report::Progress { id, done, of }),
                Progress::Token { .. } => {}
            };
            let timed = measure(evaluator, setup, request, &progress, cancel)?;
            Ok(Report::Timed { id, timed })
        }
        Job::Cancel { id } => Ok(Report::Failed { id: *id, why: "cancelled".into() }),
    }
}

/// Begins a job and returns its cancel flag, which is already set if the job was cancelled while it waited.
fn begin(current: &Mutex<Current>, id: u64) -> Arc<AtomicBool> {
    let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
    current.id = id;
    current.cancel = Arc::new(AtomicBool::new(id <= current.cancelled));
    Arc::clone(&current.cancel)
}

/// Passes on jobs in order. Cancellations take effect at once, and the end of stdin ends the process.
fn read_jobs(current: Arc<Mutex<Current>>) -> anyhow::Result<mpsc::Receiver<Job>> {
    let (tx, rx) = mpsc::channel();
    thread::Builder::new()
        .name("jobs".into())
        .spawn(move || {
            read_lines(std::io::stdin(), MESSAGE, |job| {
                let Job::Cancel { id } = job else { return tx.send(job).is_ok() };
                let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
                // Job numbers only grow, so jobs with lower numbers than a cancelled one are done.
                current.cancelled = current.cancelled.max(id);
                if current.id <= id {
                    current.cancel.store(true, Ordering::SeqCst);
                }
                true
            });
            std::process::exit(0);
        })
        .context("starting a thread")?;
    Ok(rx)
}

/// Reserves stdout for reports: output that a library prints goes to stderr.
fn take_stdout() -> anyhow::Result<File> {
    // SAFETY: nothing else owns the duplicated descriptor. After dup2 onto 1, Rust's own stdout handle stays valid and
    // writes to stderr.
    unsafe {
        let own = libc::dup(libc::STDOUT_FILENO);
        anyhow::ensure!(own >= 0, "the worker has no stdout");
        libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
        Ok(File::from_raw_fd(own))
    }
}

/// Lowers the worker's priority, so that the workbench responds to a key at once during a computation. This costs
/// nothing on an idle machine.
fn give_way() {
    // SAFETY: nice takes a number and touches no memory. If it fails, the priority stays unchanged.
    unsafe {
        let _ = libc::nice(5);
    }
}

/// Asks the system to kill this process when the engine's thread that started it ends, for whatever reason. The end of
/// stdin has the same effect a little later, on every system.
fn die_with_engine() {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}
