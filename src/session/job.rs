//! What an engine and its worker say to each other, one JSON document a line: jobs to the worker, reports back. A job
//! carries everything that is needed to do it, so that a fresh worker can take the place of one that died. Both are one
//! program, so these forms may change from version to version.

use serde::{Deserialize, Serialize};

use crate::checkpoint::Fingerprint;
use crate::evaluate::{Cost, EvalSetup, SetupFacts, SplitQuestions, SplitResult, StoredQuestion, Target};

/// Something for a worker to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Open models and tasks anew and say what they are like. A file among `known` that nobody has touched since need
    /// not be read for its print.
    Open {
        id: u64,
        setup: EvalSetup,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        known: Vec<Fingerprint>,
    },
    /// Answer questions and score the answers.
    Run { id: u64, setup: EvalSetup, target: Target, ask: Vec<SplitQuestions>, watch: Vec<usize> },
    /// Stop the job with this number if it is still running.
    Cancel { id: u64 },
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The answer to [`Job::Open`].
    Opened { id: u64, facts: SetupFacts, questions: Vec<StoredQuestion> },
    /// More text of a watched question's answer.
    Token { id: u64, question: usize, text: String },
    /// How far a download has come, or what was done in another way than asked.
    Note { id: u64, text: String },
    /// Questions done so far.
    Progress { id: u64, done: u64, of: u64 },
    /// The answer to [`Job::Run`], split by split.
    Done { id: u64, device: String, splits: Vec<SplitResult>, cost: Cost },
    /// The job could not be done, in one sentence.
    Failed { id: u64, why: String },
    /// The job was done, and its result is no fitness: another worker would find the same.
    Unfit { id: u64, why: String },
    /// Models or tasks do not have the setup's fingerprints: what is measured now could not stand beside what was
    /// measured before.
    Changed { id: u64, why: String },
}

impl Job {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> u64 {
        match self {
            Self::Open { id, .. } | Self::Run { id, .. } | Self::Cancel { id } => *id,
        }
    }
}

impl Report {
    /// Number of the job that it is about.
    #[must_use]
    pub const fn id(&self) -> u64 {
        match self {
            Self::Opened { id, .. }
            | Self::Token { id, .. }
            | Self::Note { id, .. }
            | Self::Progress { id, .. }
            | Self::Done { id, .. }
            | Self::Failed { id, .. }
            | Self::Unfit { id, .. }
            | Self::Changed { id, .. } => *id,
        }
    }
}
