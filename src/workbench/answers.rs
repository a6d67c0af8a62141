//! Answers side by side: which columns, which questions, and what has been fetched.

use std::collections::{BTreeSet, HashMap};

use super::app::{App, Pane};
use super::effect::Ask;
use super::messages;
use crate::session::protocol::{Answer, Answers, CandidateId, Command, Origin, Split};

/// Answers of a candidate: on their way, here, or not to be had.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetch {
    Waiting,
    Here(Answers),
    Failed(String),
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A baseline, or a candidate that was opened.
    Candidate(CandidateId),
    /// The best so far, whichever that is.
    Best,
    /// The recipe in the editor, on the sample questions.
    Hand,
}

/// Which questions are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    All,
    /// Another verdict or number than the pinned column's.
    Different,
    /// Right here, wrong there.
    Gained,
    /// Wrong here, right there.
    Lost,
}

impl Filter {
    /// The next one round.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::All => Self::Different,
            Self::Different => Self::Gained,
            Self::Gained => Self::Lost,
            Self::Lost => Self::All,
        }
    }

    /// Its name on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        messages::filter(self)
    }
}

/// State of the Answers pane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswersView {
    pub split: Split,
    pub filter: Filter,
    /// Candidates opened from Evolve.
    pub opened: Vec<CandidateId>,
    /// The column under the cursor; the best when `None`.
    pub current: Option<Who>,
    /// The question under the cursor, by its index in the split.
    pub question: Option<usize>,
    /// The column that others are compared with; the first when `None`.
    pub pinned: Option<Who>,
    /// The texts have the whole pane.
    pub zoom: bool,
    /// Lines that the texts are scrolled down by.
    pub scroll: usize,
    pub fetched: HashMap<(CandidateId, Split), Fetch>,
}

/// Whether an answer counts: right, and in the language that its task asks for.
#[must_use]
pub fn counts(answer: &Answer) -> bool {
    answer.counts()
}

impl App {
    /// Columns of the Answers pane, from left to right.
    #[must_use]
    pub fn answer_columns(&self) -> Vec<Who> {
        let mut out = Vec::new();
        if let Some(run) = &self.run {
            out.extend(run.references().iter().map(|e| Who::Candidate(e.candidate.id)));
            if run.state.best.is_some() {
                out.push(Who::Best);
            }
        }
        if self.preview.now.is_some() && self.answers.split == Split::Train {
            out.push(Who::Hand);
        }
        out.extend(self.answers.opened.iter().map(|id| Who::Candidate(*id)));
        out
    }

    /// The candidate behind a column.
    #[must_use]
    pub fn candidate_of(&self, who: Who) -> Option<CandidateId> {
        match who {
            Who::Candidate(id) => Some(id),
            Who::Best => self.run.as_ref()?.state.best,
            Who::Hand => None,
        }
    }

    /// Heading of a column.
    #[must_use]
    pub fn column_name(&self, who: Who) -> String {
        match who {
            Who::Best => messages::best_name().to_owned(),
            Who::Hand => messages::by_hand().to_owned(),
            Who::Candidate(id) => {
                let entry = self.run.as_ref().and_then(|r| r.state.entry(id));
                match entry.map(|e| &e.candidate) {
                    Some(c) if c.origin == Origin::Grid => messages::global_named(&c.label),
                    Some(c) => c.label.clone(),
                    None => format!("#{id}"),
                }
            }
        }
    }

    /// What is known of a column's answers.
    #[must_use]
    pub fn column_answers(&self, who: Who) -> Option<&Answers> {
        if who == Who::Hand {
            return self.preview.now.as_ref();
        }
        let id = self.candidate_of(who)?;
        match self.answers.fetched.get(&(id, self.answers.split)) {
            Some(Fetch::Here(answers)) => Some(answers),
            _ => None,
        }
    }

    /// A column's answer to a question.
    #[must_use]
    pub fn answer(&self, who: Who, question: usize) -> Option<&Answer> {
        let answers = &self.column_answers(who)?.answers;
        let there = answers.get(question).filter(|a| a.index == question);
        there.or_else(|| answers.iter().find(|a| a.index == question))
    }

    /// The column under the cursor.
    #[must_use]
    pub fn current_column(&self) -> Option<Who> {
        let columns = self.answer_columns();
        let there = |who: &Who| columns.contains(who);
        let best = Some(Who::Best).filter(there);
        self.answers.current.filter(there).or(best).or_else(|| columns.first().copied())
    }

    /// Place of the column under the cursor.
    #[must_use]
    pub fn current_place(&self) -> usize {
        let current = self.current_column();
        self.answer_columns().iter().position(|who| Some(*who) == current).unwrap_or(0)
    }

    /// The column that others are compared with.
    #[must_use]
    pub fn pinned_column(&self) -> Option<Who> {
        let columns = self.answer_columns();
        self.answers.pinned.filter(|p| columns.contains(p)).or_else(|| columns.first().copied())
    }

    /// Questions that pass the filter, by index.
    #[must_use]
    pub fn shown_questions(&self) -> Vec<usize> {
        let columns = self.answer_columns();
        let all: BTreeSet<usize> = columns
            .iter()
            .filter_map(|who| self.column_answers(*who))
            .flat_map(|a| a.answers.iter().map(|a| a.index))
            .collect();
        let filter = self.answers.filter;
        let (Some(here), Some(pinned)) = (self.current_column(), self.pinned_column()) else {
            return all.into_iter().collect();
        };
        all.into_iter().filter(|q| filter == Filter::All || self.passes(filter, here, pinned, *q)).collect()
    }

    fn passes(&self, filter: Filter, here: Who, pinned: Who, question: usize) -> bool {
        let (Some(a), Some(b)) = (self.answer(here, question), self.answer(pinned, question)) else {
            return false;
        };
        match filter {
            Filter::All => true,
            Filter::Different => (a.correct, &a.language, &a.number) != (b.correct, &b.language, &b.number),
            Filter::Gained => counts(a) && !counts(b),
            Filter::Lost => !counts(a) && counts(b),
        }
    }

    /// Asks for the answers that the open columns lack.
    pub(super) fn want_answers(&mut self) {
        let Some(run) = &self.run else { return };
        if !run.caught_up {
            return;
        }
        let session = run.state.name.clone();
        let columns = match self.pane {
            Pane::Answers => self.answer_columns(),
            // Where nothing streams (the session is at rest, its task picks among choices, its candidates
            // are too short) the best candidate's stored answers are shown.
            Pane::Evolve if run.streams.is_empty() => vec![Who::Best],
            _ => return,
        };
        let split = if self.pane == Pane::Answers { self.answers.split } else { Split::Train };
        for who in columns {
            let Some(candidate) = self.candidate_of(who) else { continue };
            if self.answers.fetched.contains_key(&(candidate, split)) {
                continue;
            }
            self.answers.fetched.insert((candidate, split), Fetch::Waiting);
            let command = Command::Answers { session: session.clone(), candidate, split };
            self.ask(Ask::Answers { session: session.clone(), candidate, split }, command);
        }
    }
}
