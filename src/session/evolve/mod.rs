//! The run as a state machine over the journal: [`Evolution::apply`] folds what happened,
//! [`Evolution::next`] says what follows. Nothing else decides anything, so a resumed run (all
//! past events applied, then on) goes exactly where the uninterrupted one would have gone.
//!
//! The order of things: baselines (base, each source, uniform merge, each on training and
//! held-out questions; the grid of global weights on training questions, the best of them held
//! out too); generations, each followed by the held-out score of the best so far if it changed;
//! the mean of the search distribution on both splits; the end. A hand-made recipe is evaluated
//! next, whenever it comes.
//!
//! The budget counts fitness evaluations of the search and of hand-made recipes. The last
//! generation proposes only as many candidates as the budget leaves; such a cut generation can
//! win, but the optimiser learns nothing from it. Recipes injected while it runs come on top.
//!
//! In a session of stages each begins, after the mean of the one before, with a space and an
//! optimiser of its own; what was measured stays, and the best of all stages is the best.
//!
//! The final recipe is the best candidate's or the mean's, whichever has the higher fitness on
//! the *training* questions; held-out scores choose nothing.

mod events;
mod life;
mod racing;
#[cfg(test)]
mod stage_tests;
mod stages;
#[cfg(test)]
mod tests;

use anyhow::{Context, bail};

pub use events::{Facts, created};
pub use life::{objectives, overlap, warm_start};

use super::config::{Config, Start};
use super::error::BadInput;
use super::protocol::{Candidate, CandidateId, Event, Origin, Record, Split, Status, Target, VERSION};
use super::state::{Entry, SessionState};
use crate::search::{AnySpace, Genome, Optimiser, Setup};

/// A run: its config and everything that follows from its events so far.
pub struct Evolution {
    /// The config of the stage at hand, and of the whole session.
    config: Config,
    whole: Config,
    space: AnySpace,
    optimiser: Option<Optimiser>,
    state: SessionState,
    /// A generation asked for and not yet stored.
    asked: Option<Vec<Genome>>,
    /// Hand-made recipes with their fitness that the optimiser has not been given yet.
    injected: Vec<(Genome, Vec<f64>)>,
    /// Candidates of the optimiser's generation that have been measured: those of one that the
    /// budget cut short and that an extension completes.
    part: Vec<CandidateId>,
    /// Where the search begins, if the journal says.
    begin: Vec<f64>,
    /// Version of the search that made it.
    made_by: u32,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Store this event.
    Record(Event),
    /// Measure this, then store [`Evolution::measured`].
    Evaluate(Work),
    /// Paused or stopped: nothing until it is resumed.
    Wait,
    /// Finished.
    Done,
}

/// Something to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub kind: WorkKind,
    pub candidate: Candidate,
    pub splits: Vec<Split>,
    /// The training questions to answer; all of them where it is left out.
    pub questions: Option<Vec<usize>>,
}

/// Which event its scores become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    Baseline,
    Fitness,
    /// A part of the training questions.
    Block,
    HeldOut,
}

fn optimiser(config: &Config, space: &AnySpace, start: &Genome) -> anyhow::Result<Optimiser> {
    let setup = Setup {
        kind: &config.search.algorithm,
        genes: space.genes(),
        binary: &space.binary(),
        active: space.active(),
        start,
        population: Some(config.search.population).filter(|&p| p > 0),
        seed: config.seed.wrapping_add(config.at as u64),
        options: config.search.options.clone(),
    };
    Optimiser::with(setup).map_err(|e| BadInput::error(format!("[search]: {e}")))
}

impl Evolution {
    /// A run rebuilt from its events; the first is [`Event::Created`].
    pub fn replay(records: &[Record]) -> anyhow::Result<Self> {
        let Some(Record {
            event: Event::Created { version, name, config: text, layers, search, begin, .. },
            ..
        }) = records.first()
        else {
            bail!("the journal does not begin with the session's creation");
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
        };
        for record in records {
            run.apply(record)?;
        }
        Ok(run)
    }

    /// The session as it stands.
    #[must_use]
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The session's config, as the stage at hand has it.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes in an event that has been stored.
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

    /// A hand-made recipe that is a point of the space takes part in the next ranking.
    fn inject_evaluated(&mut self, id: CandidateId) {
        let Some(entry) = self.state.entry(id) else { return };
        let by_hand = entry.candidate.origin == Origin::Hand && !entry.candidate.genome.is_empty();
        if let (true, Some(score)) = (by_hand, entry.train()) {
            let objectives = self.objectives(id, score.fitness);
            self.injected.push((Genome(entry.candidate.genome.clone()), objectives));
        }
    }

