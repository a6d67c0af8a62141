//! State of the Answers pane: which candidates are opened as columns, which questions pass the filter,
//! where the cursor is, and the answers fetched from the engine. `columns.rs` reads it.

use std::collections::HashMap;

use crate::session::protocol::{Answers, CandidateId, Split};

/// A candidate's answers: requested, received, or refused with a reason.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchedAnswers {
    Waiting,
    Here(Answers),
    Failed(String),
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerColumn {
    /// A baseline, or a candidate that was opened.
    Candidate(CandidateId),
    /// The best candidate so far. It changes during a run.
    Best,
    /// The recipe in the editor, on the sample questions.
    Hand,
}

/// Which questions are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuestionFilter {
    #[default]
    All,
    /// Questions whose verdict or number differs from the pinned column's.
    Different,
    /// Questions right in the current column and wrong in the pinned one.
    Gained,
    /// Questions wrong in the current column and right in the pinned one.
    Lost,
}

impl QuestionFilter {
    /// The next filter. The first one follows the last one.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::All => Self::Different,
            Self::Different => Self::Gained,
            Self::Gained => Self::Lost,
            Self::Lost => Self::All,
        }
    }
}

/// State of the Answers pane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswersView {
    pub split: Split,
    pub filter: QuestionFilter,
    /// Candidates opened from Evolve.
    pub opened: Vec<CandidateId>,
    /// The column under the cursor; the best candidate's when `None`.
    pub current: Option<AnswerColumn>,
    /// Index, in the split, of the question under the cursor.
    pub question: Option<usize>,
    /// The pinned column, with which the others are compared; the first when `None`.
    pub pinned: Option<AnswerColumn>,
    /// Zoom: the texts fill the whole pane.
    pub zoom: bool,
    /// Number of lines that the texts are scrolled down.
    pub scroll: usize,
    pub fetched: HashMap<(CandidateId, Split), FetchedAnswers>,
}
