//! A client that is connected to the engine: the queue of messages for it, and the sessions that it follows. The
//! dispatcher keeps one for each client.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::outbox::Outbox;

/// A connected client.
pub struct Connection {
    pub outbox: Arc<Outbox>,
    /// The sessions that it follows, each with the sequence number of the next event to send.
    pub subscribed: HashMap<String, u64>,
    /// Ends the work that other threads do for it.
    pub given_up: Arc<AtomicBool>,
}

impl Connection {
    /// A new client, which follows no session yet.
    pub fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, subscribed: HashMap::new(), given_up: Arc::default() }
    }

    /// Ends the work that other threads do for this client; later work is not touched.
    pub fn give_up(&mut self) {
        std::mem::take(&mut self.given_up).store(true, Ordering::Relaxed);
    }
}

/// Closes the queue, so that the client learns of the engine's end even if the engine panics. Nobody waits any more for
/// what other threads do for it.
impl Drop for Connection {
    fn drop(&mut self) {
        self.outbox.close();
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::home::Home;

    #[test]
    fn who_waits_hears_of_an_engine_that_panics() {
        let outbox = Arc::new(Outbox::default());
        let connection = Connection::new(outbox.clone());
        let waiting = std::thread::spawn(move || {
            let mut told = 0;
            outbox.drain(&Home::at("/nonexistent"), |_| {
                told += 1;
                true
            });
            told
        });
        let engine = std::thread::spawn(move || {
            let _held = connection;
            std::panic::resume_unwind(Box::new("no message"));
        });
        assert!(engine.join().is_err());
        assert_eq!(waiting.join().unwrap(), 0);
    }
}
