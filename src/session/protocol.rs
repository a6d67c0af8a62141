//! What the faces and the engine say to each other: plain data, no tensors.
//!
//! A face sends [`Request`]s and receives [`Message`]s, one JSON document a line over a Unix
//! socket, or the same values over a channel inside one process. [`Event`]s are stored in the
//! journal and are the same for two runs with one seed; whatever depends on the clock travels
//! beside them in the [`Record`]. [`Live`] things are sent and forgotten.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checkpoint::ModelSummary;
pub use crate::merge::{Distances, Pair};
use crate::recipe::Recipe;
pub use crate::task::{Detail, Split};

/// Version of this protocol and of the journal's events.
pub const VERSION: u32 = 1;

/// A command with the number that its reply carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the sender; the reply repeats it.
    pub id: u64,
    /// What to do.
    pub command: Command,
}

/// What a face may ask of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// First word of a connection.
    Hello { version: u32 },
    /// Models on this machine and what fits together.
    Models { base: Option<String> },
    /// One model by its reference, fetched where needed, with its fit to a base.
    Model { reference: String, base: Option<String> },
    /// How far fine-tunes lie from their base, layer group by layer group.
    Distances { base: String, sources: Vec<String> },
    /// The questions of a split of a task.
    Questions { task: String, split: Split },
    /// All sessions in the home folder.
    Sessions,
    /// Start a session from a config's text. `name` defaults to the config's.
    Start { config: String, name: Option<String> },
    /// Take up a session that was paused, stopped or killed.
    Resume { session: String },
    /// Stop after the candidate in flight; the session stays resumable at once.
    Pause { session: String },
    /// End the session now; it can still be resumed later.
    Stop { session: String },
    /// Let a session that is over go on, up to this many evaluations in all.
    Extend { session: String, budget: u64 },
    /// Evaluate a hand-made recipe as a candidate of the session.
    Inject { session: String, recipe: Box<Recipe> },
    /// Which training questions stream their answers while candidates are evaluated.
    Watch { session: String, questions: Vec<usize> },
    /// Events of a session from sequence number `since`: the past, a boundary, then live ones.
    Subscribe { session: String, since: u64 },
    /// No more events of that session.
    Unsubscribe { session: String },
    /// The stored answers of a candidate or baseline on a split.
    Answers { session: String, candidate: CandidateId, split: Split },
    /// Merge this recipe and answer the given questions of a task now; a newer `Try` on the same
    /// connection replaces one that has not finished. Streams [`Live::TryToken`] and ends
    /// with [`Reply::Answers`].
    Try { target: Target, task: String, split: Split, questions: Vec<usize> },
    /// Stop the engine once nothing runs.
    Shutdown,
}

/// What is asked to answer: a model as it is, or a merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `zoo:ja`, a folder, `org/name[@revision]`.
    Model(String),
    /// A merge.
    Recipe(Box<Recipe>),
}

/// What the engine sends.
// Most of what is sent is events: a box for each would save no memory that counts.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Message {
    /// Answer to the request `id`.
    Reply { id: u64, reply: Reply },
    /// One stored event of a session.
    Event { session: String, record: Record },
    /// All past events have been sent; what follows is live.
    Boundary { session: String, next: u64 },
    /// Sent and forgotten.
    Live { session: Option<String>, live: Live },
}

/// Answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Done,
    Hello {
        version: u32,
        pid: u32,
        device: String,
    },
    Models(Vec<ModelSummary>),
    Distances(Distances),
    Questions(Vec<WatchedQuestion>),
    Sessions(Vec<SessionRow>),
    Started {
        session: String,
    },
    Answers(Answers),
    /// A newer `Try` took this one's place.
    Superseded,
    /// One clear sentence: what, where, what to do.
    Error(String),
}

/// Number of a candidate within its session, from 0, in the order of proposal. Baselines
/// (the sources, the base, the uniform merge, the global grid) come first.
pub type CandidateId = u64;

/// One line of the sessions list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    pub name: String,
    pub status: Status,
    pub evaluations: u64,
    pub budget: u64,
    pub generation: u64,
    pub best_train: Option<f64>,
    pub best_test: Option<f64>,
    /// Milliseconds since the Unix epoch of the last event.
    pub updated_ms: u64,
    /// It stopped because its process was killed, not because somebody asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Created; nothing measured yet.
    #[default]
    New,
    Running,
    Paused,
    Stopped,
    Finished,
}

