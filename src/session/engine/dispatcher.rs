//! The dispatcher: the one thread of the engine that makes decisions. Requests of clients, reports of the worker and
//! news of followed sessions come in through one channel and are handled in order. Jobs go to the worker, messages to
//! the clients.
//!
//! The worker has one job at a time. When it is free, the next job is chosen in this order: a client's `Try`, a plan,
//! opening a session, the running session's next step.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::active_session::ActiveSession;
use super::connection::Connection;
use super::follower::FollowedSession;
use super::inbound::Inbound;
use super::jobs::{ForwardedTry, PendingJob, Purpose};
use super::worker_handle::{WorkerHandle, WorkerKind};
use crate::progress::Headway;
use crate::session::evolve::Next;
use crate::session::home::Home;
use crate::session::job::Job;
use crate::session::protocol::{Event, Live, Message};

/// How often the dispatcher checks its time limits when no message comes in.
const TICK: Duration = Duration::from_millis(200);

/// The engine's state. Each file of this folder adds the methods for one subject.
pub struct Dispatcher {
    pub(super) home: Home,
    pub(super) inbound: Sender<Inbound>,
    /// The connected clients, by number.
    pub(super) connections: HashMap<u64, Connection>,
    /// The session that this engine runs.
    pub(super) active: Option<ActiveSession>,
    /// The job that the worker is doing.
    pub(super) running_job: Option<PendingJob>,
    /// `Try` jobs and sessions to open that wait for the worker.
    pub(super) tries: VecDeque<PendingJob>,
    pub(super) to_open: VecDeque<PendingJob>,
    /// Plans of sessions that wait for the worker.
    pub(super) plans: VecDeque<PendingJob>,
    /// The training questions whose answers are streamed, by session.
    pub(super) watches: HashMap<String, Vec<usize>>,
    /// Sessions that a client follows and that this engine does not run.
    pub(super) followed: HashMap<String, FollowedSession>,
    pub(super) followers_started: u64,
    /// Tries that run in other processes, by the client that asked.
    pub(super) forwarded_tries: HashMap<u64, ForwardedTry>,
    /// The last log messages, oldest first.
    pub(super) recent_log: VecDeque<Message>,
    /// The worker's device; empty until a worker has reported it.
    pub(super) device: String,
    /// A client has asked the engine to end as soon as nothing runs.
    pub(super) shutting_down: bool,
    kind: WorkerKind,
    pub(super) worker: Option<WorkerHandle>,
    workers_started: u64,
    jobs_given: u64,
    /// The engine ends after this long without a client and a run; `None`: it keeps running.
    pub(super) idle: Option<Duration>,
    /// How far the worker's job has come with reading models, as last told, and to whom: one client, or those of the
    /// session.
    pub(super) headway: Option<(Headway, Option<u64>)>,
    /// When a client or a run last needed the engine, and when a job last needed the worker.
    pub(super) needed_at: Instant,
    pub(super) worked_at: Instant,
    /// When memory was freed that the allocator has not returned to the system yet.
    pub(super) freed_at: Option<Instant>,
}

impl Dispatcher {
    pub fn new(home: Home, kind: WorkerKind, inbound: Sender<Inbound>, idle: Option<Duration>) -> Self {
        Self {
            home,
            inbound,
            connections: HashMap::new(),
            active: None,
            running_job: None,
            tries: VecDeque::new(),
            to_open: VecDeque::new(),
            plans: VecDeque::new(),
            watches: HashMap::new(),
            followed: HashMap::new(),
            followers_started: 0,
            forwarded_tries: HashMap::new(),
            recent_log: VecDeque::new(),
            device: String::new(),
            shutting_down: false,
            kind,
            worker: None,
            workers_started: 0,
            jobs_given: 0,
            idle,
            headway: None,
            needed_at: Instant::now(),
            worked_at: Instant::now(),
            freed_at: None,
        }
    }

