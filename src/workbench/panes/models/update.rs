//! Carries out the actions of the Models pane, and takes in the engine's replies about models and their distances.
//!
//! `update/mod.rs` calls it with an action, `receive.rs` with a reply.

use std::path::Path;

use crate::checkpoint::ModelSummary;
use crate::recipe::model_paths::absolute;
use crate::session::protocol::{Command, Reply};
use crate::workbench::action::ModelsAction;
use crate::workbench::app::{App, Link, Pane};
use crate::workbench::effect::Ask;
use crate::workbench::messages;
use crate::workbench::overlays::Purpose;
use crate::workbench::panes::models::state::PoolDistances;

/// Distances are measured automatically if the models together have at most this many bytes.
const MEASURED_UNASKED: u64 = 1 << 30;

impl App {
    /// Carries out an action of this pane.
    pub(in crate::workbench) fn act_models(&mut self, action: ModelsAction) {
        match action {
            ModelsAction::ToggleSource => {
                let outcome = self.models.toggle();
                self.tell(outcome);
                self.pool_changed();
            }
            ModelsAction::ChooseBase => {
                self.models.choose_base();
                self.pool_changed();
                self.ask_models();
            }
            ModelsAction::TakePool => {
                self.pool_changed();
                self.pane = Pane::Recipe;
            }
            ModelsAction::AddModel => {
                self.prompt(Purpose::AddModel, String::new());
            }
            ModelsAction::Measure => self.measure(),
            ModelsAction::Rescan => self.ask_models(),
        }
    }

    /// Requests the list of this machine's models.
    pub(in crate::workbench) fn ask_models(&mut self) {
        let base = Some(self.models.pool.base.clone());
        self.models.asked_for = None;
        self.ask(Ask::Models, Command::Models { base });
    }

    /// Requests models that must be listed but that this machine's list lacks: those that the user named, the picked
    /// ones, and the session's. Nothing is downloaded.
    pub(in crate::workbench) fn ask_listed(&mut self) {
        let Some(list) = &self.models.list else { return };
        let base = self.models.pool.base.clone();
        let fits_this = self.models.asked_for.as_ref() == Some(&base);
        let known = |name: &str| list.iter().any(|m| m.reference == name);
        let outside =
            |name: &&str| !known(name) || !fits_this && self.models.outside.iter().any(|o| o == name);
        let missing: Vec<String> =
            self.models.named().into_iter().filter(outside).map(str::to_owned).collect();
        self.models.asked_for = Some(base.clone());
        for reference in missing {
            if !self.models.outside.contains(&reference) {
                self.models.outside.push(reference.clone());
            }
            self.ask(Ask::Listed, Command::Model { reference, base: Some(base.clone()), here: true });
        }
    }

    /// Requests a model by its folder or its name on the hub.
    pub(in crate::workbench) fn add_model(&mut self, name: &str) {
        let reference = from_here(name.trim());
        self.say(messages::adding(&reference));
        let base = Some(self.models.pool.base.clone());
        self.ask(Ask::Model(reference.clone()), Command::Model { reference, base, here: false });
    }

    /// Takes in a model that was requested by name.
    pub(in crate::workbench) fn model_added(&mut self, name: &str, list: Vec<ModelSummary>) {
        let Some(model) = list.into_iter().next() else { return };
        let new = !self.models.added.iter().any(|n| n == name);
        if new {
            self.models.added.push(name.to_owned());
        }
        self.say(messages::added(name));
        if !self.models.outside.iter().any(|n| n == name) {
            self.models.outside.push(name.to_owned());
        }
        self.models.take_in(model, new);
        self.pool_changed();
    }

    /// Takes in an error about a model that was requested by name. The prompt opens again with the name.
    pub(in crate::workbench) fn not_added(&mut self, name: &str, why: String) {
        self.ask_again(Purpose::AddModel, name);
        self.complain(why);
    }

    /// Takes in a model that [`App::ask_listed`] requested.
    pub(in crate::workbench) fn model_listed(&mut self, list: Vec<ModelSummary>) {
        let Some(model) = list.into_iter().next() else { return };
        self.models.take_in(model, false);
        self.pool_changed();
    }

    /// Requests the distances of the picked sources from the base.
    fn measure(&mut self) {
        let pool = self.models.pool.clone();
        if pool.sources.is_empty() {
            return self.complain(messages::needs_a_source());
        }
        self.models.distances = PoolDistances::Asked(pool.clone());
        let command = Command::Distances { base: pool.base.clone(), sources: pool.sources.clone() };
        self.ask(Ask::Distances { base: pool.base, sources: pool.sources }, command);
    }

    /// Requests the distances of the picked models once the models are known, if they are small enough.
    pub(in crate::workbench) fn want_distances(&mut self) {
        let pool = &self.models.pool;
        let connected = matches!(self.link, Link::Connected { .. });
        let due = connected && self.pane == Pane::Models && self.replay.is_none();
        if !due || self.models.distances.pool() == Some(pool) || pool.sources.is_empty() {
            return;
        }
        let size = |name: &String| self.models.all().iter().find(|m| m.reference == *name).map(|m| m.bytes);
        let sizes: Option<Vec<u64>> = pool.sources.iter().chain([&pool.base]).map(size).collect();
        if sizes.is_some_and(|s| s.iter().sum::<u64>() <= MEASURED_UNASKED) {
            self.measure();
        }
    }

    /// Takes in the distances, or the error.
    pub(in crate::workbench) fn measured(&mut self, base: String, sources: Vec<String>, reply: Reply) {
        let pool = crate::workbench::config::Pool { base, sources };
        if self.models.distances.pool() != Some(&pool) {
            return;
        }
        self.models.distances = match reply {
            Reply::Distances(found) => PoolDistances::Known(pool, Box::new(found)),
            Reply::Error(why) => PoolDistances::Failed(pool, why),
            _ => return,
        };
    }
}

/// Makes a relative path absolute, also that of an adapter, since the engine may have been started in another
/// folder. Other names are returned unchanged.
fn from_here(name: &str) -> String {
    let path = Path::new(name);
    let folder = path.is_relative() && (name.starts_with('.') || path.is_dir());
    if let Some(path) = folder.then(|| std::path::absolute(path).ok()).flatten() {
        return path.display().to_string();
    }
    // A model and its adapter each have a path.
    let here = std::env::current_dir().ok();
    here.and_then(|here| absolute(name, &here)).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::from_here;

    #[test]
    fn a_folder_is_named_from_where_one_stands() {
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(from_here("src"), format!("{here}/src"));
        assert_eq!(from_here("./nothing-here"), format!("{here}/nothing-here"));
        assert_eq!(from_here("src+tests"), format!("{here}/src+{here}/tests"));
        assert_eq!(from_here("zoo:ja+tests"), format!("zoo:ja+{here}/tests"));
        for as_it_is in ["zoo:ja", "org/name", "org/name@rev", "/models/mine"] {
            assert_eq!(from_here(as_it_is), as_it_is);
        }
    }
}
