//! Takes the engine's messages into the state: replies, a session's events, live text and rates. The event loop
//! calls it. Requests that follow from a message go out as effects.

use super::app::{App, Link, Notice, Pane, Startup};
use super::config::{pool_of, task_of, watched_of};
use super::editor::Editor;
use super::effect::Ask;
use super::messages;
use super::overlays::{Overlay, Picker};
use super::panes::answers::state::FetchedAnswers;
use super::panes::evolve::state::Run;
use super::panes::models::state::PoolDistances;
use super::text::percent;
use crate::progress::Headway;
use crate::session::protocol::{Command, Event, Live, Message, Record, Reply, SessionRow, Split, Status};
use crate::task::AnswerLanguage;

impl App {
    /// The engine is found. Requests what the first screen shows.
    pub fn connected(&mut self, device: String) {
        self.link = Link::Connected { device };
        self.asked.clear();
        self.ask_models();
        self.ask(Ask::Sessions, Command::Sessions);
        // After a reconnection, continue after the last event received.
        if let Some(run) = &self.run {
            let (session, since) = (run.state.name.clone(), run.state.seq);
            self.ask(Ask::Subscribe, Command::Subscribe { session, since });
        }
        self.preview.asked = None;
        self.models.distances = PoolDistances::Unasked;
        self.answers.fetched.retain(|_, f| matches!(f, FetchedAnswers::Here(_)));
    }

    /// The connection to the engine is lost.
    pub fn disconnected(&mut self, why: &str) {
        self.link = Link::Lost(why.to_owned());
        self.asked.clear();
        self.headway.clear();
        self.complain(messages::engine_lost(why));
    }

    /// Takes in one message.
    pub fn receive(&mut self, message: Message) {
        match message {
            Message::Reply { id, reply } => {
                if let Some(ask) = self.asked.remove(&id) {
                    self.reply(id, ask, reply);
                }
            }
            Message::Event { session, record } => self.event(&session, &record),
            Message::Boundary { session, .. } => self.boundary(&session),
            Message::Live { session, live } => self.live(session.as_deref(), live),
        }
    }

    fn reply(&mut self, id: u64, ask: Ask, reply: Reply) {
        match (ask, reply) {
            (Ask::Models, Reply::Models(list)) => {
                self.models.fill(list);
                self.pool_changed();
                self.ask_listed();
            }
            (Ask::Models, Reply::Error(why)) => self.models.error = Some(why),
            (Ask::Sessions, Reply::Sessions(rows)) => self.sessions(rows),
            (Ask::Start, Reply::Started { session }) => {
                self.say(messages::is_evolving(&session));
                self.open_session(&session);
                if let Some(recipe) = self.begin_with.take() {
                    let done = messages::injected(&session);
                    self.ask(Ask::Order(done), Command::Inject { session, recipe });
                }
            }
            (Ask::Plan, reply) => self.planned(reply),
            (Ask::Model(name), Reply::Models(list)) => self.model_added(&name, list),
            (Ask::Model(name), Reply::Error(why)) => self.not_added(&name, why),
            (Ask::Listed, Reply::Models(list)) => self.model_listed(list),
            (Ask::Listed, _) | (Ask::Order(_), Reply::Superseded) => {}
            (Ask::Distances { base, sources }, reply) => self.measured(base, sources, reply),
            (Ask::Questions, Reply::Questions(all)) => {
                // The old notice says that the questions are being read.
                self.notice = None;
                self.overlay = Some(Overlay::Picker(Picker::questions(&all, &self.preview.questions)));
            }
            (Ask::Order(done), Reply::Done | Reply::Started { .. }) => self.say(done),
            (Ask::Answers { session, candidate, split }, reply) => {
                if self.session() != Some(&session) {
                    return;
                }
                let fetch = match reply {
                    Reply::Answers(answers) => FetchedAnswers::Here(answers),
                    Reply::Error(why) => FetchedAnswers::Failed(why),
                    _ => return,
                };
                self.answers.fetched.insert((candidate, split), fetch);
            }
            (Ask::Try { .. }, Reply::Answers(answers)) => self.preview.finish(id, answers),
            (Ask::Try { .. }, Reply::Error(why)) => self.preview.fail(id, why),
            (Ask::Start, Reply::Superseded) => self.begin_with = None,
            (Ask::Start, Reply::Error(why)) => {
                self.begin_with = None;
                self.complain(why);
            }
            (_, Reply::Error(why)) => self.complain(why),
            _ => {}
        }
    }

    /// Takes in the list of sessions, then does what the command line requested.
    fn sessions(&mut self, rows: Vec<SessionRow>) {
        self.sessions = rows;
        match std::mem::take(&mut self.startup) {
            Startup::Attach(name) => {
                if self.sessions.iter().any(|r| r.name == name) {
                    self.open_session(&name);
                } else {
                    let known: Vec<&str> = self.sessions.iter().map(|r| r.name.as_str()).collect();
                    let known = if known.is_empty() { messages::none().to_owned() } else { known.join(", ") };
                    self.complain(messages::no_such_session(&name, &known));
                }
            }
            Startup::Start => self.start(),
            Startup::ShowRunning => {
                if self.run.is_some() {
                    return;
                }
                let going = |r: &&SessionRow| {
                    r.problem.is_none()
                        && (r.interrupted || matches!(r.status, Status::Running | Status::Paused))
                };
                // A running or paused session comes before an interrupted one. Among equals the latest wins.
                let latest =
                    self.sessions.iter().filter(going).max_by_key(|r| (!r.interrupted, r.updated_ms));
                if let Some(name) = latest.map(|r| r.name.clone()) {
                    self.open_session(&name);
                }
            }
        }
    }

