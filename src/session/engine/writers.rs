//! Counts the threads that write to clients. A process that is about to end waits until each has sent its last message;
//! a fixed waiting time would be too short on a busy machine. The socket's threads register here.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The number of threads that write to clients.
#[derive(Default)]
pub struct Writers {
    count: Mutex<usize>,
    fewer: Condvar,
}

/// Marks one writing thread; dropping it counts the thread as done.
pub struct Writing(Arc<Writers>);

impl Writers {
    /// Counts one more writing thread.
    pub fn enter(self: &Arc<Self>) -> Writing {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Writing(Arc::clone(self))
    }

    /// Waits until no thread writes any longer, for `limit` at most. Returns whether all are done.
    pub fn wait(&self, limit: Duration) -> bool {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.fewer.wait_timeout_while(count, limit, |count| *count > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn writers_are_waited_for_and_not_for_ever() {
        let writers = Arc::new(Writers::default());
        assert!(writers.wait(Duration::ZERO), "nobody writes");
        let one = writers.enter();
        assert!(!writers.wait(Duration::from_millis(1)), "one writes");
        let waits = thread::spawn({
            let writers = Arc::clone(&writers);
            move || writers.wait(Duration::from_mins(1))
        });
        drop(one);
        assert!(waits.join().unwrap(), "the last has ended");
    }
}
