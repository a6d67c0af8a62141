//! What goes out: replies to one client, stored events and live news to those who follow a
//! session, log lines to all. Nothing here waits for a client.

use super::hub::Hub;
use super::outbox::Pushed;
use crate::session::journal::now_ms;
use crate::session::protocol::{Live, Message, Record, Reply};
use crate::text::visible_line;

/// Log lines that are kept for those who come later.
const SAID: usize = 200;

impl Hub {
    pub(super) fn reply(&mut self, line: u64, id: u64, reply: Reply) {
        self.send(line, Message::Reply { id, reply });
    }

    pub(super) fn send(&mut self, to: u64, message: Message) {
        let Some(line) = self.lines.get(&to) else { return };
        let pushed = line.outbox.push(message);
        self.part_from([(to, pushed)]);
    }

    /// A stored event, to everyone who follows the session and has not had it. Who missed some
    /// before it is sent those first.
    pub(super) fn broadcast(&mut self, session: &str, record: &Record) {
        let mut pushed = Vec::new();
        for (id, line) in &mut self.lines {
            let Some(next) = line.subscribed.get_mut(session).filter(|next| **next <= record.seq) else {
                continue;
            };
            if *next < record.seq {
                pushed.push((*id, line.outbox.push_past(session, *next, record.seq - 1)));
            }
            *next = record.seq + 1;
            let (session, record) = (session.to_owned(), record.clone());
            pushed.push((*id, line.outbox.push(Message::Event { session, record })));
        }
        self.part_from(pushed);
    }

    pub(super) fn live_to(&mut self, session: &str, live: &Live) {
        let follows = self.lines.iter().filter(|(_, line)| line.subscribed.contains_key(session));
        let message = || Message::Live { session: Some(session.to_owned()), live: live.clone() };
        let pushed: Vec<_> = follows.map(|(id, line)| (*id, line.outbox.push(message()))).collect();
        self.part_from(pushed);
    }

    /// Forgets the clients that are gone, and those that were let go.
    fn part_from(&mut self, pushed: impl IntoIterator<Item = (u64, Pushed)>) {
        for (line, pushed) in pushed {
            match pushed {
                Pushed::Taken => continue,
                Pushed::Gone => {}
                Pushed::LetGo => {
                    self.log_file(
                        "warn",
                        &format!("client {line} did not read what it was sent and was let go"),
                    );
                }
            }
            self.disconnect(line);
        }
    }

    /// What was logged before this client came.
    pub(super) fn told_so_far(&self, to: u64) {
        if let Some(line) = self.lines.get(&to) {
            for message in &self.said {
                let _ = line.outbox.push(message.clone());
            }
        }
    }

    /// For the engine's own log alone.
    pub(super) fn log_file(&self, level: &str, text: &str) {
        if self.idle.is_some() {
            eprintln!("{} {level}: {}", now_ms(), visible_line(text));
        }
    }

    /// For the log overlay of every client, and for the engine's own log. What is about a session
    /// names it: who looks at another one is not disturbed by it.
    pub(super) fn log(&mut self, session: Option<&str>, level: &str, text: &str) {
        self.log_file(level, text);
        let live = Live::Log { level: level.to_owned(), text: text.to_owned(), at_ms: now_ms() };
        if self.said.len() == SAID {
            self.said.pop_front();
        }
        let message = Message::Live { session: session.map(str::to_owned), live };
        self.said.push_back(message.clone());
        for line in self.lines.values() {
            // Who is gone is found out by what has to arrive.
            let _ = line.outbox.push(message.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, mpsc};

    use super::super::crew::WorkerKind;
    use super::super::hub::Line;
    use super::super::outbox::Outbox;
    use super::*;
    use crate::session::Home;

    /// A client's line, and what comes over it.
    fn connect(hub: &mut Hub, id: u64) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::default());
        hub.lines.insert(id, Line { outbox: outbox.clone(), subscribed: HashMap::new() });
        outbox
    }

    fn told(outbox: &Outbox) -> Vec<String> {
        outbox.close();
        let mut out = Vec::new();
        outbox.drain(&Home::at("/nonexistent"), |message| {
            let Message::Live { live: Live::Log { text, at_ms, .. }, .. } = message else {
                panic!("{message:?}")
            };
            assert!(at_ms > 1_700_000_000_000);
            out.push(text);
            true
        });
        out
    }

    #[test]
    fn who_comes_later_is_told_what_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let (inbound, _receiver) = mpsc::channel();
        let mut hub = Hub::new(Home::at(folder.path()), WorkerKind::Process, inbound, None);
        let first = connect(&mut hub, 1);
        for i in 0..SAID + 3 {
            hub.log(None, "note", &i.to_string());
        }
        assert_eq!(told(&first).len(), SAID + 3);
        let late = connect(&mut hub, 2);
        hub.told_so_far(2);
        let late = told(&late);
        assert_eq!((late.len(), late[0].as_str()), (SAID, "3"));
    }
}
