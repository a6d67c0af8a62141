//! Following a session that this engine does not run: one thread for each such session that
//! somebody looks at.
//!
//! While another process runs it, what happens comes through that one's socket; where it can't be
//! reached, and while nobody runs it, the journal is read. The thread follows the session from one
//! process to the next, also over a kill, until nobody looks or this engine runs it itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, SystemTime};

use super::hub::Inbound;
use crate::session::Client;
use crate::session::home::Home;
use crate::session::journal::Reader;
use crate::session::list;
use crate::session::lock::{Holder, holder};
use crate::session::protocol::{Command, Live, Message, Reply};

/// How often a session at rest is looked at, and whether its process is still the same one.
const LOOK: Duration = Duration::from_millis(200);
/// The time between two looks at a process that has begun, or ended, just now.
const SOON: Duration = Duration::from_millis(50);
/// Time for the process that runs it to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the hub is told of a session elsewhere.
// Most news is messages.
#[allow(clippy::large_enum_variant)]
pub enum News {
    /// Where commands reach the process that runs it; `None`: nobody runs it.
    At(Option<PathBuf>),
    /// Something for those who follow it.
    Message(Message),
}

/// The hub's end of a thread that follows a session; it ends with this.
pub struct Elsewhere {
    /// Tells its news from those of one before it.
    pub number: u64,
    stop: Arc<AtomicBool>,
    /// Where commands about it go.
    pub at: Option<PathBuf>,
    /// How it stands, for those who come later: the process that runs it or how that ended, and the
    /// questions that are watched.
    pub stands: Option<Live>,
    pub watching: Option<Live>,
}

impl Elsewhere {
    /// Follows a session from event `next` on. `ended`: its end has been told.
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
        thread::Builder::new().name("elsewhere".into()).spawn(move || follower.run())?;
        Ok(Self { number, stop, at: None, stands: None, watching: None })
    }

    /// Keeps of the news what those who come later should know.
    pub fn learn(&mut self, news: &News) {
        match news {
            News::At(at) => {
                self.at.clone_from(at);
                if at.is_none() {
                    self.watching = None;
                    self.stands = self.stands.take().filter(|s| matches!(s, Live::Halted { .. }));
                }
            }
            News::Message(Message::Live {
                live: live @ (Live::Runs { .. } | Live::Halted { .. }), ..
            }) => {
                self.stands = Some(live.clone());
            }
            News::Message(Message::Live { live: live @ Live::Watching { .. }, .. }) => {
                self.watching = Some(live.clone());
            }
            // Its end has an event, or it goes on.
            News::Message(Message::Event { .. }) if matches!(self.stands, Some(Live::Halted { .. })) => {
                self.stands = None;
            }
            News::Message(_) => {}
        }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

struct Follower {
    home: Home,
    session: String,
    number: u64,
    /// The event that is awaited.
    next: u64,
    /// That it ended without an event has been told.
    ended: bool,
    stop: Arc<AtomicBool>,
    to: Sender<Inbound>,
}

impl Follower {
    fn run(mut self) {
        let mut told = None;
        let mut missed = 0;
        while self.goes_on() {
            // Before the look at the lock: whoever takes it after that writes its file anew.
            let written = self.lock_written();
            match holder(&self.home, &self.session) {
                // This process is about to run it, or writes its end.
                Some(holder) if self.is_ours(&holder) => thread::sleep(SOON),
                // Its file is about to be written.
                Some(Holder { pid: 0, .. }) => thread::sleep(SOON),
                Some(holder) => {
                    if told.as_ref() != Some(&holder) {
                        self.live(Live::Runs { pid: holder.pid });
                        self.ended = false;
                        told = Some(holder.clone());
                    }
                    if self.through(&holder) {
                        (told, missed) = (None, 0);
                    } else {
                        // It has ended just now, or can't be reached at all.
                        self.tail();
                        thread::sleep(if missed < 20 { SOON } else { LOOK });
                        missed += 1;
                    }
                }
                None => {
                    (told, missed) = (None, 0);
                    self.say(News::At(None));
                    self.tail();
                    if !self.ended && list::is_interrupted(&self.home, &self.session) {
                        self.live(Live::Halted { reason: "its process was killed".to_owned(), killed: true });
                    }
                    // Said, or its last event says how it ended.
                    self.ended = true;
                    while self.goes_on() && self.lock_written() == written {
                        thread::sleep(LOOK);
                    }
                }
            }
        }
    }

    fn is_ours(&self, holder: &Holder) -> bool {
        holder.pid == std::process::id() && holder.socket.as_deref() == self.home.answering()
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// When somebody took the session's lock last.
    fn lock_written(&self) -> Option<SystemTime> {
        let path = self.home.session(&self.session).ok()?.join("lock");
        std::fs::metadata(path).and_then(|m| m.modified()).ok()
    }

    /// Hands on what the process that runs it tells, until it ends or somebody else runs it.
    /// `false` where it can't be reached.
    fn through(&mut self, holder: &Holder) -> bool {
        let Some(socket) = &holder.socket else { return false };
        let Ok(mut client) = Client::connect_at(socket) else { return false };
        let subscribe = Command::Subscribe { session: self.session.clone(), since: self.next };
        if !matches!(client.call_within(subscribe, PATIENCE), Ok(Reply::Done)) {
            return false;
        }
        self.say(News::At(Some(socket.clone())));
        while self.goes_on() {
            match client.recv_timeout(LOOK) {
                Ok(Some(message)) => self.hand_on(message),
                Ok(None)
                    if crate::session::lock::holder(&self.home, &self.session).as_ref() == Some(holder) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.say(News::At(None));
        true
    }

    fn hand_on(&mut self, message: Message) {
        match message {
            Message::Event { session, record } if session == self.session && record.seq == self.next => {
                self.next += 1;
                self.ended = false;
                self.say(News::Message(Message::Event { session, record }));
            }
            Message::Live { live: Live::Halted { reason, killed }, .. } => {
                self.ended = true;
                self.live(Live::Halted { reason, killed });
            }
            // What it says of itself, and so did we; and what is no news.
            Message::Live { live: Live::Runs { .. } | Live::LetGo { .. }, .. }
            | Message::Event { .. }
            | Message::Boundary { .. }
            | Message::Reply { .. } => {}
            // For all who are connected there, and so for those who look from here.
            message @ Message::Live { .. } => self.say(News::Message(message)),
        }
    }

    /// What the journal has that was not told yet.
    fn tail(&mut self) {
        loop {
            let read = Reader::open(&self.home, &self.session).and_then(|r| r.some_records(self.next, 64));
            // A session that can't be read has been said to be so when it was opened.
            let Ok(records) = read else { return };
            if records.is_empty() {
                return;
            }
            for record in records {
                self.next = record.seq + 1;
                let session = self.session.clone();
                self.say(News::Message(Message::Event { session, record }));
            }
        }
    }

    fn live(&self, live: Live) {
        self.say(News::Message(Message::Live { session: Some(self.session.clone()), live }));
    }

    fn say(&self, news: News) {
        let (session, number) = (self.session.clone(), self.number);
        // The hub ends with its engine, and this thread with the hub.
        let _ = self.to.send(Inbound::Elsewhere { session, number, news });
    }
}
