//! Starts a session: decides which config `s` starts, and with which models.
//!
//! The action calls it; while a session runs, a question is asked first. `yosegi evolve CONFIG` calls it at start-up.

use crate::session::protocol::{Command, Status};
use crate::workbench::app::{App, Link};
use crate::workbench::config::StartConfig;
use crate::workbench::effect::Ask;
use crate::workbench::messages;
use crate::workbench::overlays::{Confirm, Does, Overlay};

impl App {
    /// Starts a session. If one is running already, asks first.
    pub(super) fn start_asked(&mut self) {
        let running = self.run.as_ref().filter(|r| r.status() == Status::Running);
        if let Some(run) = running {
            let question = messages::start_beside(&run.state.name);
            self.overlay = Some(Overlay::Confirm(Confirm::new(question, Does::Start)));
        } else {
            self.start();
        }
    }

    /// Asks the engine to start the config with the picked models.
    pub(in crate::workbench) fn start(&mut self) {
        if !matches!(self.link, Link::Connected { .. }) {
            self.complain(messages::engine_not_yet());
            return;
        }
        let next = self.next_config();
        let config = next.with_pool(&self.models.pool);
        self.ask(Ask::Start, Command::Start { config, name: next.name });
        self.say(messages::starting(&next.title));
    }

    /// The config to start next: that of the session on the screen, else the one from the command line.
    #[must_use]
    pub fn next_config(&self) -> StartConfig {
        match &self.run {
            Some(run) if !run.state.config.is_empty() => {
                StartConfig::of_session(&run.state.name, &run.state.config)
            }
            _ => self.config.clone(),
        }
    }
}
