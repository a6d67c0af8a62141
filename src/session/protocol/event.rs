//! What is stored of a session: events, and the candidates that they speak of.

use serde::{Deserialize, Serialize};

use super::types::CandidateId;
use crate::evaluate::{Cost, Score, SplitScore, Target, TaskScore};
use crate::recipe::Recipe;

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
        /// What each training question brought to the fitness, where an estimator learns from it.
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
    /// The estimator has chosen in which order a generation answers the training questions.
    Questions {
        generation: u64,
        /// All of them, by index, those that tell most first.
        order: Vec<usize>,
        /// Candidates and baselines whose answers it has learnt from.
        learnt: u64,
    },
    /// What the estimator says of a generation's candidates once they have answered its first
    /// questions; a candidate that stops has this for its fitness.
    Estimated {
        generation: u64,
        estimates: Vec<(CandidateId, f64)>,
        /// How far off it was so far, where candidates have answered everything since.
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

/// How far estimates of fitness were from the fitness over all questions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Off {
    /// Candidates of which both are known.
    pub candidates: u64,
    pub mean: f64,
    pub most: f64,
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
    /// The language that each task asks for, `none` for none; absent in journals of earlier sessions.
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
