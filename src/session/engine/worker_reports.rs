//! How the dispatcher handles the worker's reports on its job: it passes on streams, stores measurements, sends
//! replies, and tries failed jobs again.

use super::dispatcher::Dispatcher;
use super::jobs::{PendingJob, Purpose};
use super::worker_handle::WorkerHandle;
use crate::evaluate::SplitResult;
use crate::progress::Headway;
use crate::session::evolve::Work;
use crate::session::job::Report;
use crate::session::protocol::{Answers, Cost, Event, Live, Message, Reply};

impl Dispatcher {
    pub(super) fn worker_report(&mut self, report: Report) {
        match report {
            Report::Token { question, text, .. } => self.send_stream(|purpose| match purpose {
                Purpose::Try { request, .. } => Some(Live::TryToken { request: *request, question, text }),
                Purpose::Work(work) => Some(Live::Token { candidate: work.candidate.id, question, text }),
                Purpose::Open(_) | Purpose::Plan(_) => None,
            }),
            Report::Note { text, .. } => self.log_run("note", &text),
            Report::Headway { headway, .. } => self.send_headway(headway),
            Report::Progress { done, of, .. } => self.send_stream(|purpose| match purpose {
                Purpose::Work(work) => Some(Live::Progress { candidate: work.candidate.id, done, of }),
                Purpose::Try { .. } | Purpose::Open(_) | Purpose::Plan(_) => None,
            }),
            Report::Failed { why, .. } => {
                if let Some(pending) = self.running_job.take() {
                    self.job_failed(pending, why);
                }
            }
            Report::Unfit { why, .. } => {
                let Some(pending) = self.running_job.take().filter(|f| !f.cancelled) else { return };
                match pending.purpose {
                    Purpose::Work(work) => {
                        let session = self.active.as_ref().map(|a| a.name.clone());
                        self.log(session.as_deref(), "error", &format!("{}: {why}", work.candidate.label));
                        self.measured(&work, Err(why));
                    }
                    Purpose::Try { connection, request, .. } => {
                        self.reply(connection, request, Reply::Error(why));
                    }
                    Purpose::Plan(asked) => self.reply(asked.connection, asked.request, Reply::Error(why)),
                    Purpose::Open(_) => {}
                }
            }
            Report::Changed { why, .. } => {
                let Some(pending) = self.running_job.take().filter(|f| !f.cancelled) else { return };
                match pending.purpose {
                    // Nothing is stored: the candidate waits until the files are restored.
                    Purpose::Work(_) => self.halt(&why),
                    Purpose::Try { connection, request, .. } => {
                        self.reply(connection, request, Reply::Error(why));
                    }
                    Purpose::Plan(asked) => self.reply(asked.connection, asked.request, Reply::Error(why)),
                    Purpose::Open(start) => self.reply(start.connection, start.request, Reply::Error(why)),
                }
            }
            Report::Planned { found, questions, .. } => self.planned(*found, &questions),
            Report::Timed { timed, .. } => self.timed(&timed),
            Report::Opened { facts, questions, .. } => {
                self.device.clone_from(&facts.device);
                if let Some(PendingJob { purpose: Purpose::Open(start), .. }) = self.running_job.take() {
                    self.session_opened(&start, &facts, &questions);
                }
            }
            Report::Done { device, splits, cost, .. } => {
                self.device = device;
                let Some(pending) = self.running_job.take().filter(|f| !f.cancelled) else { return };
                match pending.purpose {
                    Purpose::Work(work) => self.measured(&work, Ok((splits, cost))),
                    Purpose::Try { connection, request, label } => {
                        let reply = match splits.into_iter().next() {
                            Some(m) => Reply::Answers(Answers { label, score: m.score, answers: m.answers }),
                            None => Reply::Error("no question was asked: name at least one".into()),
                        };
                        self.reply(connection, request, reply);
                    }
                    Purpose::Open(_) | Purpose::Plan(_) => {}
                }
            }
        }
    }

    /// Logs under the running session's name, unless the current job is a try or opens a session.
    fn log_run(&mut self, level: &str, text: &str) {
        let tried = matches!(
            &self.running_job,
            Some(PendingJob { purpose: Purpose::Try { .. } | Purpose::Open(_) | Purpose::Plan(_), .. })
        );
        let session = self.active.as_ref().filter(|_| !tried).map(|a| a.name.clone());
        self.log(session.as_deref(), level, text);
    }

