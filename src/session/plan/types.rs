//! What a plan says. `work`, `disk`, `time` and `card` fill it in; clients receive it, and the faces show it.

use serde::{Deserialize, Serialize};

use crate::evaluate::plan::SetupPlan;
use crate::session::config::Racing;

/// What a session would read, ask and store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The session's name.
    pub name: String,
    #[serde(flatten)]
    pub setup: SetupPlan,
    /// One for a session without stages.
    pub stages: Vec<PlannedStage>,
    pub work: PlannedWork,
    pub disk: PlannedDisk,
    /// How long it takes, if candidates were timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<PlannedTime>,
    /// How long it would take on a card, from the card's data sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<CardEstimate>,
}

/// A stage of a session, or the whole session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// Its name; empty for a session without stages.
    pub name: String,
    /// The merge method, or `path`.
    pub searches: String,
    pub algorithm: String,
    /// `None` while no model is on this machine.
    pub genes: Option<usize>,
    /// Candidates of a generation, the first one where they grow.
    pub population: Option<usize>,
    pub generations: Option<u64>,
    pub evaluations: u64,
}

/// The least and the most of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub least: u64,
    pub most: u64,
}

/// How much a session asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedWork {
    /// Models and merges that are measured before the search.
    pub baselines: u64,
    /// Of those, models that are loaded as they are.
    pub plain_models: u64,
    /// Candidates of the search, all stages together.
    pub evaluations: u64,
    /// Questions that each candidate answers, and that the winners answer besides.
    pub train_questions: u64,
    pub test_questions: u64,
    /// How often all training questions are answered, baselines included.
    pub train_runs: u64,
    /// How often all held-out questions are answered.
    pub test_runs: Span,
    /// Answers to all questions together.
    pub answers: Span,
    /// The most tokens of all answers together; `None` if no model on this machine can count them.
    pub tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub racing: Option<Racing>,
}

/// The disk that a session's journal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDisk {
    /// Bytes of the journal; `None` if no model on this machine can count the tokens of the answers.
    pub journal: Option<u64>,
    /// Whether those are the bytes for answers of the measured length; else they are the most.
    pub measured: bool,
    /// Bytes that are free where it is written.
    pub free: Option<u64>,
}

/// How long a session takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedTime {
    /// Number of candidates that were timed.
    pub candidates: u64,
    /// Questions that the first of them answered, and each of the others.
    pub questions: (u64, u64),
    /// Seconds of the first candidate on its questions, reading of the models included.
    pub first_s: f64,
    /// Seconds of the first candidate's merge and of a later one's.
    pub first_merge_s: f64,
    pub merge_s: f64,
    /// Seconds of a later candidate for all training questions, its merge included.
    pub candidate_s: f64,
    /// Seconds for all held-out questions.
    pub held_out_s: f64,
    /// Tokens of an answer, in the mean.
    pub tokens_an_answer: f64,
    /// Bytes of an answer's text, in the mean.
    pub bytes_an_answer: f64,
    /// Tokens a second while a candidate answers.
    pub tokens_per_second: f64,
    /// Tokens of the whole session.
    pub tokens: u64,
    /// Seconds of the whole session. If candidates race, all that can be saved is saved in `least_s`.
    pub least_s: f64,
    pub whole_s: f64,
}

/// How long a session would take on a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardEstimate {
    /// The card's name in full.
    pub card: String,
    /// GB that weights take there in bfloat16, and GB that there are.
    pub weights_gb: f64,
    pub memory_gb: f64,
    /// Answers in one batch; 0: the weights alone do not fit.
    pub batch: u64,
    /// Whether base and sources stay on the card beside the merge.
    pub resident: bool,
    pub merge_s: f64,
    pub prefill_s: f64,
    pub decode_s: f64,
    /// Seconds of a candidate, and of the whole session.
    pub candidate_s: f64,
    pub whole_s: f64,
    /// Tokens of an answer: the mean of what was timed, else the most.
    pub tokens_an_answer: f64,
}
