//! The stored form of a session: events, and the candidates that they mention. The evolve loop makes them, the journal
//! stores them, and clients receive them.

use serde::{Deserialize, Serialize};

use super::types::CandidateId;
use crate::evaluate::{Cost, Score, SplitScore, Target, TaskScore};
use crate::recipe::Recipe;

/// A stored event with its sequence number, and with its time and cost, which may differ between two equal runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 1, without gaps.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The cost of the event, if it has one.
    pub cost: Option<Cost>,
    pub event: Event,
}

/// What happened in a session. The list of events only grows, and it is equal for two runs with the same seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event: everything that is needed to run the session again.
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
        /// Why the device is not the GPU that `auto` looked for, if so.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device_note: String,
        dtype: String,
        /// How the language of answers is judged (`lid.176` or the fallback's name).
        language_by: String,
        /// Version of the search that proposes the session's candidates ([`crate::search::VERSION`]); absent in
        /// journals of earlier sessions.
        #[serde(default)]
        search: u32,
        /// Other findings at the session's beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begin: Option<Box<Begin>>,
    },
    /// A reference point: a source alone, the base, the uniform merge, a global weighting. If it could not be measured,
    /// `failed` says why and `scores` is empty.
    Baseline {
        candidate: Candidate,
        scores: Vec<SplitScore>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// What each training question added to the fitness, if an estimator learns from it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        values: Vec<f64>,
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
        /// The stage's number; the first stored one is 2.
        stage: u64,
        name: String,
        genes: Vec<Gene>,
        /// The best candidate of the previous stage.
        winner: Option<CandidateId>,
        /// The recipe of that candidate, named as it joins the pool (`stage:1`). A path does not join the pool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recipe: Option<Box<Recipe>>,
    },
    /// A candidate's fitness, or the reason why it has none.
    Evaluated {
        id: CandidateId,
        generation: u64,
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<TaskScore>,
        /// The candidate was stopped in a race: the score covers the questions answered (`n`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stopped: bool,
    },
    /// A candidate in a race answered the next block of training questions.
    Block {
        id: CandidateId,
        /// The score of this block alone.
        score: Score,
        /// What each question added to the fitness, in the race's order.
        values: Vec<f64>,
    },
    /// The estimator has chosen the order in which a generation answers the training questions.
    Questions {
        generation: u64,
        /// All training questions, by index, the most informative first.
        order: Vec<usize>,
        /// The candidates and baselines whose answers the estimator has learnt from.
        learnt: u64,
    },
    /// The estimated fitness of a generation's candidates once they have answered its first questions. A candidate that
    /// stops has this estimate as its fitness.
    Estimated {
        generation: u64,
        estimates: Vec<(CandidateId, f64)>,
        /// The estimator's errors so far, for candidates that have answered all questions since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        off: Option<Off>,
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
        /// Over the fitness of the generation's candidates.
        mean_fitness: f64,
        std_fitness: f64,
        evaluations: u64,
        /// The Pareto front: with several objectives, the candidates that no other one beats in all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        front: Vec<CandidateId>,
    },
    /// The score of the best candidate so far on the held-out questions.
    HeldOut {
        id: CandidateId,
        score: Score,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<TaskScore>,
    },
    /// The search ends for a reason other than the number of evaluations.
    Ended {
        reason: String,
    },
    /// A finished session continues, up to this many evaluations. The other limits no longer apply.
    Extended {
        budget: u64,
    },
    Paused,
    Resumed,
    Stopped {
        reason: String,
    },
    /// The search has finished. `mean` is the distribution's mean, which is scored too, since it often generalises
    /// better than the best measured candidate.
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

/// How far estimates of fitness were from the measured fitness over all questions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Off {
    /// The number of candidates with both an estimate and a measured fitness.
    pub candidates: u64,
    pub mean: f64,
    pub most: f64,
}

/// Findings at the beginning of a session, if there are any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Where the search begins, if it begins at another session's best or at a recipe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<f64>,
    /// The number of held-out questions that are also training questions.
    #[serde(default)]
    pub overlap: u64,
    /// The language that each task asks for, `none` for a task without one; absent in journals of earlier sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
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
    /// The displayed name: `zoo:ja`, `uniform`, `g12 #3`, `by hand 1`.
    pub label: String,
    pub origin: Origin,
    /// Empty if the candidate is not a point of the space (a source alone).
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
    /// The reason in one clear sentence; the candidate ranks last.
    Failed(String),
}