    /// The optimiser learns a whole generation's fitness.
    fn tell(&mut self) {
        let Some(generation) = self.state.generations.last() else { return };
        self.part.extend_from_slice(&generation.candidates);
        let fitness = self.told(&self.part);
        let rows: Vec<Vec<f64>> =
            self.part.iter().zip(&fitness).map(|(&id, &fitness)| self.objectives(id, fitness)).collect();
        if let Some(optimiser) = &mut self.optimiser
            && fitness.len() == optimiser.population()
        {
            self.part.clear();
            for (genome, objectives) in self.injected.drain(..) {
                optimiser.inject(&genome, &objectives);
            }
            optimiser.tell_all(&rows);
        }
    }

    fn fitness(&self, id: CandidateId) -> f64 {
        self.state.entry(id).and_then(Entry::train).map_or(f64::NAN, |s| s.fitness)
    }

    /// The next generation's genomes; asked again, the same ones.
    fn ask(&mut self) -> anyhow::Result<Vec<Genome>> {
        if let Some(asked) = &self.asked {
            return Ok(asked.clone());
        }
        if self.optimiser.is_none() {
            self.optimiser = Some(optimiser(&self.config, &self.space, &self.start())?);
        }
        let optimiser = self.optimiser.as_mut().context("an optimiser was just made")?;
        let asked = optimiser.ask().split_off(self.part.len());
        self.asked = Some(asked.clone());
        Ok(asked)
    }

    /// The first mean: where the config says.
    fn start(&self) -> Genome {
        if self.config.at == 0 && !self.begin.is_empty() {
            return self.space.fold(&Genome(self.begin.clone()));
        }
        let from = match &self.config.search.start {
            Start::Word(word) if word == "grid" => self.best_of(Origin::Grid),
            Start::Word(_) => self.best_of(Origin::Uniform),
            Start::Number(_) => None,
        };
        match from.and_then(|id| self.state.entry(id)) {
            Some(entry) if self.config.at == 0 => self.space.fold(&Genome(entry.candidate.genome.clone())),
            Some(Entry { candidate: Candidate { target: Target::Recipe(recipe), .. }, .. }) => {
                self.space.from_recipe(recipe).unwrap_or_else(|_| self.space.start())
            }
            _ => self.space.start(),
        }
    }

    /// The entry of an origin with the highest training fitness; the first of equals.
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

