//! Messages to clients: replies to one client, stored events and live messages to the clients that follow a session,
//! log lines to all. Nothing here waits for a client. The dispatcher's other files call it.

use super::dispatcher::Dispatcher;
use super::outbox::Pushed;
use crate::session::journal::now_ms;
use crate::session::protocol::{Live, Message, Record, Reply};
use crate::text::visible_line;

/// Log lines that are kept for clients that connect later.
const RECENT_LOG_MAX: usize = 200;

impl Dispatcher {
    pub(super) fn reply(&mut self, connection: u64, id: u64, reply: Reply) {
        self.send(connection, Message::Reply { id, reply });
    }

    pub(super) fn send(&mut self, to: u64, message: Message) {
        let Some(connection) = self.connections.get(&to) else { return };
        let pushed = connection.outbox.push(message);
        self.disconnect_gone([(to, pushed)]);
    }

    /// Sends a stored event to the clients that follow the session and have not received it. A client that missed
    /// earlier events receives those first.
    pub(super) fn broadcast(&mut self, session: &str, record: &Record) {
        let mut pushed = Vec::new();
        for (id, connection) in &mut self.connections {
            let Some(next) = connection.subscribed.get_mut(session).filter(|next| **next <= record.seq)
            else {
                continue;
            };
            if *next < record.seq {
                pushed.push((*id, connection.outbox.push_past(session, *next, record.seq - 1)));
            }
            *next = record.seq + 1;
            let (session, record) = (session.to_owned(), record.clone());
            pushed.push((*id, connection.outbox.push(Message::Event { session, record })));
        }
        self.disconnect_gone(pushed);
    }

    pub(super) fn broadcast_live(&mut self, session: &str, live: &Live) {
        let follows =
            self.connections.iter().filter(|(_, connection)| connection.subscribed.contains_key(session));
        let message = || Message::Live { session: Some(session.to_owned()), live: live.clone() };
        let pushed: Vec<_> =
            follows.map(|(id, connection)| (*id, connection.outbox.push(message()))).collect();
        self.disconnect_gone(pushed);
    }

    /// Disconnects the clients that have left or did not read.
    fn disconnect_gone(&mut self, pushed: impl IntoIterator<Item = (u64, Pushed)>) {
        for (connection, pushed) in pushed {
            match pushed {
                Pushed::Taken => continue,
                Pushed::Gone => {}
                Pushed::LetGo => {
                    self.log_file(
                        "warn",
                        &format!("client {connection} did not read what it was sent and was let go"),
                    );
                }
            }
            self.disconnect(connection);
        }
    }

    /// Sends the recent log lines to a new client.
    pub(super) fn send_recent_log(&self, to: u64) {
        if let Some(connection) = self.connections.get(&to) {
            for message in &self.recent_log {
                let _ = connection.outbox.push(message.clone());
            }
        }
    }

    /// Writes to the engine's own log only (stderr of the engine process).
    pub(super) fn log_file(&self, level: &str, text: &str) {
        if self.idle.is_some() {
            eprintln!("{} {level}: {}", now_ms(), visible_line(text));
        }
    }

    /// Writes to the engine's own log and to the log overlay of every client. A line about one session names it, so
    /// that a client with another session on its screen can leave the line out.
    pub(super) fn log(&mut self, session: Option<&str>, level: &str, text: &str) {
        self.log_file(level, text);
        let live = Live::Log { level: level.to_owned(), text: text.to_owned(), at_ms: now_ms() };
        if self.recent_log.len() == RECENT_LOG_MAX {
            self.recent_log.pop_front();
        }
        let message = Message::Live { session: session.map(str::to_owned), live };
        self.recent_log.push_back(message.clone());
        for connection in self.connections.values() {
            // A client that has left is noticed at the next reply or event.
            let _ = connection.outbox.push(message.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::super::connection::Connection;
    use super::super::outbox::Outbox;
    use super::super::worker_handle::WorkerKind;
    use super::*;
    use crate::session::Home;

    /// Connects a client and returns its queue.
    fn connect(dispatcher: &mut Dispatcher, id: u64) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::default());
        dispatcher.connections.insert(id, Connection::new(outbox.clone()));
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
        let mut dispatcher = Dispatcher::new(Home::at(folder.path()), WorkerKind::Process, inbound, None);
        let first = connect(&mut dispatcher, 1);
        for i in 0..RECENT_LOG_MAX + 3 {
            dispatcher.log(None, "note", &i.to_string());
        }
        assert_eq!(told(&first).len(), RECENT_LOG_MAX + 3);
        let late = connect(&mut dispatcher, 2);
        dispatcher.send_recent_log(2);
        let late = told(&late);
        assert_eq!((late.len(), late[0].as_str()), (RECENT_LOG_MAX, "3"));
    }
}
