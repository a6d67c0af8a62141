//! The run as a state machine over the journal. Stored events come in through [`Evolution::apply`]; [`Evolution::step`]
//! returns the next event to store or the next candidate to measure. The engine's running session calls both. A resumed
//! run applies all past events and then continues exactly as the uninterrupted run would have.
//!
//! The order: first the baselines. The base, each source and the uniform merge answer training and held-out questions;
//! the grid of global weights answers training questions, and its best also the held-out ones. Then the generations,
//! each followed by the held-out score of the best so far if it changed. Then the mean of the search distribution on
//! both splits, and the end. A hand-made recipe is evaluated next, whenever it comes.
//!
//! The budget counts fitness evaluations of the search and of hand-made recipes. The last generation proposes only as
//! many candidates as the budget leaves. A candidate of such a cut generation can win, but the optimiser learns nothing
//! from the generation. Recipes injected while it runs are evaluated beyond the budget.
//!
//! In a session of several stages, each stage begins after the previous stage's mean, with its own space and optimiser.
//! All measurements are kept, and the session's best is the best of all stages.
//!
//! The final recipe is the best candidate or the mean, whichever has the higher fitness on the *training* questions.
//! Held-out scores choose nothing.

mod baselines;
mod ending;
mod estimate;
mod events;
mod life;
mod propose;
mod racing;
mod stages;
#[cfg(test)]
mod tests;

pub use events::created;
pub use life::{checked_overlap, objectives, overlap, warm_start};
pub use propose::{check_spaces, first_proposals, population};

use super::config::Config;
use super::protocol::{Candidate, CandidateId, Event, Origin, Record, Split, Status, VERSION};
use super::state::{Entry, SessionState};
use crate::error::BadInput;
use crate::search::{AnySpace, Genome, Optimiser};
use estimate::Learnt;
use propose::close;

/// A run: its config, and the state after its events so far.
pub struct Evolution {
    /// The config of the current stage, and that of the whole session.
    config: Config,
    whole: Config,
    space: AnySpace,
    optimiser: Option<Optimiser>,
    state: SessionState,
    /// The generation that the optimiser has proposed but that is not stored yet.
    asked: Option<Vec<Genome>>,
    /// Hand-made recipes with their objectives, for the optimiser's next ranking.
    injected: Vec<(Genome, Vec<f64>)>,
    /// Measured candidates of a generation that the budget cut short; an extension of the session completes it.
    part: Vec<CandidateId>,
    /// The genome that the search begins at, if the journal names one.
    begin: Vec<f64>,
    /// Version of the search that proposed the journal's candidates.
    made_by: u32,
    /// What the estimator has learnt for the current generation.
    learnt: Option<Learnt>,
}

/// The next step of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Store this event.
    Record(Event),
    /// Measure this candidate, then store [`Evolution::measured`].
    Evaluate(Work),
    /// The session is paused or stopped: nothing to do until it is resumed.
    Wait,
    /// The session has finished.
    Done,
}

/// A candidate to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub kind: WorkKind,
    pub candidate: Candidate,
    pub splits: Vec<Split>,
    /// The training questions to answer; `None` for all of them.
    pub questions: Option<Vec<usize>>,
}

/// The kind of event that the scores are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    Baseline,
    Fitness,
    /// A block of the training questions.
    Block,
    HeldOut,
}

impl Evolution {
    /// A run rebuilt from its events; the first is [`Event::Created`].
    ///
    /// # Errors
    /// The first event is of another kind, its config can't be read, or this version's search does not give these
    /// events.
    pub fn replay(records: &[Record]) -> anyhow::Result<Self> {
        let Some(Record {
            event: Event::Created { version, name, config: text, layers, search, begin, .. },
            ..
        }) = records.first()
        else {
            return Err(BadInput::error(
                "the journal does not begin with the session's creation: copy it back from a backup, or delete the \
                 session's folder",
            ));
        };
        if *version > VERSION {
            return Err(BadInput::error("the session was made by a newer Yosegi: update yosegi"));
        }
        let whole = Config::parse(text, &format!("config of session `{name}`"))?;
        let config = whole.at_stage(0);
        let space = config.any_space(*layers)?;
        let mut run = Self {
            config,
            whole,
            space,
            optimiser: None,
            state: SessionState::default(),
            asked: None,
            injected: Vec::new(),
            part: Vec::new(),
            begin: begin.as_ref().map(|b| b.start.clone()).unwrap_or_default(),
            made_by: *search,
            learnt: None,
        };
        for record in records {
            run.apply(record)?;
        }
        Ok(run)
    }

