//! What is given back when there is less to do: the session that has ended, the worker that nobody
//! needs, memory, and at last the engine itself.

use std::time::{Duration, Instant};

use super::hub::Hub;
use crate::session::protocol::Event;

/// A worker without a job for so long is let go with all that it has loaded.
const WORKER_IDLE: Duration = Duration::from_mins(10);

/// What was told of a session at its end has been sent and forgotten after so long.
const SETTLED: Duration = Duration::from_secs(2);

impl Hub {
    /// Whether nobody needs the engine any more.
    pub(super) fn may_leave(&mut self) -> bool {
        let working = self.active.is_some() || self.flight.is_some() || !self.starts.is_empty();
        if self.leaving && !working {
            return true;
        }
        let Some(idle) = self.idle else { return false };
        if working || !self.lines.is_empty() {
            self.busy_at = Instant::now();
        }
        self.busy_at.elapsed() > idle
    }

    /// Gives back what the worker has loaded once nothing was asked of it for long.
    pub(super) fn rest_worker(&mut self) {
        if self.flight.is_some() || self.active.is_some() {
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

    /// The running session ends with this event. Whoever hears of it may take the session up at once,
    /// so that it is let go before it is told.
    pub(super) fn end_with(&mut self, event: &Event) {
        let Some(active) = &mut self.active else { return };
        let name = active.name.clone();
        match active.store(event) {
            Ok(record) => {
                self.let_go(false);
                self.broadcast(&name, &record);
            }
            Err(why) => self.halt(&format!("{why:#}")),
        }
    }

    /// The running session is let go: it has ended, is paused, or can't go on. Those who follow it
    /// follow it on, wherever it is taken up. `ended`: it has no event that says how it ended, and
    /// that has been told.
    pub(super) fn let_go(&mut self, ended: bool) {
        let Some(active) = self.active.take() else { return };
        let (name, next) = (active.name.clone(), active.journal().next_seq());
        drop(active);
        if self.lines.values().any(|l| l.subscribed.contains_key(&name)) {
            self.follow_elsewhere(&name, next, ended);
        }
    }
}

/// Memory that was freed goes back to the system: a long session is many small pieces, which the
/// allocator would keep.
fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it releases free memory at the top and in the middle of every heap, under its locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
