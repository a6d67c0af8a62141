//! The engine: it owns the device through its worker, runs sessions and serves any number of
//! faces. Requests come in over channels or a Unix socket, messages go out the same way; what
//! happened is in the journal. The same engine runs as a process of its own ([`serve`]) and
//! inside another ([`Engine`]: headless runs, tests).
//!
//! A session that another process runs is followed through that one's socket (`elsewhere`), and
//! commands about it are handed on (`relay`): a client asks any engine and sees the same.

mod active;
mod crew;
mod deliver;
mod elsewhere;
mod flights;
mod hub;
mod look;
mod outbox;
mod relay;
mod reports;
mod requests;
mod rest;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

pub use crew::{WorkerFunction, WorkerKind};
pub use socket::serve;

use self::hub::{Hub, Inbound};
use self::outbox::Outbox;
use self::socket::Listening;
use super::client::{Client, UNREAD};
use super::home::Home;
use super::protocol::Request;

/// An engine on a thread of this process.
pub struct Engine {
    inbound: Sender<Inbound>,
    thread: Option<JoinHandle<()>>,
    lines: Arc<AtomicU64>,
    /// Lines that are this process's own.
    own: AtomicU64,
    home: Home,
    listening: Option<Listening>,
    /// Why other processes can't look in, if they can't.
    pub alone: Option<String>,
}

impl Engine {
    /// Starts an engine over a home. It serves other processes too, as the home's own engine does,
    /// where the home is in a folder that can hold a socket. It ends when dropped.
    pub fn start(home: &Home, kind: WorkerKind) -> anyhow::Result<Self> {
        // One that can be looked at only is looked at.
        if !home.is_read_only() {
            home.create()?;
        }
        let (inbound, receiver) = mpsc::channel();
        let lines = Arc::new(AtomicU64::new(1));
        let (listening, alone) = match Listening::beside(home, &inbound, &lines) {
            Ok(listening) => (Some(listening), None),
            Err(why) => (None, Some(format!("{why:#}"))),
        };
        let home =
            listening.as_ref().map_or_else(|| home.clone(), |l| home.answering_at(l.path().to_owned()));
        let hub = Hub::new(home.clone(), kind, inbound.clone(), None);
        let thread = thread::Builder::new()
            .name("engine".into())
            .spawn(move || hub.run(&receiver))
            .context("starting the engine's thread")?;
        let own = AtomicU64::new(0);
        Ok(Self { inbound, thread: Some(thread), lines, own, home, listening, alone })
    }

    /// A client of this engine, over channels.
    pub fn connect(&self) -> anyhow::Result<Client> {
        let line = self.lines.fetch_add(1, Ordering::Relaxed);
        self.own.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::new(Outbox::default());
        let gone = || anyhow::anyhow!("the engine has ended");
        self.inbound.send(Inbound::Connect { line, outbox: Arc::clone(&outbox) }).map_err(|_| gone())?;
        let (tx, rx) = mpsc::sync_channel(UNREAD);
        let home = self.home.clone();
        thread::spawn(move || outbox.drain(&home, |message| tx.send(message).is_ok()));
        let hang_up = HangUp { inbound: self.inbound.clone(), line };
        let send = move |request: Request| hang_up.inbound.send(Inbound::Request { line, request }).is_ok();
        Client::in_process(Arc::new(send), rx)
    }

    /// Ends the engine and its worker, waiting for it a little while; the journal stays as it is.
    pub fn stop(&mut self) {
        let _ = self.inbound.send(Inbound::Stop);
        self.listening = None;
        if let Some(thread) = self.thread.take() {
            let begin = Instant::now();
            while !thread.is_finished() && begin.elapsed() < socket::END_PATIENCE {
                thread::sleep(Duration::from_millis(5));
            }
            // Let the writers send what is in the queues of other processes.
            if self.lines.load(Ordering::Relaxed) > self.own.load(Ordering::Relaxed) + 1 {
                thread::sleep(socket::FLUSH);
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Tells the hub when the last sender of an in-process client is dropped.
struct HangUp {
    inbound: Sender<Inbound>,
    line: u64,
}

impl Drop for HangUp {
    fn drop(&mut self) {
        let _ = self.inbound.send(Inbound::Disconnect { line: self.line });
    }
}
