//! Replies that other threads prepare, since reading models takes time: the client sees how far that has come, and may
//! give it up, as it may its tries and the opening of its session. `requests` calls it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::dispatcher::Dispatcher;
use super::inbound::Inbound;
use super::jobs::{PendingJob, Purpose};
use crate::progress::Observer;
use crate::session::home::Home;
use crate::session::protocol::Reply;

impl Dispatcher {
    /// Prepares a reply on a separate thread.
    pub(super) fn in_background(
        &mut self,
        connection: u64,
        id: u64,
        work: impl FnOnce(&Home) -> anyhow::Result<Reply> + Send + 'static,
    ) {
        let (home, inbound) = (self.home.clone(), self.inbound.clone());
        thread::spawn(move || {
            let reply = work(&home).unwrap_or_else(|why| Reply::Error(format!("{why:#}")));
            let _ = inbound.send(Inbound::Reply { connection, id, reply });
        });
    }

    /// As [`Self::in_background`], for work that takes long: the client sees how far it has come, and may give it up.
    pub(super) fn observed(
        &mut self,
        connection: u64,
        id: u64,
        work: impl FnOnce(&Observer<'_>) -> anyhow::Result<Reply> + Send + 'static,
    ) {
        let given_up = self.connections.get(&connection).map(|c| Arc::clone(&c.given_up)).unwrap_or_default();
        let inbound = Mutex::new(self.inbound.clone());
        self.in_background(connection, id, move |_| {
            let tell = |headway| {
                let inbound = inbound.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = inbound.send(Inbound::Headway { connection, headway });
            };
            work(&Observer::new(&tell, &given_up))
        });
    }

    /// Gives up what a client waits for. Nothing of use is loaded while a session is opened, so that its worker ends
    /// with the job, also in the middle of a download.
    pub(super) fn give_up(&mut self, of: u64) {
        let mut dropped = self.drop_tries(of);
        dropped.extend(self.drop_plans(of));
        let mut is_its_own = |pending: &PendingJob| match &pending.purpose {
            Purpose::Open(start) if start.connection == of => {
                dropped.push(start.request);
                true
            }
            _ => false,
        };
        self.to_open.retain(|pending| !is_its_own(pending));
        if self.running_job.as_ref().is_some_and(is_its_own) {
            self.running_job = None;
            self.worker = None;
        }
        for request in dropped {
            self.reply(of, request, Reply::Superseded);
        }
        if let Some(connection) = self.connections.get_mut(&of) {
            connection.give_up();
        }
    }
}
