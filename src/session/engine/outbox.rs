//! A client's queue of messages. The run pushes and never waits; what is only for show is
//! dropped when a client is slow, and a client that stays slow is let go.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::session::protocol::Message;

/// Above this many messages, live ones are dropped.
const LIVE_MAX: usize = 512;
/// Above this many, the client is let go; it can connect again and ask for what it missed.
const MAX: usize = 20_000;

/// A bounded queue between the hub and one client.
#[derive(Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    closed: bool,
}

impl Outbox {
    /// Adds a message. `false` when the client is gone, or too slow and now let go.
    pub fn push(&self, message: Message) -> bool {
        self.put(message, MAX)
    }

    /// Adds a message of the past, of which a client may ask for any number at once.
    pub fn push_past(&self, message: Message) -> bool {
        self.put(message, usize::MAX)
    }

    fn put(&self, message: Message, max: usize) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return false;
        }
        if matches!(message, Message::Live { .. }) && queue.messages.len() >= LIVE_MAX {
            return true;
        }
        if queue.messages.len() >= max {
            queue.closed = true;
            queue.messages.clear();
            self.more.notify_all();
            return false;
        }
        queue.messages.push_back(message);
        self.more.notify_one();
        true
    }

    /// The next message; waits for one. `None` once closed and empty.
    pub fn pop(&self) -> Option<Message> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(message) = queue.messages.pop_front() {
                return Some(message);
            }
            if queue.closed {
                return None;
            }
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more messages; those in the queue are still handed out.
    pub fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::protocol::{Live, Reply};

    #[test]
    fn a_slow_client_loses_live_messages_first_then_the_line() {
        let outbox = Outbox::default();
        let live = || Message::Live {
            session: None,
            live: Live::Log { level: "info".into(), text: String::new(), at_ms: 0 },
        };
        let reply = |id| Message::Reply { id, reply: Reply::Done };
        for _ in 0..LIVE_MAX * 2 {
            assert!(outbox.push(live()));
        }
        assert!(outbox.push(reply(1)));
        for _ in 0..LIVE_MAX {
            assert!(matches!(outbox.pop(), Some(Message::Live { .. })));
        }
        assert_eq!(outbox.pop(), Some(reply(1)));
        let fits = (0..MAX as u64 + 10).take_while(|&id| outbox.push(reply(id))).count();
        assert_eq!(fits, MAX);
        assert_eq!(outbox.pop(), None);
    }
}