    /// What follows from all that happened so far.
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
        if let Some(generation) = self.state.generations.last() {
            if let Some(next) = self.race() {
                return Ok(next);
            }
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
            // What is older than the last generation is done, but for what was made by hand.
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

    /// Generations begun so far.
    fn generation(&self) -> u64 {
        self.state.generations.len() as u64
    }

    /// The next baseline that has not been measured.
    fn baseline(&self) -> Option<Work> {
        let measured = self.state.baselines().count();
        // The first stage's pool: what later stages add is measured by then.
        let (config, pool) = (&self.whole, &self.whole.pool);
        let model = |reference: &String| (reference.clone(), Target::Model(reference.clone()));
        let (origin, (label, target), splits) = if measured == 0 {
            (Origin::Base, model(&pool.base), vec![Split::Train, Split::Test])
        } else if let Some(source) = pool.sources.get(measured - 1) {
            (Origin::Source, model(source), vec![Split::Train, Split::Test])
        } else if measured == pool.sources.len() + 1 {
            let n = pool.sources.len();
            let recipe = config.global_recipe(&vec![1.0 / n as f64; n]);
            (
                Origin::Uniform,
                ("uniform".to_owned(), Target::Recipe(Box::new(recipe))),
                vec![Split::Train, Split::Test],
            )
        } else {
            let grid = if config.baselines.grid.is_empty() { Vec::new() } else { config.grid() };
            let weights = grid.get(measured - pool.sources.len() - 2)?;
            let label = weights.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            (
                Origin::Grid,
                (label, Target::Recipe(Box::new(config.global_recipe(weights)))),
                vec![Split::Train],
            )
        };
        let genome = match &target {
            Target::Recipe(recipe) => self.space.from_recipe(recipe).map(|g| g.0).unwrap_or_default(),
            Target::Model(_) => Vec::new(),
        };
        let candidate = Candidate { id: self.next_id(), label, origin, genome, target };
        Some(Work { kind: WorkKind::Baseline, candidate, splits, questions: None })
    }

    fn next_id(&self) -> CandidateId {
        self.state.entries.len() as CandidateId
    }

    /// The held-out questions for a candidate that has not answered them.
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

    fn generation_started(&mut self) -> anyhow::Result<Event> {
        let mut asked = self.ask()?;
        let left = self.stage_budget().saturating_sub(self.state.evaluations);
        asked.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let optimiser = self.optimiser.as_ref().context("asking makes an optimiser")?;
        let generation = self.generation() + 1;
        let first = self.next_id();
        let candidate = |(i, genome): (usize, Genome)| Candidate {
            id: first + i as u64,
            label: format!("g{generation} #{}", i + 1),
            origin: Origin::Search,
            target: Target::Recipe(Box::new(self.space.to_recipe(&genome))),
            genome: genome.0,
        };
        Ok(Event::GenerationStarted {
            generation,
            sigma: optimiser.sigma(),
            mean: optimiser.mean().0,
            candidates: asked.into_iter().enumerate().map(candidate).collect(),
        })
    }

    fn generation_finished(&self) -> Event {
        let ids = self.state.generations.last().map(|g| g.candidates.as_slice()).unwrap_or_default();
        let fitness: Vec<f64> =
            ids.iter().map(|&id| self.fitness(id)).filter(|fitness| fitness.is_finite()).collect();
        let n = fitness.len().max(1) as f64;
        let mean = fitness.iter().sum::<f64>() / n;
        let variance = fitness.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / n;
        let best = self.leader();
        Event::GenerationFinished {
            generation: self.generation(),
            best,
            best_fitness: Some(self.fitness(best)).filter(|f| f.is_finite()).unwrap_or(0.0),
            mean_fitness: mean,
            std_fitness: variance.sqrt(),
            evaluations: self.state.evaluations,
            front: self.front(),
        }
    }

    /// The best candidate; where there is none yet, the best merge among the baselines.
    fn leader(&self) -> CandidateId {
        let baseline = || self.best_of(Origin::Grid).or_else(|| self.best_of(Origin::Uniform));
        let merge = || self.state.entries.iter().find(|e| matches!(e.candidate.target, Target::Recipe(_)));
        self.state.best.or_else(baseline).or_else(|| merge().map(|e| e.candidate.id)).unwrap_or(0)
    }

    /// After the last generation: the distribution's mean, then the end.
    fn ending(&self) -> anyhow::Result<Next> {
        let learnt = self.optimiser.as_ref().filter(|o| o.generation() > 0);
        let mean = self.stage_mean();
        if let (Some(optimiser), None) = (learnt, mean) {
            let genome = optimiser.mean();
            let candidate = Candidate {
                id: self.next_id(),
                label: "mean".to_owned(),
                origin: Origin::Mean,
                target: Target::Recipe(Box::new(self.space.to_recipe(&genome))),
                genome: genome.0,
            };
            let splits = vec![Split::Train, Split::Test];
            return Ok(Next::Evaluate(Work { kind: WorkKind::Baseline, candidate, splits, questions: None }));
        }
        if let Some(next) = self.next_stage()? {
            return Ok(next);
        }
        let leader = self.leader();
        let best = match self.best_of(Origin::Mean) {
            Some(mean) if self.fitness(mean) > self.fitness(leader) || self.fitness(leader).is_nan() => mean,
            _ => leader,
        };
        if let Some(work) = self.held_out(best) {
            return Ok(work);
        }
        let entry = self.state.entry(best).context("the winner is a candidate")?;
        let Target::Recipe(recipe) = &entry.candidate.target else {
            bail!("no merge could be evaluated; `yosegi report {}` lists why", self.state.name);
        };
        Ok(Next::Record(Event::Finished {
            reason: self
                .state
                .ended
                .clone()
                .unwrap_or_else(|| format!("the budget of {} evaluations is used", self.state.budget)),
            best,
            train: entry.train().unwrap_or_default(),
            test: entry.test.unwrap_or_default(),
            mean,
            evaluations: self.state.evaluations,
            recipe: recipe.clone(),
        }))
    }
}

fn fitness_work(entry: &Entry) -> Next {
    let candidate = entry.candidate.clone();
    Next::Evaluate(Work { kind: WorkKind::Fitness, candidate, splits: vec![Split::Train], questions: None })
}

/// Equal but for the last digits, which another machine's exponential function may round
/// otherwise.
fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() <= 1e-9 * (1.0 + y.abs()))
}
