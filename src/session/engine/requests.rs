//! What the engine does for each command of a client. The dispatcher passes requests in; replies, events and jobs in
//! the dispatcher's queues come out.

use super::active_session::{self, ActiveSession};
use super::dispatcher::Dispatcher;
use super::jobs::{PendingJob, Purpose, SessionToOpen, TryRequest};

use super::queries;
use crate::checkpoint::look_up;
use crate::error::BadInput;
use crate::evaluate::{SetupFacts, SplitQuestions, StoredQuestion};
use crate::session::config::Config;
use crate::session::evolve::Evolution;
use crate::session::home::exists_sentence;
use crate::session::home::session_list;
use crate::session::journal::{Journal, Reader};
use crate::session::protocol::{
    Command, Event, Live, Message, Reply, Request, Split, Status, VERSION, WatchedQuestion,
};

/// The reply to a client with another version of the protocol.
fn other_version(version: u32) -> Reply {
    Reply::Error(format!(
        "this engine speaks version {VERSION} of the protocol, the client version {version}: \
         stop the engine with `kill {}` and start again; its session can be resumed",
        std::process::id()
    ))
}

impl Dispatcher {
    pub(super) fn request(&mut self, connection: u64, request: Request) {
        let id = request.id;
        if self.forward(connection, id, &request.command) {
            if let Command::Watch { session, questions } = request.command {
                // Kept in case the session is resumed here.
                self.watches.insert(session, questions);
            }
            return;
        }
        let reply = match request.command {
            Command::Hello { version } if version != VERSION => other_version(version),
            Command::Hello { .. } => return self.hello(connection, id),
            Command::Models { base } => {
                return self.in_background(connection, id, move |_| {
                    Ok(Reply::Models(crate::checkpoint::discover(base.as_deref())))
                });
            }
            Command::Model { reference, base, here } => {
                return self.observed(connection, id, move |observer| {
                    if here {
                        return Ok(Reply::Models(vec![look_up(&reference, base.as_deref())]));
                    }
                    queries::model(&reference, base, observer)
                });
            }
            Command::Distances { base, sources } => {
                return self.observed(connection, id, move |observer| {
                    queries::model_distances(&base, &sources, observer)
                });
            }
            Command::Questions { task, split } => {
                return self.in_background(connection, id, move |_| queries::questions(&task, split));
            }
            Command::Plan { config, measure } => return self.plan(connection, id, &config, measure),
            Command::DropPlan => {
                self.supersede_plans(connection);
                Reply::Done
            }
            Command::Sessions => {
                return self
                    .in_background(connection, id, |home| session_list::rows(home).map(Reply::Sessions));
            }
            Command::Answers { session, candidate, split } => {
                return self.in_background(connection, id, move |home| {
                    Reader::open(home, &session)?.labelled_answers(candidate, split).map(Reply::Answers)
                });
            }
            Command::Subscribe { session, since } => return self.subscribe(connection, id, &session, since),
            Command::Unsubscribe { session } => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.subscribed.remove(&session);
                }
                self.forget_unfollowed();
                Reply::Done
            }
            Command::Try { target, task, split, questions } => {
                for old in self.drop_tries(connection) {
                    self.reply(connection, old, Reply::Superseded);
                }
                if let Some(socket) = self.tries_go_to(connection) {
                    let command = Command::Try { target, task, split, questions };
                    return self.forward_try(connection, id, socket, command);
                }
                let asked = TryRequest { target, task, ask: SplitQuestions { split, questions } };
                let pending = PendingJob::try_now(self.active.as_ref(), connection, id, asked);
                self.tries.push_back(pending);
                return;
            }
            Command::Start { config, name } => match self.start(connection, id, config, name) {
                Ok(()) => return,
                Err(why) => error_reply(&why),
            },
            Command::Resume { session } => match self.resume(connection, id, session) {
                Ok(true) => return,
                Ok(false) => Reply::Done,
                Err(why) => error_reply(&why),
            },
            Command::Extend { session, budget } => match self.extend(connection, id, session, budget) {
                Ok(()) => return,
                Err(why) => error_reply(&why),
            },
            Command::Pause { session } => done_or_error(self.pause(&session)),
            Command::Stop { session } => done_or_error(self.stop(&session)),
            Command::Inject { session, recipe } => done_or_error(self.inject(&session, &recipe)),
            Command::Watch { session, questions } => {
                self.watch(&session, questions);
                Reply::Done
            }
            Command::GiveUp => {
                self.give_up(connection);
                Reply::Done
            }
            Command::Shutdown => {
                self.shutting_down = true;
                Reply::Done
            }
        };
        self.reply(connection, id, reply);
    }

    fn hello(&mut self, connection: u64, id: u64) {
        let device = self.device.clone();
        self.reply(connection, id, Reply::Hello { version: VERSION, pid: std::process::id(), device });
        self.send_recent_log(connection);
    }

    fn watch(&mut self, session: &str, questions: Vec<usize>) {
        self.watches.insert(session.to_owned(), questions);
        if let Some(live) = self.watching(session) {
            self.broadcast_live(session, &live);
        }
    }

    fn subscribe(&mut self, connection: u64, id: u64, session: &str, since: u64) {
        let own = self.active.as_ref().filter(|a| a.name == session);
        let last = match own {
            Some(active) => active.journal().reader().last_seq(),
            None => Reader::open(&self.home, session).and_then(|reader| reader.last_seq()),
        };
        let last = match last {
            Ok(last) => last,
            Err(why) => return self.reply(connection, id, error_reply(&why)),
        };
        let (since, runs) = (since.max(1), own.is_some());
        self.reply(connection, id, Reply::Done);
        let next = since.max(last + 1);
        let (standing, watching) = match self.followed.get(session) {
            Some(followed) if !runs => (followed.standing.clone(), followed.watching.clone()),
            _ => (runs.then(|| Live::Runs { pid: std::process::id() }), self.watching(session)),
        };
        let Some(to) = self.connections.get_mut(&connection) else { return };
        to.subscribed.insert(session.to_owned(), next);
        if since < next {
            let _ = to.outbox.push_past(session, since, last);
        }
        self.send(connection, Message::Boundary { session: session.to_owned(), next });
        for live in [standing, watching].into_iter().flatten() {
            self.send(connection, Message::Live { session: Some(session.to_owned()), live });
        }
        self.follow_session(session, next, false);
    }

    /// The message with the texts of the watched questions.
    fn watching(&self, session: &str) -> Option<Live> {
        let watched = self.watches.get(session)?;
        let own;
        let reader = if let Some(active) = self.active.as_ref().filter(|a| a.name == session) {
            active.journal().reader()
        } else {
            own = Reader::open(&self.home, session).ok()?;
            own
        };
        let question = |&index: &usize| {
            let q = reader.question(Split::Train, index).ok()??;
            Some(WatchedQuestion { index, question: q.question, gold: q.gold, images: q.images })
        };
        Some(Live::Watching { questions: watched.iter().filter_map(question).collect() })
    }

    /// An error while a session is running or being opened.
    pub(super) fn must_be_free(&self) -> anyhow::Result<()> {
        let opening = !self.to_open.is_empty()
            || matches!(&self.running_job, Some(PendingJob { purpose: Purpose::Open(_), .. }));
        if let Some(active) = &self.active {
            return Err(BadInput::error(format!(
                "session `{0}` is running and the engine runs one at a time: pause or stop it first \
                 (`yosegi stop {0}`)",
                active.name
            )));
        }
        if opening {
            return Err(BadInput::error("another session is just being opened: try again in a moment"));
        }
        Ok(())
    }

    fn start(
        &mut self,
        connection: u64,
        request: u64,
        text: String,
        name: Option<String>,
    ) -> anyhow::Result<()> {
        let config = Config::parse(&text, "the config")?;
        self.must_be_free()?;
        self.supersede_plans(connection);
        if let Some(name) = &name {
            crate::session::home::check_name(name)?;
            if session_list::exists(&self.home, name) {
                return Err(BadInput::error(exists_sentence(name)));
            }
        }
        self.to_open.push_back(PendingJob::open(SessionToOpen {
            connection,
            request,
            text,
            config,
            name,
            resume: false,
            extend: None,
            known: Vec::new(),
        }));
        Ok(())
    }

    /// Resumes a session. `false`: it is running already.
    fn resume(&mut self, connection: u64, request: u64, session: String) -> anyhow::Result<bool> {
        if let Some(active) = self.active.as_mut().filter(|a| a.name == session) {
            active.pausing = false;
            return Ok(false);
        }
        let reader = Reader::open(&self.home, &session)?;
        reader.must_be_writable()?;
        let state = reader.state()?;
        if state.status == Status::Finished {
            return Err(BadInput::error(active_session::finished_sentence(&session)));
        }
        self.must_be_free()?;
        self.reopen(connection, request, &reader, session, state.config, None)?;
        Ok(true)
    }

    /// Extends a finished session. The journal is written only after models and task have been opened and found
    /// unchanged.
    fn extend(&mut self, connection: u64, request: u64, session: String, budget: u64) -> anyhow::Result<()> {
        self.must_be_free()?;
        let reader = Reader::open(&self.home, &session)?;
        reader.must_be_writable()?;
        let run = Evolution::replay(&reader.records(1)?)?;
        run.extend(budget)?;
        self.reopen(connection, request, &reader, session, run.state().config.clone(), Some(budget))
    }

    /// Queues the job that opens the models and the task of an existing session.
    fn reopen(
        &mut self,
        connection: u64,
        request: u64,
        reader: &Reader<'_>,
        session: String,
        text: String,
        extend: Option<u64>,
    ) -> anyhow::Result<()> {
        let config = Config::parse(&text, &format!("config of session `{session}`"))?;
        let (name, known) = (Some(session), reader.prints()?);
        let start = SessionToOpen { connection, request, text, config, name, resume: true, extend, known };
        self.to_open.push_back(PendingJob::open(start));
        Ok(())
    }

    /// Begins or resumes a session once its models and task have been opened.
    pub(super) fn session_opened(
        &mut self,
        start: &SessionToOpen,
        facts: &SetupFacts,
        questions: &[StoredQuestion],
    ) {
        let name =
            start.name.clone().unwrap_or_else(|| session_list::fresh_name(&self.home, &start.config.name));
        let made = if start.resume {
            ActiveSession::resume(&self.home, &name, facts, questions, start.extend)
        } else {
            ActiveSession::create(&self.home, &name, &start.text, &start.config, facts, questions)
                .map(|active| (active, None))
        };
        match made {
            Ok((active, resumed)) => {
                for note in &active.notes {
                    self.log(Some(&name), "note", note);
                }
                let first = start.config.task.first();
                self.watches.entry(name.clone()).or_insert_with(|| first.watched(facts.train_questions));
                self.active = Some(active);
                // Clients that followed the session in another process now follow it here.
                self.followed.remove(&name);
                self.broadcast_live(&name, &Live::Runs { pid: std::process::id() });
                if let Some(watching) = self.watching(&name) {
                    self.broadcast_live(&name, &watching);
                }
                self.reply(start.connection, start.request, Reply::Started { session: name.clone() });
                if let Some(record) = resumed {
                    self.broadcast(&name, &record);
                }
                self.log(Some(&name), "info", &format!("session `{name}` runs on {}", facts.device));
                if !facts.device_note.is_empty() {
                    self.log(Some(&name), "note", &facts.device_note);
                }
            }
            Err(why) => self.reply(start.connection, start.request, error_reply(&why)),
        }
    }

    fn pause(&mut self, session: &str) -> anyhow::Result<()> {
        let measuring = self.measuring();
        let Some(active) = self.active.as_mut().filter(|a| a.name == session) else {
            return Err(self.not_running(session));
        };
        if measuring {
            active.pausing = true;
        } else {
            self.end_with(&Event::Paused);
        }
        Ok(())
    }

    fn measuring(&self) -> bool {
        matches!(&self.running_job, Some(PendingJob { purpose: Purpose::Work(_), cancelled: false, .. }))
    }

    fn stop(&mut self, session: &str) -> anyhow::Result<()> {
        let stopped = Event::Stopped { reason: "stopped by hand".into() };
        if self.active.as_ref().is_some_and(|a| a.name == session) {
            if self.measuring() {
                self.cancel_running_job();
            }
            self.end_with(&stopped);
            return Ok(());
        }
        // The session is paused, or its process was killed.
        let state = Reader::open(&self.home, session)?.state()?;
        match state.status {
            Status::Finished => Err(BadInput::error(active_session::finished_sentence(session))),
            Status::Stopped => Err(BadInput::error(format!("session `{session}` is stopped already"))),
            Status::New | Status::Running | Status::Paused => {
                let record = Journal::open(&self.home, session)?.append(&stopped, None)?;
                self.broadcast(session, &record);
                Ok(())
            }
        }
    }

    fn inject(&mut self, session: &str, recipe: &crate::recipe::Recipe) -> anyhow::Result<()> {
        let Some(active) = self.active.as_mut().filter(|a| a.name == session) else {
            return Err(self.not_running(session));
        };
        let record = active.inject(recipe)?;
        self.broadcast(session, &record);
        Ok(())
    }

    fn not_running(&self, session: &str) -> anyhow::Error {
        match Reader::open(&self.home, session) {
            Err(why) => why,
            Ok(_) => {
                BadInput::error(format!("session `{session}` is not running on this engine: resume it first"))
            }
        }
    }
}

fn done_or_error(result: anyhow::Result<()>) -> Reply {
    result.map_or_else(|why| error_reply(&why), |()| Reply::Done)
}

pub(super) fn error_reply(why: &anyhow::Error) -> Reply {
    Reply::Error(format!("{why:#}"))
}