/// A stored event with its place and what may differ between two equal runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 1, without gaps.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What the event cost, where it cost something.
    pub cost: Option<Cost>,
    pub event: Event,
}

/// Seconds and tokens spent on a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub merge_s: f64,
    pub prefill_s: f64,
    pub decode_s: f64,
    pub score_s: f64,
    /// Tokens generated.
    pub tokens: u64,
}

impl Cost {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            merge_s: self.merge_s + other.merge_s,
            prefill_s: self.prefill_s + other.prefill_s,
            decode_s: self.decode_s + other.decode_s,
            score_s: self.score_s + other.score_s,
            tokens: self.tokens + other.tokens,
        }
    }

    /// All seconds together.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.merge_s + self.prefill_s + self.decode_s + self.score_s
    }
}

/// What happened in a session. Append-only; equal for two runs with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First event: all that is needed to run the session again.
    Created {
        version: u32,
        name: String,
        /// The config's text, word for word.
        config: String,
        seed: u64,
        /// Gene names, in genome order (`ja.weight[3]`).
        genes: Vec<Gene>,
        /// Decoder blocks of the models.
        layers: usize,
        train_questions: usize,
        test_questions: usize,
        /// Fitness evaluations after which the search ends.
        budget: u64,
        device: String,
        /// Why it is not the GPU that `auto` looked for, if it is not.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device_note: String,
        dtype: String,
        /// How language was judged (`lid.176` or the fallback's name).
        language_by: String,
        /// Version of the search that proposes its candidates ([`crate::search::VERSION`]); absent
        /// in journals of earlier sessions.
        #[serde(default)]
        search: u32,
        /// What else was found when it began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begin: Option<Box<Begin>>,
    },
    /// A reference point: a source alone, the base, the uniform merge, a global weighting.
    /// `failed` says why where it could not be measured; `scores` is empty then.
    Baseline {
        candidate: Candidate,
        scores: Vec<SplitScore>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
    },
    /// The search proposes a generation.
    GenerationStarted {
        generation: u64,
        sigma: f64,
        mean: Vec<f64>,
        candidates: Vec<Candidate>,
    },
    /// A stage after the first begins.
    StageStarted {
        /// From 2.
        stage: u64,
        name: String,
        genes: Vec<Gene>,
        /// The best of the stage before.
        winner: Option<CandidateId>,
        /// Its recipe, under the name by which it joins the pool (`stage:1`); a path joins none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recipe: Option<Box<Recipe>>,
    },
    /// A candidate's fitness, or why it has none.
    Evaluated {
        id: CandidateId,
        generation: u64,
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<TaskScore>,
        /// It was stopped in a race: the score is that of the questions answered (`n`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stopped: bool,
    },
    /// A candidate in a race answered the next block of training questions.
    Block {
        id: CandidateId,
        /// Of the block alone.
        score: Score,
        /// What each question brought to the fitness, in the race's order.
        values: Vec<f64>,
    },
    /// A hand-made recipe became a candidate.
    Injected {
        candidate: Candidate,
    },
    /// The generation is complete.
    GenerationFinished {
        generation: u64,
        /// Best candidate of the session so far.
        best: CandidateId,
        best_fitness: f64,
        /// Over the generation's candidates.
        mean_fitness: f64,
        std_fitness: f64,
        evaluations: u64,
        /// Of several objectives: candidates that no other one beats in all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        front: Vec<CandidateId>,
    },
    /// Score of the best so far on the held-out questions.
    HeldOut {
        id: CandidateId,
        score: Score,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<TaskScore>,
    },
    /// The search proposes no more, for a reason that is not the number of evaluations.
    Ended {
        reason: String,
    },
    /// A session that was over goes on, up to this many evaluations; no other limit holds any more.
    Extended {
        budget: u64,
    },
    Paused,
    Resumed,
    Stopped {
        reason: String,
    },
    /// The search is over. `mean` is the distribution's mean, scored too, since it often
    /// generalises better than the best candidate seen.
    Finished {
        reason: String,
        best: CandidateId,
        train: Score,
        test: Score,
        mean: Option<CandidateId>,
        evaluations: u64,
        recipe: Box<Recipe>,
    },
}

