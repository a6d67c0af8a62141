//! The engine runs sessions, owns the device through its worker and serves any number of clients. Requests come in over
//! channels or a Unix socket; messages go out the same way. It runs as its own process ([`serve`], for `yosegi engine`)
//! or inside another process ([`Engine`], for headless runs and tests).
//!
//! A session that another process runs is followed through that process's socket (`follower`), and commands about it
//! are forwarded there (`forward`). So a client may ask any engine and gets the same answers.

mod active_session;
mod background;
mod broadcast;
mod connection;
mod dispatcher;
mod follower;
mod forward;
mod idle;
mod inbound;
mod jobs;
mod outbox;
mod plans;
mod queries;
mod requests;
mod socket;
mod worker_handle;
mod worker_reports;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

pub use socket::serve;
pub use worker_handle::{WorkerFunction, WorkerKind};

use self::dispatcher::Dispatcher;
use self::inbound::Inbound;
use self::outbox::Outbox;
use self::socket::Listening;
use super::client::{Client, UNREAD};
use super::home::Home;
use super::protocol::Request;

/// An engine on a thread of this process.
pub struct Engine {
    inbound: Sender<Inbound>,
    thread: Option<JoinHandle<()>>,
    connections: Arc<AtomicU64>,
    home: Home,
    listening: Option<Listening>,
    /// The reason if other processes can't connect.
    pub alone: Option<String>,
}

impl Engine {
    /// Starts an engine for a home. Other processes can connect too if the home's folder can hold a socket. The engine
    /// ends when this handle is dropped.
    ///
    /// # Errors
    /// The home can't be created, or the thread can't be started.
    pub fn start(home: &Home, kind: WorkerKind) -> anyhow::Result<Self> {
        // The sessions of a read-only home can still be viewed.
        if !home.is_read_only() {
            home.create()?;
        }
        let (inbound, receiver) = mpsc::channel();
        let connections = Arc::new(AtomicU64::new(1));
        let (listening, alone) = match Listening::beside(home, &inbound, &connections) {
            Ok(listening) => (Some(listening), None),
            Err(why) => (None, Some(format!("{why:#}"))),
        };
        let home =
            listening.as_ref().map_or_else(|| home.clone(), |l| home.answering_at(l.path().to_owned()));
        let dispatcher = Dispatcher::new(home.clone(), kind, inbound.clone(), None);
        let thread = thread::Builder::new()
            .name("engine".into())
            .spawn(move || dispatcher.run(&receiver))
            .context("starting the engine's thread")?;
        Ok(Self { inbound, thread: Some(thread), connections, home, listening, alone })
    }

    /// A client of this engine, over channels.
    ///
    /// # Errors
    /// The engine has ended.
    pub fn connect(&self) -> anyhow::Result<Client> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::new(Outbox::default());
        let gone = || anyhow::anyhow!("the engine has ended");
        self.inbound
            .send(Inbound::Connect { connection, outbox: Arc::clone(&outbox) })
            .map_err(|_| gone())?;
        let (tx, rx) = mpsc::sync_channel(UNREAD);
        let home = self.home.clone();
        thread::spawn(move || outbox.drain(&home, |message| tx.send(message).is_ok()));
        let hang_up = HangUp { inbound: self.inbound.clone(), connection };
        let send =
            move |request: Request| hang_up.inbound.send(Inbound::Request { connection, request }).is_ok();
        Client::in_process(Arc::new(send), rx)
    }

    /// Ends the engine and its worker, waiting a short time for the engine. The journal is left unchanged.
    pub fn stop(&mut self) {
        let _ = self.inbound.send(Inbound::Stop);
        let writers = self.listening.take().map(Listening::close);
        if let Some(thread) = self.thread.take() {
            let begin = Instant::now();
            while !thread.is_finished() && begin.elapsed() < socket::END_PATIENCE {
                thread::sleep(Duration::from_millis(5));
            }
            if let Some(writers) = writers {
                writers.wait(socket::FLUSH);
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Tells the dispatcher that the last sender of an in-process client has been dropped.
struct HangUp {
    inbound: Sender<Inbound>,
    connection: u64,
}

impl Drop for HangUp {
    fn drop(&mut self) {
        let _ = self.inbound.send(Inbound::Disconnect { connection: self.connection });
    }
}
