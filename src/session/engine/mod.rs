//! The engine: it owns the device through its worker, runs sessions and serves any number of
//! faces. Requests come in over channels or a Unix socket, messages go out the same way; what
//! happened is in the journal. The same engine runs as a process of its own ([`serve`]) and
//! inside another ([`Engine`]: headless runs, tests).

mod active;
mod crew;
mod deliver;
mod flights;
mod hub;
mod look;
mod outbox;
mod reports;
mod requests;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use anyhow::Context;

pub use crew::{WorkerFunction, WorkerKind};
pub use socket::serve;

use self::hub::{Hub, Inbound};
use self::outbox::Outbox;
use super::client::Client;
use super::home::Home;
use super::protocol::Request;

/// An engine on a thread of this process.
pub struct Engine {
    inbound: Sender<Inbound>,
    thread: Option<JoinHandle<()>>,
    lines: AtomicU64,
}

impl Engine {
    /// Starts an engine over a home. It ends when dropped.
    pub fn start(home: &Home, kind: WorkerKind) -> anyhow::Result<Self> {
        home.create()?;
        let (inbound, receiver) = mpsc::channel();
        let hub = Hub::new(home.clone(), kind, inbound.clone(), None);
        let thread = thread::Builder::new()
            .name("engine".into())
            .spawn(move || hub.run(&receiver, || false))
            .context("starting the engine's thread")?;
        Ok(Self { inbound, thread: Some(thread), lines: AtomicU64::new(1) })
    }

    /// A client of this engine, over channels.
    pub fn connect(&self) -> anyhow::Result<Client> {
        let line = self.lines.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::new(Outbox::default());
        let gone = || anyhow::anyhow!("the engine has ended");
        self.inbound.send(Inbound::Connect { line, outbox: Arc::clone(&outbox) }).map_err(|_| gone())?;
        let (tx, rx) = mpsc::channel();
        thread::spawn(move || {
            while let Some(message) = outbox.pop() {
                if tx.send(message).is_err() {
                    break;
                }
            }
        });
        let hang_up = HangUp { inbound: self.inbound.clone(), line };
        let send = move |request: Request| hang_up.inbound.send(Inbound::Request { line, request }).is_ok();
        Client::in_process(Arc::new(send), rx)
    }

    /// Ends the engine and its worker; the journal stays as it is.
    pub fn stop(&mut self) {
        let _ = self.inbound.send(Inbound::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
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
