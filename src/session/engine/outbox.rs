//! A client's queue of messages. The dispatcher pushes and never waits; the client's thread takes the messages out.
//! Live messages are dropped when a client is slow, and a client that stays slow is disconnected with a last message.
//!
//! A client's memory in the engine is bounded, whatever it asks and however little it reads. The queue is bounded in
//! bytes. A session's past events are read from the journal only when their turn comes. While many replies wait, no
//! more of the client's requests are read.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::session::home::Home;
use crate::session::journal::Reader;
use crate::session::protocol::{Live, Message};

/// Above this number of messages, live ones are dropped.
const LIVE_MAX: usize = 512;
/// Above this number of messages, the client is disconnected. It can connect again and ask for the events that it
/// missed.
const MAX: usize = 20_000;
/// The same limit for the queue's size in bytes, as the messages would be sent.
const MAX_BYTES: usize = 16 << 20;
/// The most replies that wait for a client. Until it takes some, no more of its requests are read.
const ASKED_MAX: usize = 64;
/// The number of past events that are in memory at once.
const BATCH: u32 = 64;

/// The last message to a client that is disconnected.
const LET_GO: &str = "this window did not read what the engine sent and was let go";

/// A bounded queue between the dispatcher and one client.
#[derive(Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    more: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    asked: usize,
    closed: bool,
}

// Most entries are messages.
#[allow(clippy::large_enum_variant)]
enum Item {
    /// A message with its size in bytes.
    Message(Message, usize),
    /// Events of a session from `since` to `until`, to be read from its journal.
    Past { session: String, since: u64, until: u64 },
}

/// The outcome of `push`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The message was queued; a live message may have been dropped.
    Taken,
    /// The client has disconnected.
    Gone,
    /// The client reads too slowly and was disconnected just now.
    LetGo,
}

impl Outbox {
    /// Adds a message.
    pub fn push(&self, message: Message) -> Pushed {
        let size = size(&message);
        self.put(Item::Message(message, size))
    }

    /// Adds the events of a session from `since` to `until`.
    pub fn push_past(&self, session: &str, since: u64, until: u64) -> Pushed {
        self.put(Item::Past { session: session.to_owned(), since, until })
    }

    fn put(&self, item: Item) -> Pushed {
        let mut queue = self.lock();
        if queue.closed {
            return Pushed::Gone;
        }
        if let Item::Message(Message::Live { .. }, _) = item
            && queue.items.len() >= LIVE_MAX
        {
            return Pushed::Taken;
        }
        if queue.items.len() >= MAX || queue.bytes >= MAX_BYTES {
            queue.closed = true;
            queue.items.clear();
            queue.bytes = 0;
            let live = Live::LetGo { reason: LET_GO.to_owned() };
            queue.items.push_back(Item::Message(Message::Live { session: None, live }, 0));
            self.more.notify_all();
            self.room.notify_all();
            return Pushed::LetGo;
        }
        if let Item::Message(_, size) = &item {
            queue.bytes += size;
        }
        queue.items.push_back(item);
        self.more.notify_one();
        Pushed::Taken
    }