    /// Shows a session from its first event on.
    pub fn open_session(&mut self, name: &str) {
        if self.session() == Some(name) {
            self.pane = Pane::Evolve;
            return;
        }
        if let Some(old) = self.session().map(str::to_owned) {
            self.ask(Ask::Order(String::new()), Command::Unsubscribe { session: old });
        }
        self.run = Some(Run::new(name));
        self.candidate = None;
        self.answers.fetched.clear();
        self.answers.opened.clear();
        self.answers.question = None;
        self.pane = Pane::Evolve;
        self.ask_desk(name);
        self.ask(Ask::Subscribe, Command::Subscribe { session: name.to_owned(), since: 0 });
    }

    fn event(&mut self, session: &str, record: &Record) {
        let Some(run) = self.run.as_mut().filter(|r| r.state.name == session) else { return };
        run.apply(record);
        if run.state.status != Status::Running {
            self.headway.clear();
        }
        match &record.event {
            Event::Created { config, device_note, begin, .. } => {
                if !device_note.is_empty() {
                    self.log.add_of(Some(session), record.at_ms, "note", device_note);
                }
                if let Some(begin) = begin.as_ref().filter(|b| b.overlap > 0) {
                    self.log.add_of(Some(session), record.at_ms, "note", &messages::overlap(begin.overlap));
                }
                let (task, watched) = (task_of(config), watched_of(config));
                self.preview.ask_others(task, watched);
                self.follow_session(config);
            }
            Event::Finished { train, test, .. } if run.caught_up => {
                let (name, asked) = (run.state.name.clone(), AnswerLanguage::of_tasks(&run.state.languages));
                let (train, test) = (percent(train.acc_in_language), percent(test.acc_in_language));
                self.say(match messages::language_asked(&asked) {
                    Some(language) => messages::finished_with_in(&name, language, &train, &test),
                    None => messages::finished_with(&name, &train, &test),
                });
            }
            // Answers that could not be fetched before exist now, so the failure is forgotten.
            Event::HeldOut { id, .. } => self.forget_failed(*id, Split::Test),
            Event::Evaluated { id, .. } => self.forget_failed(*id, Split::Train),
            _ => {}
        }
    }

    /// Picks the session's models and starts a recipe from them, unless the user has changed the recipe.
    fn follow_session(&mut self, config: &str) {
        let pool = pool_of(config);
        self.models.shown = [&pool.base].into_iter().chain(&pool.sources).cloned().collect();
        let gives_way = self.gives_way(&pool);
        if self.editor.is_touched() && !gives_way || pool.sources.is_empty() {
            self.ask_listed();
            return;
        }
        if gives_way {
            self.editor = Editor::new(&pool.base, &pool.sources, 0);
            self.preview.asked = None;
        }
        self.models.pool = pool;
        self.pool_changed();
        self.ask_models();
    }

    fn forget_failed(&mut self, id: u64, split: Split) {
        if matches!(self.answers.fetched.get(&(id, split)), Some(FetchedAnswers::Failed(_))) {
            self.answers.fetched.remove(&(id, split));
        }
    }

    fn boundary(&mut self, session: &str) {
        if let Some(run) = self.run.as_mut().filter(|r| r.state.name == session) {
            run.caught_up = true;
        }
    }

    fn live(&mut self, session: Option<&str>, live: Live) {
        match live {
            Live::TryToken { request, question, text } => self.preview.token(request, question, &text),
            Live::Log { level, text, at_ms } => {
                // A warning is also shown as a notice, unless another notice is shown already, or the warning is
                // about another session or older than this workbench. Such warnings are only in the log.
                let here = session.is_none_or(|s| Some(s) == self.session()) && at_ms >= self.since_ms;
                let matters = self.log.add_of(session, at_ms, &level, &text);
                if matters && here && self.notice.is_none() {
                    self.notice = Some(Notice { text, bad: level == "error" });
                }
            }
            Live::Headway(headway) if session.is_none_or(|s| Some(s) == self.session()) => {
                self.take_headway(headway);
            }
            Live::Halted { reason, killed } if session == self.session() => {
                self.complain(messages::run_halted(&reason));
                if let Some(run) = &mut self.run {
                    run.live(Live::Halted { reason, killed });
                }
            }
            Live::Runs { pid } if session == self.session() => {
                if let Some(run) = &mut self.run {
                    let halted = run.halted;
                    run.live(Live::Runs { pid });
                    if halted {
                        let name = run.state.name.clone();
                        self.say(messages::run_taken_up(&name, pid));
                    }
                }
            }
            live => {
                if let Some(run) = self.run.as_mut()
                    && session.is_none_or(|s| s == run.state.name)
                {
                    run.live(live);
                }
            }
        }
    }

    /// Takes in how far long work has come.
    fn take_headway(&mut self, headway: Headway) {
        let place = self.headway.iter().position(|known| known.what == headway.what);
        match (place, headway.ended()) {
            (Some(at), true) => {
                self.headway.remove(at);
            }
            (Some(at), false) => self.headway[at] = headway,
            (None, true) => {}
            (None, false) => self.headway.push(headway),
        }
    }

    /// Updates the editor's grid after the picked models changed.
    pub(super) fn pool_changed(&mut self) {
        let mut layers = self.models.layers();
        if layers == 0
            && let Some(run) = &self.run
            && pool_of(&run.state.config) == self.models.pool
        {
            // This machine's list lacks the base, but the session has recorded its depth.
            layers = run.state.layers;
        }
        if layers > 0 {
            let pool = self.models.pool.clone();
            self.editor.set_pool(&pool.base, &pool.sources, layers);
        }
    }
}
