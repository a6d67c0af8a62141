//! What a worker says of the job it has, and what comes of it.

use super::crew::Worker;
use super::hub::{Flight, Hub, Purpose};
use crate::evaluate::Measured;
use crate::session::evolve::Work;
use crate::session::job::Report;
use crate::session::protocol::{Answers, Cost, Event, Live, Message, Reply};

impl Hub {
    pub(super) fn report(&mut self, report: Report) {
        match report {
            Report::Token { question, text, .. } => self.streamed(|purpose| match purpose {
                Purpose::Try { request, .. } => Some(Live::TryToken { request: *request, question, text }),
                Purpose::Work(work) => Some(Live::Token { candidate: work.candidate.id, question, text }),
                Purpose::Start(_) => None,
            }),
            Report::Note { text, .. } => self.log_run("note", &text),
            Report::Progress { done, of, .. } => self.streamed(|purpose| match purpose {
                Purpose::Work(work) => Some(Live::Progress { candidate: work.candidate.id, done, of }),
                Purpose::Try { .. } | Purpose::Start(_) => None,
            }),
            Report::Failed { why, .. } => {
                if let Some(flight) = self.flight.take() {
                    self.failed(flight, why);
                }
            }
            Report::Unfit { why, .. } => {
                let Some(flight) = self.flight.take().filter(|f| !f.dropped) else { return };
                match flight.purpose {
                    Purpose::Work(work) => {
                        let session = self.active.as_ref().map(|a| a.name.clone());
                        self.log(session.as_deref(), "error", &format!("{}: {why}", work.candidate.label));
                        self.measured(&work, Err(why));
                    }
                    Purpose::Try { line, request, .. } => self.reply(line, request, Reply::Error(why)),
                    Purpose::Start(_) => {}
                }
            }
            Report::Changed { why, .. } => {
                let Some(flight) = self.flight.take().filter(|f| !f.dropped) else { return };
                match flight.purpose {
                    // Nothing is stored: the candidate waits until all is as it was.
                    Purpose::Work(_) => self.halt(&why),
                    Purpose::Try { line, request, .. } => self.reply(line, request, Reply::Error(why)),
                    Purpose::Start(start) => self.reply(start.line, start.request, Reply::Error(why)),
                }
            }
            Report::Opened { facts, questions, .. } => {
                self.device.clone_from(&facts.device);
                if let Some(Flight { purpose: Purpose::Start(start), .. }) = self.flight.take() {
                    self.opened(&start, &facts, &questions);
                }
            }
            Report::Done { device, splits, cost, .. } => {
                self.device = device;
                let Some(flight) = self.flight.take().filter(|f| !f.dropped) else { return };
                match flight.purpose {
                    Purpose::Work(work) => self.measured(&work, Ok((splits, cost))),
                    Purpose::Try { line, request, label } => {
                        let reply = match splits.into_iter().next() {
                            Some(m) => Reply::Answers(Answers { label, score: m.score, answers: m.answers }),
                            None => Reply::Error("no question was asked: name at least one".into()),
                        };
                        self.reply(line, request, reply);
                    }
                    Purpose::Start(_) => {}
                }
            }
        }
    }

    /// Logs what concerns the run, or, where what is in flight is none of its candidates, whoever
    /// listens.
    fn log_run(&mut self, level: &str, text: &str) {
        let tried =
            matches!(&self.flight, Some(Flight { purpose: Purpose::Try { .. } | Purpose::Start(_), .. }));
        let session = self.active.as_ref().filter(|_| !tried).map(|a| a.name.clone());
        self.log(session.as_deref(), level, text);
    }

    /// Sends on what streams from the job in flight, to whom it concerns.
    fn streamed(&mut self, live: impl FnOnce(&Purpose) -> Option<Live>) {
        let Some(flight) = self.flight.as_ref().filter(|f| !f.dropped) else { return };
        let Some(live) = live(&flight.purpose) else { return };
        match (&flight.purpose, &self.active) {
            (Purpose::Try { line, .. }, _) => {
                let line = *line;
                self.send(line, Message::Live { session: None, live });
            }
            (Purpose::Work(_), Some(active)) => {
                let name = active.name.clone();
                self.live_to(&name, &live);
            }
            _ => {}
        }
    }

    /// A job came to nothing. A session's candidate gets a second chance with a fresh worker;
    /// if that ends alike, the failure is its outcome.
    pub(super) fn failed(&mut self, mut flight: Flight, why: String) {
        if flight.dropped {
            return;
        }
        flight.failures += 1;
        match flight.purpose {
            Purpose::Try { line, request, .. } => self.reply(line, request, Reply::Error(why)),
            Purpose::Start(start) => self.reply(start.line, start.request, Reply::Error(why)),
            Purpose::Work(ref work) => {
                let label = &work.candidate.label;
                if flight.failures < 2 {
                    self.log_run("warn", &format!("{label}: {why}; trying again with a fresh worker"));
                    self.worker = None;
                    self.fly(flight);
                } else {
                    self.log_run("error", &format!("{label}: {why}"));
                    let work = work.clone();
                    self.measured(&work, Err(why));
                }
            }
        }
    }

    fn measured(&mut self, work: &Work, result: Result<(Vec<Measured>, Cost), String>) {
        let memory = self.worker.as_ref().and_then(Worker::pid).map_or(0, resident_bytes);
        let Some(active) = &mut self.active else { return };
        let name = active.name.clone();
        match active.measured(work, result) {
            Ok(record) => {
                let rate = active.rate(memory, &self.device);
                let pausing = active.pausing;
                self.broadcast(&name, &record);
                self.live_to(&name, &rate);
                if pausing {
                    self.end_with(&Event::Paused);
                }
            }
            Err(why) => self.halt(&format!("{why:#}")),
        }
    }
}

/// Memory that a process has resident; 0 where that can't be told.
fn resident_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    // SAFETY: sysconf reads a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * u64::try_from(page).unwrap_or(4096)
}
