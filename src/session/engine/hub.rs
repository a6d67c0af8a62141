//! The engine's one thread of decisions: whatever happens (a client's request, a worker's
//! report, a signal) comes in through one channel and is dealt with in order.
//!
//! One job is with the worker at a time. At each job's end, what follows is chosen in this
//! order: a `Try` somebody waits for, a session to be opened, the running session's next step.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::active::Active;
use super::crew::{Worker, WorkerKind};
use super::elsewhere::{Elsewhere, News};
use super::outbox::Outbox;
use super::relay::TryElsewhere;
use crate::checkpoint::FilePrint;
use crate::session::config::Config;
use crate::session::evolve::{Next, Work};
use crate::session::home::Home;
use crate::session::job::{Job, Report};
use crate::session::protocol::{Event, Live, Message, Reply, Request};

/// How often the hub looks up when nothing comes in.
const TICK: Duration = Duration::from_millis(200);

/// What comes in.
// Most of it is reports and events.
#[allow(clippy::large_enum_variant)]
pub enum Inbound {
    Connect {
        line: u64,
        outbox: Arc<Outbox>,
    },
    Request {
        line: u64,
        request: Request,
    },
    Disconnect {
        line: u64,
    },
    Report {
        worker: u64,
        report: Report,
    },
    WorkerGone {
        worker: u64,
    },
    /// A reply worked out on another thread.
    Reply {
        line: u64,
        id: u64,
        reply: Reply,
    },
    /// Something happened to a session that another process runs, or nobody.
    Elsewhere {
        session: String,
        number: u64,
        news: News,
    },
    /// What streams from a try in another process.
    Tried {
        line: u64,
        request: u64,
        live: Live,
    },
    /// End now; the journal is complete as it is.
    Stop,
}

/// The engine's state.
pub struct Hub {
    pub(super) home: Home,
    pub(super) inbound: Sender<Inbound>,
    pub(super) lines: HashMap<u64, Line>,
    pub(super) active: Option<Active>,
    pub(super) flight: Option<Flight>,
    pub(super) tries: VecDeque<Flight>,
    pub(super) starts: VecDeque<Flight>,
    pub(super) watches: HashMap<String, Vec<usize>>,
    /// Sessions that somebody follows and that this engine does not run.
    pub(super) elsewhere: HashMap<String, Elsewhere>,
    pub(super) followers: u64,
    /// Tries in other processes, by the line that asked.
    pub(super) tries_elsewhere: HashMap<u64, TryElsewhere>,
    /// The last log lines, oldest first.
    pub(super) said: VecDeque<Message>,
    /// The worker's device, once one has told.
    pub(super) device: String,
    /// Somebody asked the engine to end once nothing runs.
    pub(super) leaving: bool,
    kind: WorkerKind,
    pub(super) worker: Option<Worker>,
    workers: u64,
    jobs: u64,
    /// End after this long without client and run.
    pub(super) idle: Option<Duration>,
    pub(super) busy_at: Instant,
    pub(super) worked_at: Instant,
    /// Memory that was freed since has been given back.
    pub(super) freed_at: Option<Instant>,
}

/// A connected client.
pub struct Line {
    pub outbox: Arc<Outbox>,
    /// The sessions that it follows, each with the event that it awaits.
    pub subscribed: HashMap<String, u64>,
}

/// However the engine ends, in a panic too, whoever waits for it hears so.
impl Drop for Line {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

/// A job and what it is for.
pub struct Flight {
    pub job: Job,
    pub purpose: Purpose,
    /// Nobody waits for it any more.
    pub dropped: bool,
    /// Times that it has failed.
    pub failures: u32,
}

/// What a job is for.
pub enum Purpose {
    Try { line: u64, request: u64, label: String },
    Start(Box<Start>),
    Work(Work),
}

/// A session to be opened.
pub struct Start {
    pub line: u64,
    pub request: u64,
    pub text: String,
    pub config: Config,
    /// A name asked for; else a fresh one after the config's.
    pub name: Option<String>,
    /// The session is there already and goes on.
    pub resume: bool,
    /// It is over, and goes on up to so many evaluations.
    pub extend: Option<u64>,
    /// Fingerprints of what it reads, as its journal has them.
    pub known: Vec<FilePrint>,
}

impl Hub {
    pub fn new(home: Home, kind: WorkerKind, inbound: Sender<Inbound>, idle: Option<Duration>) -> Self {
        Self {
            home,
            inbound,
            lines: HashMap::new(),
            active: None,
            flight: None,
            tries: VecDeque::new(),
            starts: VecDeque::new(),
            watches: HashMap::new(),
            elsewhere: HashMap::new(),
            followers: 0,
            tries_elsewhere: HashMap::new(),
            said: VecDeque::new(),
            device: String::new(),
            leaving: false,
            kind,
            worker: None,
            workers: 0,
            jobs: 0,
            idle,
            busy_at: Instant::now(),
            worked_at: Instant::now(),
            freed_at: None,
        }
    }