    /// Waits until the client has taken enough replies that its next request may be read. `false` once the client is
    /// gone.
    pub fn may_ask(&self) -> bool {
        let mut queue = self.lock();
        while queue.asked >= ASKED_MAX && !queue.closed {
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.asked += 1;
        !queue.closed
    }

    /// Passes everything to `take` in order until the queue is closed and empty, or `take` returns false.
    pub fn drain(&self, home: &Home, mut take: impl FnMut(Message) -> bool) {
        while let Some(item) = self.pop() {
            let going = match item {
                Item::Message(message, _) => take(message),
                Item::Past { session, since, until } => tell_past(home, &session, since, until, &mut take),
            };
            if !going {
                break;
            }
        }
        let mut queue = self.lock();
        queue.closed = true;
        queue.items = VecDeque::new();
        self.room.notify_all();
    }

    /// The next item, waiting for one; `None` once the queue is closed and empty.
    fn pop(&self) -> Option<Item> {
        let mut queue = self.lock();
        loop {
            if let Some(item) = queue.items.pop_front() {
                if let Item::Message(message, size) = &item {
                    queue.bytes = queue.bytes.saturating_sub(*size);
                    if matches!(message, Message::Reply { .. }) {
                        queue.asked = queue.asked.saturating_sub(1);
                        self.room.notify_all();
                    }
                }
                return Some(item);
            }
            if queue.closed {
                return None;
            }
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Accepts no more messages. Those in the queue are still passed on.
    pub fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes on past events of a session, reading a few at a time from its journal.
fn tell_past(
    home: &Home,
    session: &str,
    since: u64,
    until: u64,
    take: &mut impl FnMut(Message) -> bool,
) -> bool {
    let read = |reader: &Reader, since: u64| {
        let left = u32::try_from(until + 1 - since).unwrap_or(u32::MAX);
        reader.legible_some(since, BATCH.min(left))
    };
    let mut next = since;
    let told = Reader::open(home, session).and_then(|reader| {
        while next <= until {
            let (records, lost) = read(&reader, next)?;
            anyhow::ensure!(
                !records.is_empty() || lost.is_some(),
                "event {next} of session `{session}` is missing"
            );
            for record in records {
                next = record.seq + 1;
                if !take(Message::Event { session: session.to_owned(), record }) {
                    return Ok(false);
                }
            }
            // From a damaged journal the readable events are sent, then the error.
            if let Some(trouble) = lost {
                return Err(trouble.into());
            }
        }
        Ok(true)
    });
    told.unwrap_or_else(|why| {
        let live = Live::Halted { reason: format!("{why:#}"), killed: false };
        take(Message::Live { session: Some(session.to_owned()), live })
    })
}

/// A writer that only counts bytes.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The number of bytes of a message as it is sent.
fn size(message: &Message) -> usize {
    let mut count = Count(0);
    // A message that can't be encoded is not sent either.
    let _ = serde_json::to_writer(&mut count, message);
    count.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::protocol::Reply;

    fn reply(id: u64) -> Message {
        Message::Reply { id, reply: Reply::Done }
    }

    fn log(text: &str) -> Message {
        Message::Live { session: None, live: Live::Log { level: "info".into(), text: text.into(), at_ms: 0 } }
    }

    fn all(outbox: &Outbox) -> Vec<Message> {
        outbox.close();
        let mut out = Vec::new();
        outbox.drain(&Home::at("/nonexistent"), |message| {
            out.push(message);
            true
        });
        out
    }

    /// The queue's only message is the last one to a disconnected client.
    fn is_let_go(told: &[Message]) -> bool {
        matches!(told, [Message::Live { live: Live::LetGo { .. }, .. }])
    }

    #[test]
    fn a_slow_client_loses_live_messages_first_then_the_line() {
        let outbox = Outbox::default();
        for _ in 0..LIVE_MAX * 2 {
            assert_eq!(outbox.push(log("")), Pushed::Taken);
        }
        assert_eq!(outbox.push(reply(1)), Pushed::Taken);
        let told = all(&outbox);
        assert_eq!((told.len(), told.last()), (LIVE_MAX + 1, Some(&reply(1))));

        let outbox = Outbox::default();
        let fits = (0..MAX as u64 + 10).take_while(|&id| outbox.push(reply(id)) == Pushed::Taken).count();
        assert_eq!(fits, MAX);
        assert_eq!(outbox.push(reply(0)), Pushed::Gone);
        assert!(is_let_go(&all(&outbox)));
    }

    #[test]
    fn what_a_client_does_not_read_is_bounded_in_bytes() {
        let outbox = Outbox::default();
        let big = |id| Message::Reply { id, reply: Reply::Error("x".repeat(1 << 20)) };
        let fits = (0..1000).take_while(|&id| outbox.push(big(id)) == Pushed::Taken).count();
        assert_eq!(fits, MAX_BYTES >> 20);
        assert!(is_let_go(&all(&outbox)));
        // A client that reads in time may receive any number of messages.
        let outbox = Outbox::default();
        for id in 0..100 {
            assert_eq!(outbox.push(big(id)), Pushed::Taken);
            assert!(outbox.pop().is_some());
        }
        // Past events wait in the journal, not in memory.
        let outbox = Outbox::default();
        assert_eq!(outbox.push_past("long", 1, u64::from(u32::MAX)), Pushed::Taken);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn no_more_is_asked_than_is_read() {
        let outbox = Arc::new(Outbox::default());
        for id in 0..ASKED_MAX as u64 {
            assert!(outbox.may_ask());
            assert_eq!(outbox.push(reply(id)), Pushed::Taken);
        }
        let (tx, rx) = std::sync::mpsc::channel();
        let asks = Arc::clone(&outbox);
        let thread = std::thread::spawn(move || {
            for _ in 0..2 {
                tx.send(asks.may_ask()).unwrap();
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(rx.try_recv().is_err(), "a request was read although no reply had been taken");
        assert!(outbox.pop().is_some());
        assert!(rx.recv().unwrap());
        // A client that has left sends no more requests.
        outbox.close();
        assert!(!rx.recv().unwrap());
        thread.join().unwrap();
    }
}
