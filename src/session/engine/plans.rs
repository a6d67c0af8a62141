//! Plans of sessions: a client's request comes in, a job for the worker goes out, then the plan. If candidates are to be
//! timed, a second job follows the first. The dispatcher calls it.

use super::dispatcher::Dispatcher;
use super::jobs::{PendingJob, PlanRequest, Purpose};
use super::requests::error_reply;
use crate::evaluate::StoredQuestion;
use crate::evaluate::plan::{SetupPlan, Timed};
use crate::session::config::Config;
use crate::session::job::Job;
use crate::session::plan::RunPlan;
use crate::session::protocol::Reply;

impl Dispatcher {
    /// Queues the plan of a config. A newer request of a client replaces an older one.
    pub(super) fn plan(&mut self, connection: u64, request: u64, text: &str, measure: bool) {
        self.supersede_plans(connection);
        // A plan opens models, which would push those of a running session out of memory.
        match self.must_be_free().and_then(|()| Config::parse(text, "the config")) {
            Ok(config) => {
                let job = Job::Plan { id: 0, setup: config.setup(), merge: Box::new(config.typical_merge()) };
                let asked = PlanRequest { connection, request, config, measure, plan: None };
                self.plans.push_back(PendingJob::new(job, Purpose::Plan(Box::new(asked))));
            }
            Err(why) => self.reply(connection, request, error_reply(&why)),
        }
    }

    /// Drops the plans that a client asked for and tells it so.
    pub(super) fn supersede_plans(&mut self, of: u64) {
        for old in self.drop_plans(of) {
            self.reply(of, old, Reply::Superseded);
        }
    }

    /// Drops the plans that a client asked for and returns the numbers of the requests.
    pub(super) fn drop_plans(&mut self, of: u64) -> Vec<u64> {
        let mut dropped = Vec::new();
        self.plans.retain(|pending| match &pending.purpose {
            Purpose::Plan(asked) if asked.connection == of => {
                dropped.push(asked.request);
                false
            }
            _ => true,
        });
        if let Some(pending) = &self.running_job
            && let Purpose::Plan(asked) = &pending.purpose
            && asked.connection == of
            && !pending.cancelled
        {
            dropped.push(asked.request);
            self.cancel_running_job();
        }
        dropped
    }

    /// The worker has opened the models and the tasks of a plan.
    pub(super) fn planned(&mut self, found: SetupPlan, questions: &[StoredQuestion]) {
        let Some(asked) = self.plan_in_work() else { return };
        self.device.clone_from(&found.device);
        let made = RunPlan::new(&self.home, &asked.config, found, questions);
        let next = made.and_then(|plan| {
            if !asked.measure {
                return Ok((plan, None));
            }
            let request = plan.to_measure(&asked.config, None)?;
            Ok((plan, Some(request)))
        });
        match next {
            Ok((plan, None)) => self.reply(asked.connection, asked.request, Reply::Plan(Box::new(plan))),
            Ok((plan, Some(request))) => {
                let job = Job::Measure { id: 0, setup: asked.config.setup(), request };
                let asked = PlanRequest { plan: Some(plan), ..*asked };
                self.plans.push_front(PendingJob::new(job, Purpose::Plan(Box::new(asked))));
            }
            Err(why) => self.reply(asked.connection, asked.request, error_reply(&why)),
        }
    }

    /// The worker has timed the candidates of a plan.
    pub(super) fn timed(&mut self, timed: &[Timed]) {
        let Some(asked) = self.plan_in_work() else { return };
        if let Some(plan) = asked.plan {
            let plan = plan.with_times(&self.home, timed);
            self.reply(asked.connection, asked.request, Reply::Plan(Box::new(plan)));
        }
    }

    /// Takes the plan that the worker has done a job for, unless it is no longer wanted.
    fn plan_in_work(&mut self) -> Option<Box<PlanRequest>> {
        match self.running_job.take()? {
            PendingJob { purpose: Purpose::Plan(asked), cancelled: false, .. } => Some(asked),
            _ => None,
        }
    }
}
