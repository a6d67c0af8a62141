//! Keys of the Models pane, and what the engine says of models and their distances.

use crate::checkpoint::ModelSummary;
use crate::session::protocol::{Command, Reply};
use crate::workbench::action::Action;
use crate::workbench::app::{App, Link, Pane};
use crate::workbench::effect::Ask;
use crate::workbench::overlays::{Overlay, Prompt, Purpose};
use crate::workbench::pool::Apart;
use crate::workbench::words;

/// Models of more bytes than this together are measured only when asked for: it takes a while.
const MEASURED_UNASKED: u64 = 1 << 30;

impl App {
    pub(super) fn act_models(&mut self, action: Action) {
        match action {
            Action::ToggleSource => {
                let outcome = self.models.toggle();
                self.tell(outcome);
                self.pool_changed();
            }
            Action::ChooseBase => {
                self.models.choose_base();
                self.pool_changed();
                self.ask_models();
            }
            Action::TakePool => {
                self.pool_changed();
                self.pane = Pane::Recipe;
            }
            Action::AddModel => {
                self.overlay = Some(Overlay::Prompt(Prompt::new(Purpose::AddModel, String::new())));
            }
            Action::Measure => self.measure(),
            _ => self.ask_models(),
        }
    }

    /// Asks for the models of this machine, and again for those that were named by hand.
    pub(in crate::workbench) fn ask_models(&mut self) {
        let base = Some(self.models.pool.base.clone());
        self.ask(Ask::Models, Command::Models { base: base.clone() });
        for reference in self.models.added.clone() {
            let ask = Ask::Model(reference.clone());
            self.ask(ask, Command::Model { reference, base: base.clone() });
        }
    }

    /// Asks for a model by its folder or its name on the hub.
    pub(super) fn add_model(&mut self, name: &str) {
        let reference = name.trim().to_owned();
        self.say(words::adding(&reference));
        let base = Some(self.models.pool.base.clone());
        self.ask(Ask::Model(reference.clone()), Command::Model { reference, base });
    }

    /// A model that was asked for by name.
    pub(in crate::workbench) fn model_added(&mut self, name: &str, list: Vec<ModelSummary>) {
        let Some(model) = list.into_iter().next() else { return };
        let new = !self.models.added.iter().any(|n| n == name);
        if new {
            self.models.added.push(name.to_owned());
            self.say(words::added(name));
        }
        self.models.take_in(model, new);
        self.pool_changed();
    }

    fn measure(&mut self) {
        let pool = self.models.pool.clone();
        if pool.sources.is_empty() {
            return self.complain(words::needs_a_source());
        }
        self.models.apart = Apart::Asked(pool.clone());
        let command = Command::Distances { base: pool.base.clone(), sources: pool.sources.clone() };
        self.ask(Ask::Distances { base: pool.base, sources: pool.sources }, command);
    }

    /// Asks for the distances of the picked models once they are known and small enough.
    pub(in crate::workbench) fn want_distances(&mut self) {
        let pool = &self.models.pool;
        let connected = matches!(self.link, Link::Connected { .. });
        let due = connected && self.pane == Pane::Models && self.replay.is_none();
        if !due || self.models.apart.pool() == Some(pool) || pool.sources.is_empty() {
            return;
        }
        let size = |name: &String| self.models.all().iter().find(|m| m.reference == *name).map(|m| m.bytes);
        let sizes: Option<Vec<u64>> = pool.sources.iter().chain([&pool.base]).map(size).collect();
        if sizes.is_some_and(|s| s.iter().sum::<u64>() <= MEASURED_UNASKED) {
            self.measure();
        }
    }

    /// The distances are here, or can't be had.
    pub(in crate::workbench) fn measured(&mut self, base: String, sources: Vec<String>, reply: Reply) {
        let pool = crate::workbench::config::Pool { base, sources };
        if self.models.apart.pool() != Some(&pool) {
            return;
        }
        self.models.apart = match reply {
            Reply::Distances(found) => Apart::Known(pool, Box::new(found)),
            Reply::Error(why) => Apart::Failed(pool, why),
            _ => return,
        };
    }
}
