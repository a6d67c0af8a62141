//! Releases what the engine no longer needs: a session that has ended, an idle worker, freed memory, and finally the
//! engine itself. The dispatcher calls it after each message that it has handled.

use std::time::{Duration, Instant};

use super::dispatcher::Dispatcher;
use crate::memory;
use crate::session::protocol::Event;

/// A worker that has had no job for this long is ended, which frees its models.
const WORKER_IDLE: Duration = Duration::from_mins(10);

/// At this time after a session's end its last messages have been sent and freed.
const SETTLED: Duration = Duration::from_secs(2);

impl Dispatcher {
    /// Whether the engine is no longer needed.
    pub(super) fn may_exit(&mut self) -> bool {
        let working = self.active.is_some() || self.running_job.is_some() || !self.to_open.is_empty();
        if self.shutting_down && !working {
            return true;
        }
        let Some(idle) = self.idle else { return false };
        if working || !self.connections.is_empty() {
            self.needed_at = Instant::now();
        }
        self.needed_at.elapsed() > idle
    }

    /// Ends the worker after a long time without a job, and returns freed memory to the system.
    pub(super) fn release_idle(&mut self) {
        if self.running_job.is_some() || self.active.is_some() {
            self.worked_at = Instant::now();
            self.freed_at = Some(self.worked_at);
        } else if self.freed_at.is_some_and(|at| at.elapsed() > SETTLED) {
            self.freed_at = None;
            memory::give_back();
        } else if self.worker.is_some() && self.worked_at.elapsed() > WORKER_IDLE {
            self.worker = None;
            self.log(None, "info", "the worker had nothing to do and has given its memory back");
        }
    }

    /// Ends the running session with this event. The lock is released before the event is sent, since a client that
    /// receives the event may resume the session at once, in any process.
    pub(super) fn end_with(&mut self, event: &Event) {
        let Some(active) = &mut self.active else { return };
        let name = active.name.clone();
        match active.store(event) {
            Ok(record) => {
                self.release_session(false);
                self.broadcast(&name, &record);
            }
            Err(why) => self.halt(&format!("{why:#}")),
        }
    }

    /// Releases the running session when it has ended, is paused, or can't continue. Its clients keep following it,
    /// whichever process resumes it. `ended`: no event records the end, and the clients are told in another way.
    pub(super) fn release_session(&mut self, ended: bool) {
        let Some(active) = self.active.take() else { return };
        let (name, next) = (active.name.clone(), active.journal().next_seq());
        drop(active);
        if self.connections.values().any(|l| l.subscribed.contains_key(&name)) {
            self.follow_session(&name, next, ended);
        }
    }
}