    /// Passes on the text that the current job streams: a try's to its client, a candidate's to the clients of its
    /// session.
    fn send_stream(&mut self, live: impl FnOnce(&Purpose) -> Option<Live>) {
        let Some(pending) = self.running_job.as_ref().filter(|f| !f.cancelled) else { return };
        let Some(live) = live(&pending.purpose) else { return };
        match (&pending.purpose, &self.active) {
            (Purpose::Try { connection, .. }, _) => {
                let connection = *connection;
                self.send(connection, Message::Live { session: None, live });
            }
            (Purpose::Work(_), Some(active)) => {
                let name = active.name.clone();
                self.broadcast_live(&name, &live);
            }
            _ => {}
        }
    }

    /// Passes on how far the current job has come with reading models: to the client that waits for it, or to those of
    /// the session.
    fn send_headway(&mut self, headway: Headway) {
        let Some(pending) = self.running_job.as_ref().filter(|f| !f.cancelled) else { return };
        let to = match &pending.purpose {
            Purpose::Try { connection, .. } => Some(*connection),
            Purpose::Plan(asked) => Some(asked.connection),
            Purpose::Open(start) => Some(start.connection),
            Purpose::Work(_) => None,
        };
        self.headway = Some((headway.clone(), to)).filter(|_| !headway.ended());
        self.tell_headway(headway, to);
    }

    fn tell_headway(&mut self, headway: Headway, to: Option<u64>) {
        let live = Live::Headway(headway);
        match (to, &self.active) {
            (Some(connection), _) => self.send(connection, Message::Live { session: None, live }),
            (None, Some(active)) => {
                let name = active.name.clone();
                self.broadcast_live(&name, &live);
            }
            (None, None) => {}
        }
    }

    /// Tells that work has ended whose worker can't tell it any more: the job is over or cancelled.
    pub(super) fn end_headway(&mut self) {
        let goes_on = self.running_job.as_ref().is_some_and(|pending| !pending.cancelled);
        if let Some((headway, to)) = self.headway.take_if(|_| !goes_on) {
            let done = headway.of;
            self.tell_headway(Headway { done, ..headway }, to);
        }
    }

    /// Handles a failed job. A session's candidate is tried once more with a new worker; a second failure is stored as
    /// the candidate's outcome.
    pub(super) fn job_failed(&mut self, mut pending: PendingJob, why: String) {
        if pending.cancelled {
            return;
        }
        pending.failures += 1;
        match pending.purpose {
            Purpose::Try { connection, request, .. } => self.reply(connection, request, Reply::Error(why)),
            Purpose::Plan(asked) => self.reply(asked.connection, asked.request, Reply::Error(why)),
            Purpose::Open(start) => self.reply(start.connection, start.request, Reply::Error(why)),
            Purpose::Work(ref work) => {
                let label = &work.candidate.label;
                if pending.failures < 2 {
                    self.log_run("warn", &format!("{label}: {why}; trying again with a fresh worker"));
                    self.worker = None;
                    self.give_to_worker(pending);
                } else {
                    self.log_run("error", &format!("{label}: {why}"));
                    let work = work.clone();
                    self.measured(&work, Err(why));
                }
            }
        }
    }

    fn measured(&mut self, work: &Work, result: Result<(Vec<SplitResult>, Cost), String>) {
        let memory = self.worker.as_ref().and_then(WorkerHandle::pid).map_or(0, resident_bytes);
        let Some(active) = &mut self.active else { return };
        let name = active.name.clone();
        match active.measured(work, result) {
            Ok(record) => {
                let rate = active.rate(memory, &self.device);
                let pausing = active.pausing;
                self.broadcast(&name, &record);
                self.broadcast_live(&name, &rate);
                if pausing {
                    self.end_with(&Event::Paused);
                }
            }
            Err(why) => self.halt(&format!("{why:#}")),
        }
    }
}

/// Resident memory of a process; 0 if it can't be read.
fn resident_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    // SAFETY: sysconf returns a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * u64::try_from(page).unwrap_or(4096)
}
