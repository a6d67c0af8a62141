//! What the engine does for each command of a client.

use std::thread;

use super::active::{self, Active};
use super::flights::TryCommand;
use super::hub::{Flight, Hub, Inbound, Purpose, Start};
use super::look;
use crate::checkpoint::look_up;
use crate::error::BadInput;
use crate::evaluate::{Ask, SetupFacts, StoredQuestion};
use crate::session::config::Config;
use crate::session::evolve::Evolution;
use crate::session::home::Home;
use crate::session::journal::{Journal, Reader, exists_sentence};
use crate::session::list;
use crate::session::protocol::{
    Command, Event, Live, Message, Reply, Request, Split, Status, VERSION, WatchedQuestion,
};

impl Hub {
    pub(super) fn request(&mut self, line: u64, request: Request) {
        let id = request.id;
        if self.hand_on(line, id, &request.command) {
            if let Command::Watch { session, questions } = request.command {
                // For when it runs here.
                self.watches.insert(session, questions);
            }
            return;
        }
        let reply = match request.command {
            Command::Hello { version } if version != VERSION => Reply::Error(format!(
                "this engine speaks version {VERSION} of the protocol, the client version {version}: \
                 stop the engine with `kill {}` and start again; its session can be resumed",
                std::process::id()
            )),
            Command::Hello { .. } => {
                let device = self.device.clone();
                self.reply(line, id, Reply::Hello { version: VERSION, pid: std::process::id(), device });
                return self.told_so_far(line);
            }
            Command::Models { base } => {
                return self.in_background(line, id, move |_| {
                    Ok(Reply::Models(crate::checkpoint::discover(base.as_deref())))
                });
            }
            Command::Model { reference, base, here } => {
                return self.in_background(line, id, move |_| {
                    if here {
                        return Ok(Reply::Models(vec![look_up(&reference, base.as_deref())]));
                    }
                    look::model(&reference, base)
                });
            }
            Command::Distances { base, sources } => {
                return self.in_background(line, id, move |_| look::apart(&base, &sources));
            }
            Command::Questions { task, split } => {
                return self.in_background(line, id, move |_| look::questions(&task, split));
            }
            Command::Sessions => {
                return self.in_background(line, id, |home| list::rows(home).map(Reply::Sessions));
            }
            Command::Answers { session, candidate, split } => {
                return self.in_background(line, id, move |home| {
                    Reader::open(home, &session)?.labelled_answers(candidate, split).map(Reply::Answers)
                });
            }
            Command::Subscribe { session, since } => return self.subscribe(line, id, &session, since),
            Command::Unsubscribe { session } => {
                if let Some(line) = self.lines.get_mut(&line) {
                    line.subscribed.remove(&session);
                }
                self.forget_elsewhere();
                Reply::Done
            }
            Command::Try { target, task, split, questions } => {
                for old in self.drop_tries(line) {
                    self.reply(line, old, Reply::Superseded);
                }
                if let Some(socket) = self.tries_at(line) {
                    let command = Command::Try { target, task, split, questions };
                    return self.try_elsewhere(line, id, socket, command);
                }
                let command = TryCommand { target, task, ask: Ask { split, questions } };
                let flight = self.try_flight(line, id, command);
                self.tries.push_back(flight);
                return;
            }
            Command::Start { config, name } => match self.start(line, id, config, name) {
                Ok(()) => return,
                Err(why) => sentence(&why),
            },
            Command::Resume { session } => match self.resume(line, id, session) {
                Ok(true) => return,
                Ok(false) => Reply::Done,
                Err(why) => sentence(&why),
            },
            Command::Extend { session, budget } => match self.extend(line, id, session, budget) {
                Ok(()) => return,
                Err(why) => sentence(&why),
            },
            Command::Pause { session } => done(self.pause(&session)),
            Command::Stop { session } => done(self.stop(&session)),
            Command::Inject { session, recipe } => done(self.inject(&session, &recipe)),
            Command::Watch { session, questions } => {
                self.watches.insert(session.clone(), questions);
                if let Some(live) = self.watching(&session) {
                    self.live_to(&session, &live);
                }
                Reply::Done
            }
            Command::Shutdown => {
                self.leaving = true;
                Reply::Done
            }
        };
        self.reply(line, id, reply);
    }

    /// Works out a reply on a thread of its own: reading many files takes its time.
    pub(super) fn in_background(
        &mut self,
        line: u64,
        id: u64,
        work: impl FnOnce(&Home) -> anyhow::Result<Reply> + Send + 'static,
    ) {
        let (home, inbound) = (self.home.clone(), self.inbound.clone());
        thread::spawn(move || {
            let reply = work(&home).unwrap_or_else(|why| sentence(&why));
            let _ = inbound.send(Inbound::Reply { line, id, reply });
        });
    }

    fn subscribe(&mut self, line: u64, id: u64, session: &str, since: u64) {
        let own = self.active.as_ref().filter(|a| a.name == session);
        let last = match own {
            Some(active) => active.journal().reader().last_seq(),
            None => Reader::open(&self.home, session).and_then(|reader| reader.last_seq()),
        };
        let last = match last {
            Ok(last) => last,
            Err(why) => return self.reply(line, id, sentence(&why)),
        };
        let (since, runs) = (since.max(1), own.is_some());
        self.reply(line, id, Reply::Done);
        let next = since.max(last + 1);
        let (stands, watching) = match self.elsewhere.get(session) {
            Some(elsewhere) if !runs => (elsewhere.stands.clone(), elsewhere.watching.clone()),
            _ => (runs.then(|| Live::Runs { pid: std::process::id() }), self.watching(session)),
        };
        let Some(to) = self.lines.get_mut(&line) else { return };
        to.subscribed.insert(session.to_owned(), next);
        if since < next {
            let _ = to.outbox.push_past(session, since, last);
        }
        self.send(line, Message::Boundary { session: session.to_owned(), next });
        for live in [stands, watching].into_iter().flatten() {
            self.send(line, Message::Live { session: Some(session.to_owned()), live });
        }
        self.follow_elsewhere(session, next, false);
    }

