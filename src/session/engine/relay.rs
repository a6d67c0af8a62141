//! Commands about a session that another process runs, handed on to it: pausing, stopping, putting
//! in a recipe, choosing samples, trying something on its device.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::elsewhere::{Elsewhere, News};
use super::hub::{Hub, Inbound};
use crate::session::Client;
use crate::session::lock::holder;
use crate::session::protocol::{Command, Live, Message, Reply};

/// Time for the process that runs a session to carry out a command.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a try that waits looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// A try in another process; it is given up with this.
pub struct TryElsewhere {
    pub request: u64,
    over: Arc<AtomicBool>,
}

impl Drop for TryElsewhere {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

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

impl Hub {
    /// Hands a command on to the process that runs its session. `false` where that is this one, or
    /// nobody.
    pub(super) fn hand_on(&mut self, line: u64, id: u64, command: &Command) -> bool {
        let Some(session) = changes(command) else { return false };
        if self.runs(session) {
            return false;
        }
        let Some(holder) = holder(&self.home, session) else { return false };
        let Some(socket) = holder.socket.filter(|s| Some(s.as_path()) != self.home.answering()) else {
            return false;
        };
        let (command, session, pid) = (command.clone(), session.to_owned(), holder.pid);
        self.in_background(line, id, move |_| {
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

    /// Where a client's tries go: to the process that runs the session which it follows, whose
    /// device is taken and whose models are open. `None`: they are done here.
    pub(super) fn tries_at(&self, line: u64) -> Option<PathBuf> {
        let follows = &self.lines.get(&line)?.subscribed;
        if follows.keys().any(|session| self.runs(session)) {
            return None;
        }
        // Perhaps it has not been reached yet.
        let held = |session: &String| holder(&self.home, session)?.socket;
        let at = |session: &String| self.elsewhere.get(session)?.at.clone().or_else(|| held(session));
        follows.keys().find_map(at).filter(|socket| Some(socket.as_path()) != self.home.answering())
    }

    /// Has something tried in another process. The answer and what streams come back on `line`.
    pub(super) fn try_elsewhere(&mut self, line: u64, id: u64, socket: PathBuf, command: Command) {
        let over = Arc::new(AtomicBool::new(false));
        self.tries_elsewhere.insert(line, TryElsewhere { request: id, over: Arc::clone(&over) });
        let inbound = self.inbound.clone();
        thread::spawn(move || {
            let run = || -> anyhow::Result<Option<Reply>> {
                let mut client = Client::connect_at(&socket)?;
                let asked = client.send(command)?;
                while !over.load(Ordering::SeqCst) {
                    match client.recv_timeout(LOOK)? {
                        Some(Message::Reply { id, reply }) if id == asked => return Ok(Some(reply)),
                        Some(Message::Live { live: Live::TryToken { question, text, .. }, .. }) => {
                            let live = Live::TryToken { request: id, question, text };
                            let _ = inbound.send(Inbound::Tried { line, request: id, live });
                        }
                        _ => {}
                    }
                }
                // The connection ends here, and the try with it.
                Ok(None)
            };
            let reply = run().unwrap_or_else(|why| {
                Some(Reply::Error(format!("the process that runs the session is gone ({why:#}): try again")))
            });
            if let Some(reply) = reply.filter(|_| !over.load(Ordering::SeqCst)) {
                let _ = inbound.send(Inbound::Reply { line, id, reply });
            }
        });
    }

    /// Begins to follow a session that this engine does not run, unless it does so already.
    /// `ended`: its end has been told.
    pub(super) fn follow_elsewhere(&mut self, session: &str, next: u64, ended: bool) {
        if self.runs(session) || self.elsewhere.contains_key(session) {
            return;
        }
        self.followers += 1;
        let follow =
            Elsewhere::follow(&self.home, session, self.followers, next, ended, self.inbound.clone());
        match follow {
            Ok(elsewhere) => {
                self.elsewhere.insert(session.to_owned(), elsewhere);
            }
            Err(why) => {
                self.log(Some(session), "error", &format!("session `{session}` is not followed: {why}"));
            }
        }
    }

    /// Something happened to a session elsewhere.
    pub(super) fn news(&mut self, session: &str, number: u64, news: News) {
        let Some(elsewhere) = self.elsewhere.get_mut(session).filter(|e| e.number == number) else { return };
        elsewhere.learn(&news);
        match news {
            News::Message(Message::Event { record, .. }) => self.broadcast(session, &record),
            News::Message(Message::Live { live, .. }) => self.live_to(session, &live),
            News::Message(_) | News::At(_) => {}
        }
    }

    /// Forgets sessions elsewhere that nobody follows any more.
    pub(super) fn forget_elsewhere(&mut self) {
        let lines = &self.lines;
        self.elsewhere.retain(|session, _| lines.values().any(|l| l.subscribed.contains_key(session)));
    }
}