    /// The session's state after the events so far.
    #[must_use]
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The config of the current stage.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Applies an event that has been stored.
    ///
    /// # Errors
    /// The event can't follow here.
    pub fn apply(&mut self, record: &Record) -> anyhow::Result<()> {
        if let Event::GenerationStarted { generation, candidates, .. } = &record.event {
            let asked = self.ask()?;
            let same = asked.iter().zip(candidates).all(|(genome, c)| close(&genome.0, &c.genome));
            if !same || candidates.len() > asked.len() {
                return Err(BadInput::error(format!(
                    "generation {generation} of session `{}` was proposed by another version of the search \
                     ({}, this one is {}): it can be read and reported, but not resumed",
                    self.state.name,
                    self.made_by,
                    crate::search::VERSION,
                )));
            }
            self.asked = None;
        }
        self.state.apply(record);
        match &record.event {
            Event::Evaluated { id, .. } => self.inject_evaluated(*id),
            Event::GenerationFinished { .. } => self.tell(),
            Event::StageStarted { .. } => self.enter_stage()?,
            _ => {}
        }
        Ok(())
    }

    /// The next step, from all events so far.
    ///
    /// # Errors
    /// The optimiser fails.
    pub fn step(&mut self) -> anyhow::Result<Next> {
        match self.state.status {
            Status::Finished => return Ok(Next::Done),
            Status::Paused | Status::Stopped => return Ok(Next::Wait),
            Status::New | Status::Running => {}
        }
        if let Some(entry) = self.waiting(Origin::Hand) {
            return Ok(if self.races(Origin::Hand) {
                self.whole_by_hand(entry)
            } else {
                fitness_work(entry)
            });
        }
        if let Some(work) = self.baseline() {
            return Ok(Next::Evaluate(work));
        }
        if let Some(work) = self.best_of(Origin::Grid).and_then(|id| self.held_out(id)) {
            return Ok(work);
        }
        if self.state.ended.is_some() {
            return self.ending();
        }
        if let Some(reason) = self.limit() {
            return Ok(Next::Record(Event::Ended { reason }));
        }
        if let Some(next) = self.race() {
            return Ok(next);
        }
        if let Some(generation) = self.state.generations.last() {
            if let Some(entry) = self.waiting(Origin::Search) {
                return Ok(fitness_work(entry));
            }
            if !generation.complete {
                return Ok(Next::Record(self.generation_finished()));
            }
            if let Some(work) = self.state.best.and_then(|id| self.held_out(id)) {
                return Ok(work);
            }
        }
        if self.state.evaluations < self.stage_budget() {
            return Ok(Next::Record(self.generation_started()?));
        }
        self.ending()
    }

    /// The first candidate of an origin that has no outcome yet.
    fn waiting(&self, origin: Origin) -> Option<&Entry> {
        let mut open = self.state.entries.iter().rev().take_while(|e| {
            // Older candidates than the last generation's are done, except hand-made ones.
            origin == Origin::Hand || e.generation.is_none_or(|g| g + 1 >= self.generation())
        });
        let mut first = None;
        for entry in open.by_ref() {
            if entry.candidate.origin == origin && entry.outcome.is_none() {
                first = Some(entry);
            }
        }
        first
    }

    /// The number of generations begun so far.
    fn generation(&self) -> u64 {
        self.state.generations.len() as u64
    }

    fn next_id(&self) -> CandidateId {
        self.state.entries.len() as CandidateId
    }

    fn fitness(&self, id: CandidateId) -> f64 {
        self.state.entry(id).and_then(Entry::train).map_or(f64::NAN, |s| s.fitness)
    }

    /// The entry of an origin with the highest training fitness; of equal ones the first.
    fn best_of(&self, origin: Origin) -> Option<CandidateId> {
        let mut best: Option<(f64, CandidateId)> = None;
        for entry in self.state.entries.iter().filter(|e| e.candidate.origin == origin) {
            if let Some(score) = entry.train()
                && best.is_none_or(|(fitness, _)| score.fitness > fitness)
            {
                best = Some((score.fitness, entry.candidate.id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// The work of measuring a candidate on the held-out questions, if it has not answered them.
    fn held_out(&self, id: CandidateId) -> Option<Next> {
        let entry = self.state.entry(id).filter(|e| e.test.is_none())?;
        let candidate = entry.candidate.clone();
        Some(Next::Evaluate(Work {
            kind: WorkKind::HeldOut,
            candidate,
            splits: vec![Split::Test],
            questions: None,
        }))
    }
}

fn fitness_work(entry: &Entry) -> Next {
    let candidate = entry.candidate.clone();
    Next::Evaluate(Work { kind: WorkKind::Fitness, candidate, splits: vec![Split::Train], questions: None })
}