    /// Deals with what comes in until told to stop, or until nobody needs the engine.
    pub fn run(mut self, inbound: &Receiver<Inbound>) {
        loop {
            match inbound.recv_timeout(TICK) {
                Ok(Inbound::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.advance();
            self.rest_worker();
            if self.may_leave() {
                break;
            }
        }
        if let Some(active) = self.active.take() {
            let reason = "the process that ran it was told to end".to_owned();
            let name = active.name.clone();
            // Whoever hears of it may take it up at once.
            drop(active);
            self.live_to(&name, &Live::Halted { reason, killed: false });
        }
        for line in self.lines.values() {
            line.outbox.close();
        }
    }

    /// Whether this engine runs the session now.
    pub(super) fn runs(&self, session: &str) -> bool {
        self.active.as_ref().is_some_and(|a| a.name == session)
    }

    fn take(&mut self, event: Inbound) {
        match event {
            Inbound::Connect { line, outbox } => {
                self.lines.insert(line, Line { outbox, subscribed: HashMap::new() });
            }
            Inbound::Request { line, request } => self.request(line, request),
            Inbound::Disconnect { line } => self.disconnect(line),
            Inbound::Reply { line, id, reply } => {
                if self.tries_elsewhere.get(&line).is_some_and(|t| t.request == id) {
                    self.tries_elsewhere.remove(&line);
                }
                // Lists and answers are large and soon forgotten.
                self.freed_at = Some(Instant::now());
                self.reply(line, id, reply);
            }
            Inbound::Elsewhere { session, number, news } => self.news(&session, number, news),
            Inbound::Tried { line, request, live } => {
                if self.tries_elsewhere.get(&line).is_some_and(|t| t.request == request) {
                    self.send(line, Message::Live { session: None, live });
                }
            }
            Inbound::Report { worker, report } => {
                let current = self.worker.as_ref().is_some_and(|w| w.number == worker);
                if current && self.flight.as_ref().is_some_and(|f| f.job.id() == report.id()) {
                    self.report(report);
                }
            }
            Inbound::WorkerGone { worker } => {
                if self.worker.as_ref().is_some_and(|w| w.number == worker) {
                    let why = self.worker.take().map_or_else(String::new, Worker::end);
                    if let Some(flight) = self.flight.take() {
                        self.failed(flight, why);
                    }
                }
            }
            Inbound::Stop => {}
        }
    }

    pub(super) fn disconnect(&mut self, line: u64) {
        if let Some(line) = self.lines.remove(&line) {
            line.outbox.close();
        }
        self.drop_tries(line);
        self.forget_elsewhere();
    }

    /// Forgets the `Try` requests of a line; returns their numbers.
    pub(super) fn drop_tries(&mut self, of: u64) -> Vec<u64> {
        let mut dropped: Vec<u64> = self.tries_elsewhere.remove(&of).map(|t| t.request).into_iter().collect();
        self.tries.retain(|flight| match flight.purpose {
            Purpose::Try { line, request, .. } if line == of => {
                dropped.push(request);
                false
            }
            _ => true,
        });
        if let Some(flight) = &mut self.flight
            && let Purpose::Try { line, request, .. } = flight.purpose
            && line == of
            && !flight.dropped
        {
            dropped.push(request);
            self.cancel_flight();
        }
        dropped
    }

    /// Tells the worker to forget the job it has; what it still says of it counts for nothing.
    pub(super) fn cancel_flight(&mut self) {
        if let (Some(flight), Some(worker)) = (&mut self.flight, &mut self.worker) {
            flight.dropped = true;
            let _ = worker.give(&Job::Cancel { id: flight.job.id() });
        }
    }

    /// Gives out work until something is with the worker or nothing is left to do.
    fn advance(&mut self) {
        while self.flight.is_none() {
            if let Some(flight) = self.tries.pop_front().or_else(|| self.starts.pop_front()) {
                self.fly(flight);
                continue;
            }
            let Some(active) = &mut self.active else { return };
            match active.step() {
                Ok(Next::Record(event)) => self.store(&event),
                Ok(Next::Evaluate(work)) => {
                    let watch = self.watches.get(&active.name).cloned().unwrap_or_default();
                    let job = active.job(0, &work, &watch);
                    self.fly(Flight { job, purpose: Purpose::Work(work), dropped: false, failures: 0 });
                }
                Ok(Next::Wait | Next::Done) => self.let_go(false),
                Err(why) => self.halt(&format!("{why:#}")),
            }
        }
    }

    /// Hands a job to the worker, starting one if there is none.
    pub(super) fn fly(&mut self, mut flight: Flight) {
        self.jobs += 1;
        match &mut flight.job {
            Job::Open { id, .. } | Job::Run { id, .. } | Job::Cancel { id } => *id = self.jobs,
        }
        for _ in 0..2 {
            if self.worker.is_none() {
                self.workers += 1;
                match Worker::start(&self.kind, self.workers, self.inbound.clone()) {
                    Ok(worker) => self.worker = Some(worker),
                    Err(why) => {
                        flight.failures += 1;
                        return self.failed(flight, format!("{why:#}"));
                    }
                }
            }
            if self.worker.as_mut().is_some_and(|w| w.give(&flight.job).is_ok()) {
                self.flight = Some(flight);
                return;
            }
            self.worker = None;
        }
        flight.failures += 1;
        self.failed(flight, "no worker takes the job".into());
    }

    /// Stores an event of the running session and sends it out.
    pub(super) fn store(&mut self, event: &Event) {
        let Some(active) = &mut self.active else { return };
        let name = active.name.clone();
        match active.store(event) {
            Ok(record) => self.broadcast(&name, &record),
            Err(why) => self.halt(&format!("{why:#}")),
        }
    }

    /// The running session can't go on: its journal can't be written or read.
    pub(super) fn halt(&mut self, reason: &str) {
        let Some(name) = self.active.as_ref().map(|a| a.name.clone()) else { return };
        self.log_file("error", &format!("session `{name}`: {reason}"));
        self.let_go(true);
        self.live_to(&name, &Live::Halted { reason: reason.to_owned(), killed: false });
        if matches!(&self.flight, Some(Flight { purpose: Purpose::Work(_), .. })) {
            self.cancel_flight();
        }
    }
}
