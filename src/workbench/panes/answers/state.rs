//! What the Answers pane remembers: which candidates are opened as columns, which questions pass the filter,
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
    /// The best so far, whichever that is.
    Best,
    /// The recipe in the editor, on the sample questions.
    Hand,
}

/// Which questions are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuestionFilter {
    #[default]
    All,
    /// Another verdict or number than the pinned column's.
    Different,
    /// Right here, wrong there.
    Gained,
    /// Wrong here, right there.
    Lost,
}

impl QuestionFilter {
    /// The next filter, the first after the last.
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
    /// The column under the cursor; the best when `None`.
    pub current: Option<AnswerColumn>,
    /// The question under the cursor, by its index in the split.
    pub question: Option<usize>,
    /// The column that others are compared with; the first when `None`.
    pub pinned: Option<AnswerColumn>,
    /// The texts take the whole pane.
    pub zoom: bool,
    /// Lines that the texts are scrolled down by.
    pub scroll: usize,
    pub fetched: HashMap<(CandidateId, Split), FetchedAnswers>,
}
