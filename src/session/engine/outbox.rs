//! A client's queue of messages. The dispatcher pushes and never waits; the client's thread takes them out. Live messages
//! are dropped when a client is slow, and a client that stays slow is disconnected with a last message.
//!
//! A client's memory is bounded, whatever it asks and however little it reads: the queue is bounded in bytes; a session's
//! past events are read from the journal only when their turn comes; and no more requests are read while many replies
//! wait.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::session::home::Home;
use crate::session::journal::Reader;
use crate::session::protocol::{Live, Message};

/// Above this many messages, live ones are dropped.
const LIVE_MAX: usize = 512;
/// Above this many, the client is disconnected; it can connect again and ask for what it missed.
const MAX: usize = 20_000;
/// The same for the bytes of the queue as they would be sent.
const MAX_BYTES: usize = 16 << 20;
/// Most requests whose replies a client has not taken; until it takes some, no more are read.
const ASKED_MAX: usize = 64;
/// Events of the past that are in memory at once.
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

// Most of what waits is messages.
#[allow(clippy::large_enum_variant)]
enum Item {
    /// With its size in bytes.
    Message(Message, usize),
    /// Events of a session from `since` to `until`, as its journal has them.
    Past { session: String, since: u64, until: u64 },
}

/// What `push` did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was queued; a live message may have been dropped.
    Taken,
    /// The client is gone.
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

    /// Waits until the client has taken enough replies for another request of it to be read.
    /// `false` once it is gone.
    pub fn may_ask(&self) -> bool {
        let mut queue = self.lock();
        while queue.asked >= ASKED_MAX && !queue.closed {
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.asked += 1;
        !queue.closed
    }

    /// Hands everything to `take` in order until the queue is closed and empty, or `take` has had
    /// enough.
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

    /// The next item; waits for one. `None` once closed and empty.
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

    /// No more messages; those in the queue are still handed out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands out past events of a session, a few at a time from its journal.
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
            // Of a damaged journal the readable events are sent, then what is wrong with it.
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

/// Counts bytes and keeps none.
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

/// Bytes of a message as it is sent.
fn size(message: &Message) -> usize {
    let mut count = Count(0);
    // A message that can't be written is not sent either.
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

    /// The last word alone.
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
        // What is read in time may be any amount.
        let outbox = Outbox::default();
        for id in 0..100 {
            assert_eq!(outbox.push(big(id)), Pushed::Taken);
            assert!(outbox.pop().is_some());
        }
        // The past waits in the journal.
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
        // Who has gone asks no more.
        outbox.close();
        assert!(!rx.recv().unwrap());
        thread.join().unwrap();
    }
}