    /// Handles messages until the engine is told to stop, or until it is no longer needed.
    pub fn run(mut self, inbound: &Receiver<Inbound>) {
        loop {
            match inbound.recv_timeout(TICK) {
                Ok(Inbound::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.end_headway();
            self.start_next_job();
            self.release_idle();
            if self.may_exit() {
                break;
            }
        }
        if let Some(active) = self.active.take() {
            let reason = "the process that ran it was told to end".to_owned();
            let name = active.name.clone();
            // A client that receives the event may resume the session at once.
            drop(active);
            self.broadcast_live(&name, &Live::Halted { reason, killed: false });
        }
        for connection in self.connections.values() {
            connection.outbox.close();
        }
    }

    /// Whether this engine is running the session.
    pub(super) fn runs(&self, session: &str) -> bool {
        self.active.as_ref().is_some_and(|a| a.name == session)
    }

    fn handle(&mut self, event: Inbound) {
        match event {
            Inbound::Connect { connection, outbox } => {
                self.connections.insert(connection, Connection::new(outbox));
            }
            Inbound::Request { connection, request } => self.request(connection, request),
            Inbound::Disconnect { connection } => self.disconnect(connection),
            Inbound::Reply { connection, id, reply } => {
                if self.forwarded_tries.get(&connection).is_some_and(|t| t.request == id) {
                    self.forwarded_tries.remove(&connection);
                }
                // Lists and answers are large and soon freed.
                self.freed_at = Some(Instant::now());
                self.reply(connection, id, reply);
            }
            Inbound::Followed { session, number, news } => self.follower_news(&session, number, news),
            Inbound::TryStream { connection, request, live } => {
                if self.forwarded_tries.get(&connection).is_some_and(|t| t.request == request) {
                    self.send(connection, Message::Live { session: None, live });
                }
            }
            Inbound::Report { worker, report } => {
                let current = self.worker.as_ref().is_some_and(|w| w.number == worker);
                if current && self.running_job.as_ref().is_some_and(|f| f.job.id() == report.id()) {
                    self.worker_report(report);
                }
            }
            Inbound::WorkerGone { worker } => {
                if self.worker.as_ref().is_some_and(|w| w.number == worker) {
                    let why = self.worker.take().map_or_else(String::new, WorkerHandle::end);
                    if let Some(pending) = self.running_job.take() {
                        self.job_failed(pending, why);
                    }
                }
            }
            Inbound::Headway { connection, headway } => {
                self.send(connection, Message::Live { session: None, live: Live::Headway(headway) });
            }
            Inbound::Stop => {}
        }
    }

    pub(super) fn disconnect(&mut self, connection: u64) {
        if let Some(connection) = self.connections.remove(&connection) {
            connection.outbox.close();
        }
        self.drop_tries(connection);
        self.drop_plans(connection);
        self.forget_unfollowed();
    }

    /// Drops the `Try` requests of a client and returns their numbers.
    pub(super) fn drop_tries(&mut self, of: u64) -> Vec<u64> {
        let mut dropped: Vec<u64> = self.forwarded_tries.remove(&of).map(|t| t.request).into_iter().collect();
        self.tries.retain(|pending| match pending.purpose {
            Purpose::Try { connection, request, .. } if connection == of => {
                dropped.push(request);
                false
            }
            _ => true,
        });
        if let Some(pending) = &mut self.running_job
            && let Purpose::Try { connection, request, .. } = pending.purpose
            && connection == of
            && !pending.cancelled
        {
            dropped.push(request);
            self.cancel_running_job();
        }
        dropped
    }

    /// Tells the worker to stop its job. Reports of a cancelled job are ignored.
    pub(super) fn cancel_running_job(&mut self) {
        if let (Some(pending), Some(worker)) = (&mut self.running_job, &mut self.worker) {
            pending.cancelled = true;
            let _ = worker.send(&Job::Cancel { id: pending.job.id() });
        }
    }

    /// The next job that a client waits for.
    fn next_asked(&mut self) -> Option<PendingJob> {
        let queues = [&mut self.tries, &mut self.plans, &mut self.to_open];
        queues.into_iter().find_map(VecDeque::pop_front)
    }

    /// Gives the worker its next job, if the worker is free and a job waits.
    fn start_next_job(&mut self) {
        while self.running_job.is_none() {
            if let Some(pending) = self.next_asked() {
                self.give_to_worker(pending);
                continue;
            }
            let Some(active) = &mut self.active else { return };
            match active.step() {
                Ok(Next::Record(event)) => self.store(&event),
                Ok(Next::Evaluate(work)) => {
                    let watch = self.watches.get(&active.name).cloned().unwrap_or_default();
                    let job = active.job(0, &work, &watch);
                    self.give_to_worker(PendingJob::new(job, Purpose::Work(work)));
                }
                Ok(Next::Wait | Next::Done) => self.release_session(false),
                Err(why) => self.halt(&format!("{why:#}")),
            }
        }
    }

    /// Gives a job to the worker, starting a worker if there is none.
    pub(super) fn give_to_worker(&mut self, mut pending: PendingJob) {
        self.jobs_given += 1;
        match &mut pending.job {
            Job::Open { id, .. }
            | Job::Run { id, .. }
            | Job::Plan { id, .. }
            | Job::Measure { id, .. }
            | Job::Cancel { id } => *id = self.jobs_given,
        }
        for _ in 0..2 {
            if self.worker.is_none() {
                self.workers_started += 1;
                match WorkerHandle::start(&self.kind, self.workers_started, self.inbound.clone()) {
                    Ok(worker) => self.worker = Some(worker),
                    Err(why) => {
                        pending.failures += 1;
                        return self.job_failed(pending, format!("{why:#}"));
                    }
                }
            }
            if self.worker.as_mut().is_some_and(|w| w.send(&pending.job).is_ok()) {
                self.running_job = Some(pending);
                return;
            }
            self.worker = None;
        }
        pending.failures += 1;
        self.job_failed(pending, "no worker takes the job".into());
    }

    /// Stores an event of the running session and broadcasts it.
    pub(super) fn store(&mut self, event: &Event) {
        let Some(active) = &mut self.active else { return };
        let name = active.name.clone();
        match active.store(event) {
            Ok(record) => self.broadcast(&name, &record),
            Err(why) => self.halt(&format!("{why:#}")),
        }
    }

    /// Ends the running session when it can't continue: its journal can't be written or read, or its files have
    /// changed.
    pub(super) fn halt(&mut self, reason: &str) {
        let Some(name) = self.active.as_ref().map(|a| a.name.clone()) else { return };
        self.log_file("error", &format!("session `{name}`: {reason}"));
        self.release_session(true);
        self.broadcast_live(&name, &Live::Halted { reason: reason.to_owned(), killed: false });
        if matches!(&self.running_job, Some(PendingJob { purpose: Purpose::Work(_), .. })) {
            self.cancel_running_job();
        }
    }
}
