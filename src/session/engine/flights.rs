//! The jobs that clients' requests turn into.

use super::active;
use super::hub::{Flight, Hub, Purpose, Start};
use crate::evaluate::{Ask, EvalSetup, Target, TaskSpec};
use crate::session::job::Job;

impl Hub {
    /// A job for a request to try something now.
    pub(super) fn try_flight(&self, line: u64, request: u64, command: TryCommand) -> Flight {
        let TryCommand { target, task, ask } = command;
        let label = match &target {
            Target::Model(model) => model.clone(),
            Target::Recipe(_) => "by hand".to_owned(),
        };
        // The models that the running session has open serve any recipe over some of them; without one
        // the recipe's own do.
        let setup = match &self.active {
            Some(active) => {
                let open = active.setup();
                let earlier = open.earlier && open.tasks.first().is_some_and(|open| open.task == task);
                EvalSetup { tasks: vec![TaskSpec::whole(&task)], earlier, ..open }
            }
            None => EvalSetup::of_tasks(vec![TaskSpec::whole(&task)], "auto", 0),
        };
        let (watch, ask) = (ask.questions.clone(), vec![ask]);
        let job = Job::Run { id: 0, setup, watch, target, ask };
        Flight { job, purpose: Purpose::Try { line, request, label }, dropped: false, failures: 0 }
    }

    /// A job that opens a session's models and tasks.
    pub(super) fn start_flight(start: Box<Start>) -> Flight {
        let job = Job::Open { id: 0, setup: active::setup(&start.config), known: start.known.clone() };
        Flight { job, purpose: Purpose::Start(start), dropped: false, failures: 0 }
    }
}

/// What a `Try` asks for.
pub struct TryCommand {
    pub target: Target,
    pub task: String,
    pub ask: Ask,
}
