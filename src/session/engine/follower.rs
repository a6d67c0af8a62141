//! Follows a session that this engine does not run, with one thread for each session that a client follows. Events and
//! live messages go to the dispatcher as [`FollowerNews`].
//!
//! While another process runs the session, its messages come through that process's socket. If the socket can't be
//! reached, and while no process runs the session, the journal is read. The thread follows the session from one process
//! to the next, even if a process is killed, until no client follows it or this engine runs it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::inbound::{FollowerNews, Inbound};
use crate::session::Client;
use crate::session::home::Home;
use crate::session::home::lock::{Holder, holder};
use crate::session::home::session_list;
use crate::session::journal::Reader;
use crate::session::protocol::{Command, Live, Message, Reply};

/// How often the lock of a session is checked.
const LOOK: Duration = Duration::from_millis(200);
/// The same just after the session's process has begun or ended.
const SOON: Duration = Duration::from_millis(50);
/// Time for a process that has released the lock to say how the session ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Time for the process that runs the session to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The dispatcher's handle to a thread that follows a session. Dropping it ends the thread.
pub struct FollowedSession {
    /// Distinguishes its news from those of an earlier follower of the same session.
    pub number: u64,
    stop: Arc<AtomicBool>,
    /// The socket of the process that runs the session.
    pub runs_at: Option<PathBuf>,
    /// For clients that subscribe later: the process that runs the session, or how the session ended; and the watched
    /// questions.
    pub standing: Option<Live>,
    pub watching: Option<Live>,
}

impl FollowedSession {
    /// Follows a session from event `next` on. `ended`: the clients know already that the session has ended.
    pub fn follow(
        home: &Home,
        session: &str,
        number: u64,
        next: u64,
        ended: bool,
        to: Sender<Inbound>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let follower = Follower {
            home: home.clone(),
            session: session.to_owned(),
            number,
            next,
            ended,
            stop: Arc::clone(&stop),
            to,
        };
        thread::Builder::new().name("follower".into()).spawn(move || follower.run())?;
        Ok(Self { number, stop, runs_at: None, standing: None, watching: None })
    }

    /// Keeps the messages that clients need if they subscribe later.
    pub fn learn(&mut self, news: &FollowerNews) {
        match news {
            FollowerNews::RunsAt(at) => {
                self.runs_at.clone_from(at);
                if at.is_none() {
                    self.watching = None;
                    self.standing = self.standing.take().filter(|s| matches!(s, Live::Halted { .. }));
                }
            }
            FollowerNews::Message(Message::Live {
                live: live @ (Live::Runs { .. } | Live::Halted { .. }),
                ..
            }) => {
                self.standing = Some(live.clone());
            }
            FollowerNews::Message(Message::Live { live: live @ Live::Watching { .. }, .. }) => {
                self.watching = Some(live.clone());
            }
            // The clients learn of the end from an event, or the session continues.
            FollowerNews::Message(Message::Event { .. })
                if matches!(self.standing, Some(Live::Halted { .. })) =>
            {
                self.standing = None;
            }
            FollowerNews::Message(_) => {}
        }
    }
}

impl Drop for FollowedSession {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

struct Follower {
    home: Home,
    session: String,
    number: u64,
    /// Sequence number of the next event.
    next: u64,
    /// The clients know already that the session ended without an event.
    ended: bool,
    stop: Arc<AtomicBool>,
    to: Sender<Inbound>,
}

impl Follower {
    fn run(mut self) {
        let mut told = None;
        let mut missed = 0;
        while self.wanted() {
            // Read before the lock is tried: a process that takes the lock later changes this time.
            let written = self.lock_written();
            match holder(&self.home, &self.session) {
                // This process is about to run the session, or is writing its last event.
                Some(holder) if self.is_ours(&holder) => thread::sleep(SOON),
                // The lock is taken but its file is not written yet.
                Some(Holder { pid: 0, .. }) => thread::sleep(SOON),
                Some(holder) => {
                    if told.as_ref() != Some(&holder) {
                        self.send_live(Live::Runs { pid: holder.pid });
                        self.ended = false;
                        told = Some(holder.clone());
                    }
                    if self.follow_by_socket(&holder) {
                        (told, missed) = (None, 0);
                    } else {
                        // The process has just ended, or can't be reached.
                        self.read_journal();
                        thread::sleep(if missed < 20 { SOON } else { LOOK });
                        missed += 1;
                    }
                }
                None => {
                    (told, missed) = (None, 0);
                    self.send(FollowerNews::RunsAt(None));
                    self.read_journal();
                    if !self.ended && session_list::is_interrupted(&self.home, &self.session) {
                        self.send_live(Live::Halted {
                            reason: "its process was killed".to_owned(),
                            killed: true,
                        });
                    }
                    // The clients have just been told, or the last event tells them.
                    self.ended = true;
                    while self.wanted() && self.lock_written() == written {
                        thread::sleep(LOOK);
                    }
                }
            }
        }
    }

