//! Jobs for the worker, each with its purpose. Requests of clients and steps of the running session come in; the
//! dispatcher gives the jobs to the worker one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::active_session::ActiveSession;
use crate::checkpoint::Fingerprint;
use crate::evaluate::{EvalSetup, SplitQuestions, Target, TaskSpec};
use crate::session::config::Config;
use crate::session::evolve::Work;
use crate::session::job::Job;
use crate::session::plan::RunPlan;

/// A job that waits for the worker or that the worker is doing.
pub struct PendingJob {
    pub job: Job,
    pub purpose: Purpose,
    /// The result is no longer wanted.
    pub cancelled: bool,
    /// How often it has failed.
    pub failures: u32,
}

/// The purpose of a job.
pub enum Purpose {
    /// A client's `Try`.
    Try { connection: u64, request: u64, label: String },
    /// Planning a session.
    Plan(Box<PlanRequest>),
    /// Opening the models and the tasks of a session.
    Open(Box<SessionToOpen>),
    /// Measuring a candidate of the running session.
    Work(Work),
}

/// A session whose models and tasks are to be opened, and the client that asked for it.
pub struct SessionToOpen {
    pub connection: u64,
    pub request: u64,
    /// The config's text, and the config read from it.
    pub text: String,
    pub config: Config,
    /// The requested name; without one a new name is made from the config's.
    pub name: Option<String>,
    /// The session has a journal and is resumed.
    pub resume: bool,
    /// The session has finished and is extended to this many evaluations.
    pub extend: Option<u64>,
    /// Fingerprints of the session's files, from its journal.
    pub known: Vec<Fingerprint>,
}

/// A session to plan, and the client that asked for it.
pub struct PlanRequest {
    pub connection: u64,
    pub request: u64,
    pub config: Config,
    /// Candidates are timed for it.
    pub measure: bool,
    /// The plan so far, while candidates are timed.
    pub plan: Option<RunPlan>,
}

/// The content of a `Try` request.
pub struct TryRequest {
    pub target: Target,
    pub task: String,
    pub ask: SplitQuestions,
}

/// A try that runs in another process; dropping it cancels the try.
pub struct ForwardedTry {
    pub request: u64,
    given_up: Arc<AtomicBool>,
}

impl PendingJob {
    /// A job that has not been given out before.
    pub fn new(job: Job, purpose: Purpose) -> Self {
        Self { job, purpose, cancelled: false, failures: 0 }
    }

    /// A job that answers a client's `Try`. It uses the models that the running session has open; without a session,
    /// the models of the recipe.
    /// those of the recipe.
    pub fn try_now(active: Option<&ActiveSession>, connection: u64, request: u64, asked: TryRequest) -> Self {
        let TryRequest { target, task, ask } = asked;
        let label = match &target {
            Target::Model(model) => model.clone(),
            Target::Recipe(_) => "by hand".to_owned(),
        };
        let setup = match active {
            Some(active) => {
                let open = active.setup();
                let earlier = open.earlier && open.tasks.first().is_some_and(|open| open.task == task);
                EvalSetup { tasks: vec![TaskSpec::whole(&task)], earlier, ..open }
            }
            None => EvalSetup::of_tasks(vec![TaskSpec::whole(&task)], "auto", 0),
        };
        let (watch, ask) = (ask.questions.clone(), vec![ask]);
        let job = Job::Run { id: 0, setup, watch, target, ask };
        Self::new(job, Purpose::Try { connection, request, label })
    }

    /// A job that opens a session's models and tasks.
    pub fn open(session: SessionToOpen) -> Self {
        let setup = session.config.setup();
        let job = Job::Open { id: 0, setup, known: session.known.clone() };
        Self::new(job, Purpose::Open(Box::new(session)))
    }
}

impl ForwardedTry {
    /// A try under the number of the client's request, and the flag that says whether the try has been cancelled.
    pub fn new(request: u64) -> (Self, Arc<AtomicBool>) {
        let given_up = Arc::new(AtomicBool::new(false));
        (Self { request, given_up: Arc::clone(&given_up) }, given_up)
    }
}

impl Drop for ForwardedTry {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::SeqCst);
    }
}
