//! The workbench's state: what it knows and shows, and the work that it requests from outside ([`Effect`]).
//!
//! Keys ([`super::update`], the panes' `update.rs`) and the engine's messages ([`super::receive`]) change it through
//! their own `impl App` blocks. Panes and overlays read it to draw. It uses no file that is built on top of it.

mod pane;

use std::collections::HashMap;

pub use pane::Pane;

use super::action::keymap::Keymap;
use super::config::StartConfig;
use super::editor::Editor;
use super::effect::{Ask, Effect};
use super::files::desk::Desks;
use super::log::Log;
use super::overlays::{Overlay, Purpose};
use super::panes::answers::state::AnswersView;
use super::panes::evolve::state::Run;
use super::panes::models::state::Models;
use super::panes::recipe::state::Preview;
use super::pictures::Pictures;
use super::replay::PlaybackState;
use super::theme::Theme;
use crate::progress::Headway;
use crate::session::protocol::{CandidateId, Command, SessionRow};

/// The connection to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The engine is being found or started.
    Connecting,
    Connected {
        device: String,
    },
    /// The connection is lost, with the reason.
    Lost(String),
}

/// A sentence for the user, shown until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub bad: bool,
}

/// Everything that the screen shows, and the effects that wait to be carried out.
pub struct App {
    pub theme: Theme,
    pub keys: Keymap,
    pub pane: Pane,
    pub overlay: Option<Overlay>,
    pub notice: Option<Notice>,
    pub link: Link,
    /// The config that `s` starts if no session is shown.
    pub config: StartConfig,
    pub models: Models,
    pub editor: Editor,
    pub preview: Preview,
    /// The session that is shown.
    pub run: Option<Run>,
    /// All sessions of this home.
    pub sessions: Vec<SessionRow>,
    /// The candidate that keys act on in Evolve; the best when `None`.
    pub candidate: Option<CandidateId>,
    pub answers: AnswersView,
    /// The questions' pictures that are ready to be shown.
    pub pictures: Pictures,
    /// Long work of the engine that has not ended, in the order of its begin.
    pub headway: Vec<Headway>,
    /// The engine's log lines, and faults in the user's key file.
    pub log: Log,
    /// Whether the workbench, not the terminal, handles the mouse.
    pub mouse: bool,
    /// The recipe to inject into the session that is starting.
    pub begin_with: Option<Box<crate::recipe::Recipe>>,
    /// Requests to the engine that are not answered yet, by request number.
    pub asked: HashMap<u64, Ask>,
    /// The effects that the event loop must carry out, oldest first.
    pub effects: Vec<Effect>,
    /// What the command line requested, until the engine has answered.
    pub startup: Startup,
    /// The workbench must close.
    pub quit: bool,
    /// Speed and length of the replay, while one plays.
    pub replay: Option<PlaybackState>,
    /// The hand work that is stored already.
    pub desks: Desks,
    /// Text that a prompt could not use. The next prompt with the same purpose starts with it.
    pub typed: HashMap<Purpose, String>,
    /// When the engine was found, in milliseconds since the Unix epoch. Earlier log lines are not shown as notices.
    pub since_ms: u64,
}

/// What the user requested on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// Show the running session, if there is one.
    #[default]
    ShowRunning,
    /// Open this session.
    Attach(String),
    /// Start the given config.
    Start,
}

impl App {
    /// The state at start-up, before the engine has answered.
    #[must_use]
    pub fn new(theme: Theme, config: StartConfig, startup: Startup) -> Self {
        let pool = config.pool();
        Self {
            theme,
            keys: Keymap::default(),
            pane: if startup == Startup::ShowRunning { Pane::Models } else { Pane::Evolve },
            overlay: None,
            notice: None,
            link: Link::Connecting,
            editor: Editor::new(&pool.base, &pool.sources, 0),
            preview: Preview::new(config.task(), config.watched()),
            models: Models::new(pool),
            config,
            run: None,
            sessions: Vec::new(),
            candidate: None,
            answers: AnswersView::default(),
            pictures: Pictures::default(),
            headway: Vec::new(),
            log: Log::default(),
            mouse: false,
            begin_with: None,
            asked: HashMap::new(),
            effects: Vec::new(),
            startup,
            quit: false,
            replay: None,
            desks: Desks::default(),
            typed: HashMap::new(),
            since_ms: 0,
        }
    }

    /// Shows a notice.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false });
    }

    /// Shows a notice about an error.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true });
    }

    /// If the result is an error, shows it as a notice.
    pub fn tell(&mut self, outcome: Result<(), String>) {
        if let Err(text) = outcome {
            self.complain(text);
        }
    }

    /// Queues a command for the engine, together with the purpose of its reply.
    pub fn ask(&mut self, ask: Ask, command: Command) {
        self.effects.push(Effect::Send(ask, command));
    }

    /// Records that a request has been sent under this number.
    pub fn sent(&mut self, id: u64, ask: Ask) {
        if let Ask::Try { .. } = ask {
            self.preview.begin(id);
        }
        self.asked.insert(id, ask);
    }

    /// Whether the engine does something for this workbench that it can give up.
    #[must_use]
    pub fn waits(&self) -> bool {
        let long = |ask: &Ask| {
            matches!(
                ask,
                Ask::Start
                    | Ask::Plan
                    | Ask::Model(_)
                    | Ask::Distances { .. }
                    | Ask::Try { .. }
                    | Ask::Order(_)
            )
        };
        self.asked.values().any(long)
    }

    /// Name of the session that is shown.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.run.as_ref().map(|r| r.state.name.as_str())
    }

    /// Requests what the state lacks: distances of the picked models, sample answers of a changed recipe,
    /// answers of the open columns. Called once before each frame, so that after several edits only the last
    /// recipe is requested.
    pub fn settle(&mut self) {
        self.keep_desks();
        if !matches!(self.link, Link::Connected { .. }) {
            return;
        }
        self.want_distances();
        self.want_preview();
        self.want_answers();
    }
}
