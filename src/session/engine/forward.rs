//! Forwards commands about a session to the process that runs it: pause, stop, resume, inject, watch, and tries, since
//! that process has the device. The dispatcher's requests come in; replies come back through its channel.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::dispatcher::Dispatcher;
use super::follower::FollowedSession;
use super::inbound::{FollowerNews, Inbound};
use super::jobs::ForwardedTry;
use crate::session::Client;
use crate::session::home::lock::holder;
use crate::session::protocol::{Command, Live, Message, Reply};

/// Time for the process that runs a session to carry out a command.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a forwarded try checks whether it has been given up.
const LOOK: Duration = Duration::from_millis(50);

/// The session that a command changes while it runs.
fn changes(command: &Command) -> Option<&str> {
    match command {
        Command::Pause { session }
        | Command::Stop { session }
        | Command::Resume { session }
        | Command::Inject { session, .. }
        | Command::Watch { session, .. } => Some(session),
        _ => None,
    }
}

impl Dispatcher {
    /// Forwards a command to the process that runs its session. `false` if this process runs it, or no process does.
    pub(super) fn forward(&mut self, connection: u64, id: u64, command: &Command) -> bool {
        let Some(session) = changes(command) else { return false };
        if self.runs(session) {
            return false;
        }
        let Some(holder) = holder(&self.home, session) else { return false };
        let Some(socket) = holder.socket.filter(|s| Some(s.as_path()) != self.home.answering()) else {
            return false;
        };
        let (command, session, pid) = (command.clone(), session.to_owned(), holder.pid);
        self.in_background(connection, id, move |_| {
            let asked = Client::connect_at(&socket).map_err(anyhow::Error::from);
            asked.and_then(|mut client| client.call_within(command, PATIENCE)).map_err(|why| {
                anyhow::anyhow!(
                    "session `{session}` is run by process {pid}, which does not answer ({why:#}): try again, \
                     or end it with `kill {pid}` and resume the session"
                )
            })
        });
        true
    }

    /// The socket that a client's tries go to: that of the process that runs the session which the client follows,
    /// since the models are open there. `None`: the try runs here.
    pub(super) fn tries_go_to(&self, connection: u64) -> Option<PathBuf> {
        let follows = &self.connections.get(&connection)?.subscribed;
        if follows.keys().any(|session| self.runs(session)) {
            return None;
        }
        // The follower may not have reached the process yet.
        let held = |session: &String| holder(&self.home, session)?.socket;
        let at = |session: &String| self.followed.get(session)?.runs_at.clone().or_else(|| held(session));
        follows.keys().find_map(at).filter(|socket| Some(socket.as_path()) != self.home.answering())
    }

    /// Forwards a try to another process. The streamed text and the answer come back for the same client.
    pub(super) fn forward_try(&mut self, connection: u64, id: u64, socket: PathBuf, command: Command) {
        let (forwarded, given_up) = ForwardedTry::new(id);
        self.forwarded_tries.insert(connection, forwarded);
        let inbound = self.inbound.clone();
        thread::spawn(move || {
            let run = || -> anyhow::Result<Option<Reply>> {
                let mut client = Client::connect_at(&socket)?;
                let asked = client.send(command)?;
                while !given_up.load(Ordering::SeqCst) {
                    match client.recv_timeout(LOOK)? {
                        Some(Message::Reply { id, reply }) if id == asked => return Ok(Some(reply)),
                        Some(Message::Live { live: Live::TryToken { question, text, .. }, .. }) => {
                            let live = Live::TryToken { request: id, question, text };
                            let _ = inbound.send(Inbound::TryStream { connection, request: id, live });
                        }
                        _ => {}
                    }
                }
                // Dropping the connection here ends the try.
                Ok(None)
            };
            let reply = run().unwrap_or_else(|why| {
                Some(Reply::Error(format!("the process that runs the session is gone ({why:#}): try again")))
            });
            if let Some(reply) = reply.filter(|_| !given_up.load(Ordering::SeqCst)) {
                let _ = inbound.send(Inbound::Reply { connection, id, reply });
            }
        });
    }

    /// Starts to follow a session that this engine does not run, unless it does so already. `ended`: the clients know
    /// already that the session has ended.
    pub(super) fn follow_session(&mut self, session: &str, next: u64, ended: bool) {
        if self.runs(session) || self.followed.contains_key(session) {
            return;
        }
        self.followers_started += 1;
        let follow = FollowedSession::follow(
            &self.home,
            session,
            self.followers_started,
            next,
            ended,
            self.inbound.clone(),
        );
        match follow {
            Ok(followed) => {
                self.followed.insert(session.to_owned(), followed);
            }
            Err(why) => {
                self.log(Some(session), "error", &format!("session `{session}` is not followed: {why}"));
            }
        }
    }

    /// Passes on the news of a followed session.
    pub(super) fn follower_news(&mut self, session: &str, number: u64, news: FollowerNews) {
        let Some(followed) = self.followed.get_mut(session).filter(|e| e.number == number) else { return };
        followed.learn(&news);
        match news {
            FollowerNews::Message(Message::Event { record, .. }) => self.broadcast(session, &record),
            FollowerNews::Message(Message::Live { live, .. }) => self.broadcast_live(session, &live),
            FollowerNews::Message(_) | FollowerNews::RunsAt(_) => {}
        }
    }

    /// Stops following the sessions that no client follows any longer.
    pub(super) fn forget_unfollowed(&mut self) {
        let connections = &self.connections;
        self.followed.retain(|session, _| connections.values().any(|l| l.subscribed.contains_key(session)));
    }
}
