//! The session that the engine runs: its journal, its run and its rates. Measurements and hand-made recipes come in;
//! stored events and the next job go out. The dispatcher calls it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::checkpoint::Fingerprint;
use crate::error::BadInput;
use crate::evaluate::{EvalSetup, SetupFacts, SplitQuestions, SplitResult, StoredQuestion};
use crate::session::config::Config;
use crate::session::evolve::{self, Evolution, Next, Work};
use crate::session::home::Home;
use crate::session::job::Job;
use crate::session::journal::Journal;
use crate::session::protocol::{Answer, Begin, Cost, Event, Live, Record, Split, SplitScore, Status};
use crate::session::resume_check;
use crate::session::state::SessionState;

/// Rates are averaged over this time.
const RATE_WINDOW: Duration = Duration::from_mins(1);

/// The running session.
pub struct ActiveSession {
    pub name: String,
    /// Pause once the result of the current candidate is stored.
    pub pausing: bool,
    /// Notes to log when the session is resumed.
    pub notes: Vec<String>,
    journal: Journal,
    run: Evolution,
    done: VecDeque<(Instant, u64)>,
    since: Instant,
    /// Fingerprints of the models and tasks; they must not change while it runs.
    prints: Vec<Fingerprint>,
}

impl ActiveSession {
    /// Begins the journal of a new session.
    pub fn create(
        home: &Home,
        name: &str,
        text: &str,
        config: &Config,
        facts: &SetupFacts,
        questions: &[StoredQuestion],
    ) -> anyhow::Result<Self> {
        let mut created = evolve::created(name, text, config, facts)?;
        if let Event::Created { begin, .. } = &mut created {
            let start = evolve::warm_start(home, config, &config.any_space(facts.layers)?)?;
            let found = Begin {
                start,
                overlap: evolve::checked_overlap(config, questions)?,
                languages: facts.languages.clone(),
            };
            *begin = Some(Box::new(found)).filter(|b| **b != Begin::default());
        }
        let mut journal = Journal::create(home, name)?;
        let record = journal.begin(&created, questions, &facts.prints)?;
        let run = Evolution::replay(&[record])?;
        Ok(Self::new(name, journal, run, facts))
    }

    /// Resumes a session that was paused, stopped or killed, or extends a finished one to `extend` evaluations. Also
    /// returns the event of the resumption, which a killed session does not need. If models or task have changed,
    /// nothing is written.
    pub fn resume(
        home: &Home,
        name: &str,
        facts: &SetupFacts,
        questions: &[StoredQuestion],
        extend: Option<u64>,
    ) -> anyhow::Result<(Self, Option<Record>)> {
        let mut journal = Journal::open(home, name)?;
        let mut run = Evolution::replay(&journal.reader().records(1)?)?;
        let state = run.state();
        let event = match (extend, state.status) {
            (Some(budget), _) => Some(run.extend(budget)?),
            (None, Status::Finished) => return Err(BadInput::error(finished_sentence(name))),
            (None, Status::Paused | Status::Stopped) => Some(Event::Resumed),
            (None, Status::New | Status::Running) => None,
        };
        resume_check::check(state, &journal.reader(), facts, questions)?;
        let was = (state.layers, state.train_questions, state.test_questions);
        let is = (facts.layers, facts.train_questions, facts.test_questions);
        if was != is {
            return Err(BadInput::error(format!(
                "session `{name}` was started with {} blocks, {} training and {} held-out questions, \
                 now there are {}, {} and {}: put the models and the task back as they were, or start another session \
                 under a new --name",
                was.0, was.1, was.2, is.0, is.1, is.2
            )));
        }
        let unprinted = journal.reader().prints()?.is_empty() && !facts.prints.is_empty();
        // Files may have been touched or moved with the same content: their new time stamps are stored.
        journal.keep_prints(&facts.prints)?;
        let record = event.map(|event| journal.append(&event, None)).transpose()?;
        if let Some(record) = &record {
            run.apply(record)?;
        }
        let mut active = Self::new(name, journal, run, facts);
        let state = active.state();
        let followed = (&state.device, &state.dtype) != (&facts.device, &facts.dtype);
        let mut notes = Vec::new();
        if unprinted {
            notes.push(format!(
                "session `{name}` was begun by an earlier Yosegi that took no fingerprints: its questions are as they \
                 were, whether the models are can't be told; from now on a change will be noticed"
            ));
        }
        if followed {
            notes.push(format!(
                "session `{name}` began on {} ({}) and goes on on {} ({}): the last digits of what is measured may differ",
                state.device, state.dtype, facts.device, facts.dtype
            ));
        }
        active.notes = notes;
        Ok((active, record))
    }

