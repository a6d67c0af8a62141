//! Starts a session: decides which config `s` starts, with which models, and whether its plan is shown first.
//!
//! The action calls it; while a session runs, a question is asked first. `yosegi evolve CONFIG` calls it at start-up.

use crate::session::protocol::{Command, Reply, Status};
use crate::workbench::app::{App, Link};
use crate::workbench::config::{StartConfig, pool_of};
use crate::workbench::effect::Ask;
use crate::workbench::messages;
use crate::workbench::overlays::{Confirm, Does, Overlay, PlanView};

impl App {
    /// Starts a session. If one is running already, asks first.
    pub(super) fn start_asked(&mut self) {
        let running = self.run.as_ref().filter(|r| r.status() == Status::Running);
        if let Some(run) = running {
            let question = messages::start_beside(&run.state.name);
            self.overlay = Some(Overlay::Confirm(Confirm::new(question, Does::Start)));
        } else {
            self.start_or_plan();
        }
    }

    /// Asks the engine to start the config with the picked models.
    pub(in crate::workbench) fn start(&mut self) {
        if let Some(view) = self.next_plan() {
            self.begin(view);
        }
    }

    /// Starts the config with the picked models, or shows its plan first.
    pub(in crate::workbench) fn start_or_plan(&mut self) {
        if let Some(view) = self.next_plan() {
            self.begin_or_plan(view);
        }
    }

    /// Shows the plan of the session that would start.
    pub(super) fn show_plan(&mut self) {
        if let Some(view) = self.next_plan() {
            self.plan(view);
        }
    }

    /// The next session, if an engine can be asked for it.
    fn next_plan(&mut self) -> Option<PlanView> {
        if !matches!(self.link, Link::Connected { .. }) {
            self.complain(messages::engine_not_yet());
            return None;
        }
        let next = self.next_config();
        let config = next.with_pool(&self.models.pool);
        let starting = messages::starting(&next.title);
        Some(PlanView { title: next.title, ..self.plan_view(config, next.name, starting) })
    }

    /// A session that is about to start, without its plan.
    #[must_use]
    pub(in crate::workbench) fn plan_view(
        &self,
        config: String,
        name: Option<String>,
        starting: String,
    ) -> PlanView {
        PlanView {
            config,
            name,
            title: self.next_config().title,
            recipe: None,
            starting,
            plan: None,
            problem: None,
            measuring: false,
            down: 0,
        }
    }

    /// Starts a session of bundled models at once, since it takes next to nothing. Of any other the plan is shown first.
    pub(in crate::workbench) fn begin_or_plan(&mut self, view: PlanView) {
        let pool = pool_of(&view.config);
        let bundled = |model: &String| model.starts_with("zoo:") && !model.contains('+');
        if bundled(&pool.base) && pool.sources.iter().all(bundled) {
            self.begin(view);
        } else {
            self.plan(view);
        }
    }

    /// Starts the session.
    pub(in crate::workbench) fn begin(&mut self, view: PlanView) {
        self.begin_with = view.recipe;
        self.ask(Ask::Start, Command::Start { config: view.config, name: view.name });
        self.say(view.starting);
    }

    fn plan(&mut self, view: PlanView) {
        self.ask(Ask::Plan, Command::Plan { config: view.config.clone(), measure: false });
        self.overlay = Some(Overlay::Plan(Box::new(view)));
    }

    /// Asks for candidates to be timed, once the plan is there.
    pub(in crate::workbench) fn measure_plan(&mut self) {
        let Some(Overlay::Plan(view)) = &mut self.overlay else { return };
        if view.plan.is_none() || view.waits() {
            return;
        }
        (view.measuring, view.problem) = (true, None);
        let config = view.config.clone();
        self.ask(Ask::Plan, Command::Plan { config, measure: true });
    }

    /// The plan is closed: the engine need not go on with it.
    pub(in crate::workbench) fn drop_plan(&mut self, view: &PlanView) {
        if view.waits() {
            self.ask(Ask::Order(String::new()), Command::DropPlan);
        }
    }

    /// Takes in the plan that the engine made, or why it made none.
    pub(in crate::workbench) fn planned(&mut self, reply: Reply) {
        let Some(Overlay::Plan(view)) = &mut self.overlay else { return };
        match reply {
            Reply::Plan(plan) => (view.plan, view.problem) = (Some(plan), None),
            Reply::Error(why) => view.problem = Some(why),
            // A newer request is on its way.
            _ => return,
        }
        view.measuring = false;
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