    /// The text of the questions that are watched.
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
            Some(WatchedQuestion { index, question: q.question, gold: q.gold })
        };
        Some(Live::Watching { questions: watched.iter().filter_map(question).collect() })
    }

    /// Refuses a second session while one runs or is being opened.
    fn must_be_free(&self) -> anyhow::Result<()> {
        let opening = !self.starts.is_empty()
            || matches!(&self.flight, Some(Flight { purpose: Purpose::Start(_), .. }));
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

    fn start(&mut self, line: u64, request: u64, text: String, name: Option<String>) -> anyhow::Result<()> {
        let config = Config::parse(&text, "the config")?;
        self.must_be_free()?;
        if let Some(name) = &name {
            crate::session::home::check_name(name)?;
            if list::exists(&self.home, name) {
                return Err(BadInput::error(exists_sentence(name)));
            }
        }
        self.starts.push_back(Self::start_flight(Box::new(Start {
            line,
            request,
            text,
            config,
            name,
            resume: false,
            extend: None,
            known: Vec::new(),
        })));
        Ok(())
    }

    /// `false`: it runs already.
    fn resume(&mut self, line: u64, request: u64, session: String) -> anyhow::Result<bool> {
        if let Some(active) = self.active.as_mut().filter(|a| a.name == session) {
            active.pausing = false;
            return Ok(false);
        }
        let reader = Reader::open(&self.home, &session)?;
        reader.must_be_writable()?;
        let state = reader.state()?;
        if state.status == Status::Finished {
            return Err(BadInput::error(active::finished_sentence(&session)));
        }
        self.must_be_free()?;
        self.go_on(line, request, &reader, session, state.config, None)?;
        Ok(true)
    }

    /// A session that is over goes on. Its journal is told once models and task are open and are what they were:
    /// whatever is wrong with them leaves it as it is.
    fn extend(&mut self, line: u64, request: u64, session: String, budget: u64) -> anyhow::Result<()> {
        self.must_be_free()?;
        let reader = Reader::open(&self.home, &session)?;
        reader.must_be_writable()?;
        let run = Evolution::replay(&reader.records(1)?)?;
        run.extend(budget)?;
        self.go_on(line, request, &reader, session, run.state().config.clone(), Some(budget))
    }

    /// Opens models and task of a session that is there already.
    fn go_on(
        &mut self,
        line: u64,
        request: u64,
        reader: &Reader<'_>,
        session: String,
        text: String,
        extend: Option<u64>,
    ) -> anyhow::Result<()> {
        let config = Config::parse(&text, &format!("config of session `{session}`"))?;
        let (name, known) = (Some(session), reader.prints()?);
        let start = Start { line, request, text, config, name, resume: true, extend, known };
        self.starts.push_back(Self::start_flight(Box::new(start)));
        Ok(())
    }

    /// Models and task are open: the session begins, or goes on.
    pub(super) fn opened(&mut self, start: &Start, facts: &SetupFacts, questions: &[StoredQuestion]) {
        let name = start.name.clone().unwrap_or_else(|| list::fresh_name(&self.home, &start.config.name));
        let made = if start.resume {
            Active::resume(&self.home, &name, facts, questions, start.extend)
        } else {
            Active::create(&self.home, &name, &start.text, &start.config, facts, questions)
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
                // Whoever followed it elsewhere follows it here.
                self.elsewhere.remove(&name);
                self.live_to(&name, &Live::Runs { pid: std::process::id() });
                if let Some(watching) = self.watching(&name) {
                    self.live_to(&name, &watching);
                }
                self.reply(start.line, start.request, Reply::Started { session: name.clone() });
                if let Some(record) = resumed {
                    self.broadcast(&name, &record);
                }
                self.log(Some(&name), "info", &format!("session `{name}` runs on {}", facts.device));
                if !facts.device_note.is_empty() {
                    self.log(Some(&name), "note", &facts.device_note);
                }
            }
            Err(why) => self.reply(start.line, start.request, sentence(&why)),
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
        matches!(&self.flight, Some(Flight { purpose: Purpose::Work(_), dropped: false, .. }))
    }

    fn stop(&mut self, session: &str) -> anyhow::Result<()> {
        let stopped = Event::Stopped { reason: "stopped by hand".into() };
        if self.active.as_ref().is_some_and(|a| a.name == session) {
            if self.measuring() {
                self.cancel_flight();
            }
            self.end_with(&stopped);
            return Ok(());
        }
        // Paused, or left behind by a process that was killed.
        let state = Reader::open(&self.home, session)?.state()?;
        match state.status {
            Status::Finished => Err(BadInput::error(active::finished_sentence(session))),
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

fn done(result: anyhow::Result<()>) -> Reply {
    result.map_or_else(|why| sentence(&why), |()| Reply::Done)
}

fn sentence(why: &anyhow::Error) -> Reply {
    Reply::Error(format!("{why:#}"))
}