    fn new(name: &str, journal: Journal, run: Evolution, facts: &SetupFacts) -> Self {
        Self {
            name: name.to_owned(),
            pausing: false,
            notes: Vec::new(),
            prints: facts.prints.clone(),
            journal,
            run,
            done: VecDeque::new(),
            since: Instant::now(),
        }
    }

    /// The models that the current stage's candidates are made from, and the tasks.
    pub fn setup(&self) -> EvalSetup {
        let state = self.state();
        let (made, prints) = (state.made(), self.prints.clone());
        let session = std::path::absolute(self.journal.folder()).ok();
        EvalSetup { made, prints, session, earlier: state.languages.is_empty(), ..self.run.config().setup() }
    }

    pub fn state(&self) -> &SessionState {
        self.run.state()
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The run's next step.
    pub fn step(&mut self) -> anyhow::Result<Next> {
        self.run.step()
    }

    /// Stores an event and applies it to the run.
    pub fn store(&mut self, event: &Event) -> anyhow::Result<Record> {
        let record = self.journal.append(event, None)?;
        self.run.apply(&record)?;
        Ok(record)
    }

    /// Stores the scores of a measurement, or the reason of its failure, together with the answers.
    pub fn measured(
        &mut self,
        work: &Work,
        result: Result<(Vec<SplitResult>, Cost), String>,
    ) -> anyhow::Result<Record> {
        let (splits, cost) = match result {
            Ok((splits, cost)) => (Ok(splits), Some(cost)),
            Err(why) => (Err(why), None),
        };
        let scores = match &splits {
            Ok(splits) => {
                let of =
                    |m: &SplitResult| SplitScore { split: m.split, score: m.score, tasks: m.tasks.clone() };
                Ok(splits.iter().map(of).collect::<Vec<_>>())
            }
            Err(why) => Err(why.clone()),
        };
        let values = splits.iter().flatten().find(|m| m.split == Split::Train);
        let values = values.map(|m| m.values.clone()).unwrap_or_default();
        let event = self.run.measured_with(work, scores, values);
        let candidate = match &event {
            Event::Baseline { candidate, .. } => candidate.id,
            _ => work.candidate.id,
        };
        let splits = splits.unwrap_or_default();
        let answers: Vec<(Split, &[Answer])> =
            splits.iter().map(|m| (m.split, m.answers.as_slice())).collect();
        let record = self.journal.append_with(&event, cost, candidate, &answers)?;
        self.run.apply(&record)?;
        self.done.push_back((Instant::now(), cost.map_or(0, |c| c.tokens)));
        Ok(record)
    }

    /// Adds a hand-made recipe as a candidate.
    pub fn inject(&mut self, recipe: &crate::recipe::Recipe) -> anyhow::Result<Record> {
        let event = self.run.inject(recipe)?;
        self.store(&event)
    }

    /// Makes the job that measures a candidate.
    pub fn job(&self, id: u64, work: &Work, watch: &[usize]) -> Job {
        let state = self.state();
        let ask = |&split: &Split| SplitQuestions {
            split,
            questions: match split {
                Split::Train if work.questions.is_some() => work.questions.clone().unwrap_or_default(),
                Split::Train => (0..state.train_questions).collect(),
                Split::Test => (0..state.test_questions).collect(),
            },
        };
        Job::Run {
            id,
            setup: self.setup(),
            target: work.candidate.target.clone(),
            ask: work.splits.iter().map(ask).collect(),
            watch: watch.to_vec(),
        }
    }

    /// Rates over the last minute.
    pub fn rate(&mut self, memory_bytes: u64, device: &str) -> Live {
        let now = Instant::now();
        while self.done.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW) {
            self.done.pop_front();
        }
        let seconds = now.duration_since(self.since).min(RATE_WINDOW).as_secs_f64().max(1e-3);
        let per_second = self.done.len() as f64 / seconds;
        let tokens: u64 = self.done.iter().map(|(_, tokens)| tokens).sum();
        let tokens_per_second = tokens as f64 / seconds;
        Live::Rate {
            candidates_per_hour: per_second * 3600.0,
            tokens_per_second,
            eta_s: self.state().seconds_left(per_second, tokens_per_second),
            memory_bytes,
            device: device.to_owned(),
        }
    }
}

pub fn finished_sentence(name: &str) -> String {
    format!("session `{name}` has finished: see `yosegi report {name}`, or start another under a new --name")
}