    fn is_ours(&self, holder: &Holder) -> bool {
        holder.pid == std::process::id() && holder.socket.as_deref() == self.home.answering()
    }

    fn wanted(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// The time at which the session's lock was last taken.
    fn lock_written(&self) -> Option<SystemTime> {
        let path = self.home.session(&self.session).ok()?.join("lock");
        std::fs::metadata(path).and_then(|m| m.modified()).ok()
    }

    /// Passes on the messages of the process that runs the session, until it ends or another process takes over.
    /// `false` if the process can't be reached.
    fn follow_by_socket(&mut self, holder: &Holder) -> bool {
        let Some(socket) = &holder.socket else { return false };
        let Ok(mut client) = Client::connect_at(socket) else { return false };
        let subscribe = Command::Subscribe { session: self.session.clone(), since: self.next };
        if !matches!(client.call_within(subscribe, PATIENCE), Ok(Reply::Done)) {
            return false;
        }
        self.send(FollowerNews::RunsAt(Some(socket.clone())));
        // A process releases the lock before it says how the session ended, and then closes the connection.
        let mut silent_since = None;
        while self.wanted() {
            match client.recv_timeout(LOOK) {
                Ok(Some(message)) => self.pass_on(message),
                Ok(None)
                    if crate::session::home::lock::holder(&self.home, &self.session).as_ref()
                        == Some(holder) => {}
                Ok(None) if silent_since.get_or_insert_with(Instant::now).elapsed() < LAST_WORDS => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.send(FollowerNews::RunsAt(None));
        true
    }

    fn pass_on(&mut self, message: Message) {
        match message {
            Message::Event { session, record } if session == self.session && record.seq == self.next => {
                self.next += 1;
                self.ended = false;
                self.send(FollowerNews::Message(Message::Event { session, record }));
            }
            Message::Live { live: Live::Halted { reason, killed }, .. } => {
                self.ended = true;
                self.send_live(Live::Halted { reason, killed });
            }
            // The clients know it already, or do not need it.
            Message::Live { live: Live::Runs { .. } | Live::LetGo { .. }, .. }
            | Message::Event { .. }
            | Message::Boundary { .. }
            | Message::Reply { .. } => {}
            message @ Message::Live { .. } => self.send(FollowerNews::Message(message)),
        }
    }

    /// Passes on the journal's events that have not been passed on yet.
    fn read_journal(&mut self) {
        loop {
            let read = Reader::open(&self.home, &self.session).and_then(|r| r.some_records(self.next, 64));
            // The clients learned that the journal can't be read when they subscribed.
            let Ok(records) = read else { return };
            if records.is_empty() {
                return;
            }
            for record in records {
                self.next = record.seq + 1;
                let session = self.session.clone();
                self.send(FollowerNews::Message(Message::Event { session, record }));
            }
        }
    }

    fn send_live(&self, live: Live) {
        self.send(FollowerNews::Message(Message::Live { session: Some(self.session.clone()), live }));
    }

    fn send(&self, news: FollowerNews) {
        let (session, number) = (self.session.clone(), self.number);
        // A send fails only when the engine has ended, which ends this thread too.
        let _ = self.to.send(Inbound::Followed { session, number, news });
    }
}