/// What was found when a session began, where there is something to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Where the search begins, if at another session's best or at a recipe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<f64>,
    /// Held-out questions that stand among the training questions too.
    #[serde(default)]
    pub overlap: u64,
}

/// A dimension of the search space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gene {
    pub name: String,
    pub low: f64,
    pub high: f64,
}

/// A point in the search space with its recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub id: CandidateId,
    /// What to call it: `zoo:ja`, `uniform`, `g12 #3`, `by hand 1`.
    pub label: String,
    pub origin: Origin,
    /// Empty where the candidate is not a point of the space (a source alone).
    pub genome: Vec<f64>,
    pub target: Target,
}

/// Where a candidate came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Base,
    Source,
    Uniform,
    Grid,
    Search,
    /// The search distribution's mean.
    Mean,
    Hand,
}

/// How an evaluation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Scored(Score),
    /// One clear sentence; the candidate ranks last.
    Failed(String),
}

/// A split with its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitScore {
    pub split: Split,
    /// Of several tasks, their weighted mean.
    pub score: Score,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskScore>,
}

/// One task's part of a score, where a session has several or its task has a bar. Its fitness is
/// that of the task's own expression, also for a candidate below a bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskScore {
    /// As the config names it.
    pub task: String,
    pub score: Score,
    /// The task's metrics by name, shares in [0, 1].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

/// A candidate's score over a set of questions; shares in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The config's fitness expression.
    pub fitness: f64,
    /// Right number, any language (the paper's `acc`).
    pub acc: f64,
    /// Right number and Japanese (the paper's `acc_ja`).
    pub acc_ja: f64,
    /// Japanese, right or wrong.
    pub japanese: f64,
    /// Questions answered.
    pub n: u64,
}

impl Score {
    /// The score of these questions and others together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let n = self.n + other.n;
        let (a, b) = (self.n as f64, other.n as f64);
        let mean = |x: f64, y: f64| (a * x + b * y) / (a + b).max(1.0);
        Self {
            fitness: mean(self.fitness, other.fitness),
            acc: mean(self.acc, other.acc),
            acc_ja: mean(self.acc_ja, other.acc_ja),
            japanese: mean(self.japanese, other.japanese),
            n,
        }
    }
}

/// Answers of one candidate to some questions, in the order asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    pub label: String,
    pub score: Score,
    pub answers: Vec<Answer>,
}

/// One answer with its verdict. `text` is the model's own and is not to be trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Index of the question in its split.
    pub index: usize,
    /// The question's id in the data.
    pub id: String,
    pub question: String,
    pub gold: String,
    pub text: String,
    /// The number found, as it stood in the text.
    pub number: Option<String>,
    pub correct: bool,
    /// Language code (`ja`, `en`), by the language identification named in `Created`.
    pub language: String,
    pub p_ja: f64,
    /// Generated tokens, or those whose likelihood was asked for.
    pub tokens: u64,
    /// Right as a person would read it; absent in journals of earlier sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lenient_correct: Option<bool>,
    #[serde(flatten)]
    pub detail: Detail,
}

/// Sent while it happens, never stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "live", rename_all = "snake_case")]
pub enum Live {
    /// More text of a watched question's answer.
    Token { candidate: CandidateId, question: usize, text: String },
    /// The question and gold answer of a watched question, sent when watching starts.
    Watching { questions: Vec<WatchedQuestion> },
    /// Questions done of the candidate in flight.
    Progress { candidate: CandidateId, done: u64, of: u64 },
    /// More text of the answer to a `Try` request.
    TryToken { request: u64, question: usize, text: String },
    /// Rates over the last seconds.
    Rate {
        candidates_per_hour: f64,
        tokens_per_second: f64,
        eta_s: Option<f64>,
        memory_bytes: u64,
        device: String,
    },
    /// The run ended without an event: the journal could not be written, or the engine was told
    /// to go. The session can be resumed.
    Halted { reason: String },
    /// For the log overlay.
    Log { level: String, text: String },
}

/// A question shown while its answers stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchedQuestion {
    pub index: usize,
    pub question: String,
    pub gold: String,
}
