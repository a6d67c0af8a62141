//! The messages between an engine and its worker, one JSON document a line: jobs go to the worker, reports come back. A
//! job carries everything that is needed to do it, so that a new worker can replace one that died. Engine and worker
//! are the same program, so these formats may change from version to version.

use serde::{Deserialize, Serialize};

use crate::checkpoint::Fingerprint;
use crate::evaluate::plan::{MeasureRequest, SetupPlan, Timed};
use crate::evaluate::{Cost, EvalSetup, SetupFacts, SplitQuestions, SplitResult, StoredQuestion, Target};
use crate::progress::Headway;
use crate::recipe::Recipe;

/// A job for the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Reopen models and tasks and report their facts. A file in `known` that has not been modified since need not be
    /// read again for its fingerprint.
    Open {
        id: u64,
        setup: EvalSetup,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        known: Vec<Fingerprint>,
    },
    /// Answer questions and score the answers.
    Run { id: u64, setup: EvalSetup, target: Target, ask: Vec<SplitQuestions>, watch: Vec<usize> },
    /// Say what a setup would read and ask; nothing is fetched or computed.
    Plan { id: u64, setup: EvalSetup, merge: Box<Recipe> },
    /// Time candidates on a few questions.
    Measure { id: u64, setup: EvalSetup, request: MeasureRequest },
    /// Stop the job with this number if it is still running.
    Cancel { id: u64 },
}

/// A report of the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The answer to [`Job::Open`].
    Opened { id: u64, facts: SetupFacts, questions: Vec<StoredQuestion> },
    /// The answer to [`Job::Plan`].
    Planned { id: u64, found: Box<SetupPlan>, questions: Vec<StoredQuestion> },
    /// The answer to [`Job::Measure`].
    Timed { id: u64, timed: Vec<Timed> },
    /// More text of a watched question's answer.
    Token { id: u64, question: usize, text: String },
    /// A note that something was done in another way than asked.
    Note { id: u64, text: String },
    /// How far the reading, merging or loading of models has come.
    Headway { id: u64, headway: Headway },
    /// The number of questions done so far.
    Progress { id: u64, done: u64, of: u64 },
    /// The answer to [`Job::Run`], split by split.
    Done { id: u64, device: String, splits: Vec<SplitResult>, cost: Cost },
    /// The job could not be done; one sentence says why.
    Failed { id: u64, why: String },
    /// The job was done, but its result is not a valid fitness. Another worker would find the same.
    Unfit { id: u64, why: String },
    /// Models or tasks do not have the setup's fingerprints, so new measurements could not be compared with the earlier
    /// ones.
    Changed { id: u64, why: String },
}

impl Job {
    /// The job's number.
    #[must_use]
    pub const fn id(&self) -> u64 {
        match self {
            Self::Open { id, .. }
            | Self::Run { id, .. }
            | Self::Plan { id, .. }
            | Self::Measure { id, .. }
            | Self::Cancel { id } => *id,
        }
    }
}

impl Report {
    /// The number of the job that the report is about.
    #[must_use]
    pub const fn id(&self) -> u64 {
        match self {
            Self::Opened { id, .. }
            | Self::Planned { id, .. }
            | Self::Timed { id, .. }
            | Self::Token { id, .. }
            | Self::Note { id, .. }
            | Self::Headway { id, .. }
            | Self::Progress { id, .. }
            | Self::Done { id, .. }
            | Self::Failed { id, .. }
            | Self::Unfit { id, .. }
            | Self::Changed { id, .. } => *id,
        }
    }
}
