//! What goes out: replies to one client, stored events and live news to those who follow a
//! session, log lines to all. Nothing here waits for a client.

use super::hub::Hub;
use crate::session::journal::now_ms;
use crate::session::protocol::{Live, Message, Record, Reply};

/// Log lines that are kept for those who come later.
const SAID: usize = 200;

impl Hub {
    pub(super) fn reply(&mut self, line: u64, id: u64, reply: Reply) {
        self.send(line, Message::Reply { id, reply });
    }

    pub(super) fn send(&mut self, to: u64, message: Message) {
        let gone = self.lines.get(&to).is_some_and(|line| !line.outbox.push(message));
        if gone {
            self.disconnect(to);
        }
    }

    /// A stored event, to everyone who follows the session.
    pub(super) fn broadcast(&mut self, session: &str, record: &Record) {
        self.tell_subscribers(session, || Message::Event {
            session: session.to_owned(),
            record: record.clone(),
        });
    }

    pub(super) fn live_to(&mut self, session: &str, live: &Live) {
        self.tell_subscribers(session, || Message::Live {
            session: Some(session.to_owned()),
            live: live.clone(),
        });
    }

    fn tell_subscribers(&mut self, session: &str, message: impl Fn() -> Message) {
        let gone: Vec<u64> = self
            .lines
            .iter()
            .filter(|(_, line)| line.subscribed.contains(session) && !line.outbox.push(message()))
            .map(|(id, _)| *id)
            .collect();
        for line in gone {
            self.disconnect(line);
        }
    }

    /// What was logged before this client came.
    pub(super) fn told_so_far(&self, to: u64) {
        if let Some(line) = self.lines.get(&to) {
            for live in &self.said {
                line.outbox.push(Message::Live { session: None, live: live.clone() });
            }
        }
    }

    /// For the engine's own log alone.
    pub(super) fn log_file(&self, level: &str, text: &str) {
        if self.idle.is_some() {
            eprintln!("{} {level}: {text}", now_ms());
        }
    }

    /// For the log overlay of every client, and for the engine's own log.
    pub(super) fn log(&mut self, level: &str, text: &str) {
        self.log_file(level, text);
        let live = Live::Log { level: level.to_owned(), text: text.to_owned(), at_ms: now_ms() };
        if self.said.len() == SAID {
            self.said.pop_front();
        }
        self.said.push_back(live.clone());
        for line in self.lines.values() {
            line.outbox.push(Message::Live { session: None, live: live.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, mpsc};

    use super::super::crew::WorkerKind;
    use super::super::hub::Line;
    use super::super::outbox::Outbox;
    use super::*;
    use crate::session::Home;

    /// A client's line, and what comes over it.
    fn connect(hub: &mut Hub, id: u64) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::default());
        hub.lines.insert(id, Line { outbox: outbox.clone(), subscribed: HashSet::new() });
        outbox
    }

    fn told(outbox: &Outbox) -> Vec<String> {
        outbox.close();
        let mut out = Vec::new();
        while let Some(message) = outbox.pop() {
            let Message::Live { live: Live::Log { text, at_ms, .. }, .. } = message else {
                panic!("{message:?}")
            };
            assert!(at_ms > 1_700_000_000_000);
            out.push(text);
        }
        out
    }

    #[test]
    fn who_comes_later_is_told_what_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let (inbound, _receiver) = mpsc::channel();
        let mut hub = Hub::new(Home::at(folder.path()), WorkerKind::Process, inbound, None);
        let first = connect(&mut hub, 1);
        for i in 0..SAID + 3 {
            hub.log("note", &i.to_string());
        }
        assert_eq!(told(&first).len(), SAID + 3);
        let late = connect(&mut hub, 2);
        hub.told_so_far(2);
        let late = told(&late);
        assert_eq!((late.len(), late[0].as_str()), (SAID, "3"));
    }
}
