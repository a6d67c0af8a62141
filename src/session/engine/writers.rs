//! The threads that write to clients, counted: a process that ends waits until the last message of each has left,
//! instead of a fixed time that is too short on a busy machine.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How many threads write to clients.
#[derive(Default)]
pub struct Writers {
    count: Mutex<usize>,
    fewer: Condvar,
}

/// One of them, until it is dropped.
pub struct Writing(Arc<Writers>);

impl Writers {
    /// Counts one more.
    pub fn enter(self: &Arc<Self>) -> Writing {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Writing(Arc::clone(self))
    }

    /// Waits until nobody writes any more, for `limit` at most; says whether that is so.
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
