//! What the engine gives back when it has less to do: the session that has ended, an idle worker, freed memory, and at
//! last itself. The dispatcher calls it after everything that it has handled.

use std::time::{Duration, Instant};

use super::dispatcher::Dispatcher;
use crate::session::protocol::Event;

/// A worker without a job for this long is ended, and its models with it.
const WORKER_IDLE: Duration = Duration::from_mins(10);

/// By this time after a session's end its last messages have been sent and freed.
const SETTLED: Duration = Duration::from_secs(2);

impl Dispatcher {
    /// Whether nobody needs the engine any more.
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

    /// Ends the worker once it has had no job for long, and gives freed memory back to the system.
    pub(super) fn release_idle(&mut self) {
        if self.running_job.is_some() || self.active.is_some() {
            self.worked_at = Instant::now();
            self.freed_at = Some(self.worked_at);
        } else if self.freed_at.is_some_and(|at| at.elapsed() > SETTLED) {
            self.freed_at = None;
            give_back_memory();
        } else if self.worker.is_some() && self.worked_at.elapsed() > WORKER_IDLE {
            self.worker = None;
            self.log(None, "info", "the worker had nothing to do and has given its memory back");
        }
    }

    /// Ends the running session with this event. Its lock is released before the event is sent, since a client that
    /// hears of the end may resume the session at once, anywhere.
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

    /// Releases the running session: it has ended, is paused, or can't go on. Its clients follow it on, whichever
    /// process resumes it. `ended`: its end has no event and clients know it otherwise.
    pub(super) fn release_session(&mut self, ended: bool) {
        let Some(active) = self.active.take() else { return };
        let (name, next) = (active.name.clone(), active.journal().next_seq());
        drop(active);
        if self.connections.values().any(|l| l.subscribed.contains_key(&name)) {
            self.follow_session(&name, next, ended);
        }
    }
}

/// Gives freed memory back to the system. A long session is many small pieces, which the allocator would keep.
fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it releases free memory at the top and in the middle of every heap, under its locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
