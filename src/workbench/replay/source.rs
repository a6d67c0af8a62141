//! The source of a replay: a session's records and its answers, from the journal or from a recording. `cli` opens it;
//! the playback reads it.

use std::path::Path;

use anyhow::Context;

use crate::checkpoint::{ModelSummary, discover};
use crate::error::BadInput;
use crate::recipe::{LayerGroup, Recipe};
use crate::session::Home;
use crate::session::journal::Reader;
use crate::session::protocol::{Answer, Answers, CandidateId, Event, Record, Score, Split, Target};
use crate::session::state::SessionState;
use crate::workbench::config::{pool_of, watched_of};
use crate::workbench::recording::{RECORDED, Recording};

/// Weights that differ by less than this count as equal, since recordings are rounded.
const SAME: f64 = 2e-3;

/// A session's records from the first to the last, with access to its answers.
pub struct ReplaySource {
    pub records: Vec<Record>,
    /// The session at its end.
    pub state: SessionState,
    answers: AnswerStore,
}

/// The store that answers are read from.
enum AnswerStore {
    /// The session's journal in this home. It is opened for each request, since a connection cannot change threads.
    Journal(Home, String),
    Recording(Box<Recording>),
}

impl ReplaySource {
    /// Opens the session of that name in the home, a recorded session's file (`….jsonl`), or, without a name, the
    /// recording built into the program.
    ///
    /// # Errors
    /// The session or the file does not exist, or can't be read.
    pub fn open(home: &Home, name: Option<&str>) -> anyhow::Result<Self> {
        let Some(name) = name else {
            return Self::of_recording(Recording::from_lines(RECORDED).context("the bundled recording")?);
        };
        let path = Path::new(name);
        if path.extension().is_some_and(|e| e == "jsonl") {
            let text = crate::limits::read_text(path, crate::limits::DATA_FILE)
                .map_err(|e| BadInput::error(format!("{name} cannot be read: {e}")))?;
            let recording = Recording::from_lines(&text)
                .map_err(|e| BadInput::error(format!("{name} is no recorded session: {e:#}")))?;
            return Self::of_recording(recording);
        }
        let records = Reader::open(home, name)?.records(1)?;
        Self::new(records, AnswerStore::Journal(home.clone(), name.to_owned()))
    }

    fn of_recording(mut recording: Recording) -> anyhow::Result<Self> {
        let records = std::mem::take(&mut recording.records);
        Self::new(records, AnswerStore::Recording(Box::new(recording)))
    }

    fn new(records: Vec<Record>, answers: AnswerStore) -> anyhow::Result<Self> {
        if !matches!(records.first().map(|r| &r.event), Some(Event::Created { .. })) {
            return Err(BadInput::error("the session has no beginning: there is nothing to replay"));
        }
        let mut state = SessionState::default();
        for record in &records {
            state.apply(record);
        }
        Ok(Self { records, state, answers })
    }

    /// The session's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The device that it ran on.
    #[must_use]
    pub fn device(&self) -> String {
        self.state.device.clone()
    }

    /// The training questions that its config watches.
    pub(super) fn watched(&self) -> Vec<usize> {
        watched_of(&self.state.config)
    }

    /// The session's models: those in the recording, or those found on this machine.
    pub(super) fn models(&self) -> Vec<ModelSummary> {
        match &self.answers {
            AnswerStore::Recording(recording) => recording.models.clone(),
            AnswerStore::Journal(..) => {
                let pool = pool_of(&self.state.config);
                let used = |m: &ModelSummary| m.reference == pool.base || pool.sources.contains(&m.reference);
                discover(Some(&pool.base)).into_iter().filter(used).collect()
            }
        }
    }

    /// A candidate's answers, or the sentence that says why there are none.
    pub(super) fn answers(&self, candidate: CandidateId, split: Split) -> Result<Answers, String> {
        let entry =
            self.state.entry(candidate).ok_or_else(|| format!("there is no candidate {candidate}"))?;
        let score: Option<Score> = if split == Split::Train { entry.train() } else { entry.test };
        let answers = match &self.answers {
            AnswerStore::Journal(home, name) => {
                let reader = Reader::open(home, name);
                reader.and_then(|r| r.answers(candidate, split)).map_err(|e| format!("{e:#}"))?
            }
            AnswerStore::Recording(recording) => {
                let kept = recording.answers.iter().find(|(id, _)| *id == candidate && split == Split::Train);
                kept.map(|(_, a)| a.answers.clone()).unwrap_or_default()
            }
        };
        if answers.is_empty() {
            return Err("the recording holds no answers of this candidate".to_owned());
        }
        Ok(Answers { label: entry.candidate.label.clone(), score: score.unwrap_or_default(), answers })
    }

    /// Answers to some training questions of a recipe that the session evaluated.
    pub(super) fn tried(&self, recipe: &Recipe, questions: &[usize]) -> Option<Answers> {
        let layers = self.state.layers;
        let same = |target: &Target| matches!(target, Target::Recipe(r) if alike(r, recipe, layers));
        let entry = self.state.entries.iter().find(|e| same(&e.candidate.target))?;
        let mut answers = self.answers(entry.candidate.id, Split::Train).ok()?;
        answers.answers.retain(|a| questions.contains(&a.index));
        Some(answers)
    }

    /// A training question by its index, if an answer to it was recorded.
    pub(super) fn question(&self, index: usize) -> Option<Answer> {
        let first = self.state.entries.first()?.candidate.id;
        let answers = self.answers(first, Split::Train).ok()?;
        answers.answers.into_iter().find(|a| a.index == index)
    }
}

/// Whether two recipes merge the same models with the same numbers.
fn alike(a: &Recipe, b: &Recipe, layers: usize) -> bool {
    let near = |x: Option<f64>, y: Option<f64>| (x.unwrap_or(0.0) - y.unwrap_or(0.0)).abs() < SAME;
    let groups = || (0..LayerGroup::count(layers)).map(|row| LayerGroup::from_index(row, layers));
    a.method == b.method
        && a.donor() == b.donor()
        && a.sources.iter().map(|s| &s.model).eq(b.sources.iter().map(|s| &s.model))
        && a.sources.iter().zip(&b.sources).all(|(x, y)| {
            groups().all(|g| near(x.weight().get(g), y.weight().get(g)))
                && (!a.method.uses_density()
                    || groups().all(|g| near(x.density().get(g), y.density().get(g))))
        })
}
