//! The table of answers, computed from the state: its columns, each column's answers, the questions that pass
//! the filter, and the requests for answers that are still missing. Drawing, keys and export call it.

use std::collections::BTreeSet;

use super::state::{AnswerColumn, FetchedAnswers, QuestionFilter};
use crate::session::protocol::{Answer, Answers, CandidateId, Command, Origin, Split};
use crate::workbench::app::{App, Pane};
use crate::workbench::effect::Ask;
use crate::workbench::messages;

impl App {
    /// Columns of the Answers pane, from left to right.
    #[must_use]
    pub fn answer_columns(&self) -> Vec<AnswerColumn> {
        let mut out = Vec::new();
        if let Some(run) = &self.run {
            out.extend(run.references().iter().map(|e| AnswerColumn::Candidate(e.candidate.id)));
            if run.state.best.is_some() {
                out.push(AnswerColumn::Best);
            }
        }
        if self.preview.now.is_some() && self.answers.split == Split::Train {
            out.push(AnswerColumn::Hand);
        }
        out.extend(self.answers.opened.iter().map(|id| AnswerColumn::Candidate(*id)));
        out
    }

    /// The candidate behind a column.
    #[must_use]
    pub fn candidate_of(&self, who: AnswerColumn) -> Option<CandidateId> {
        match who {
            AnswerColumn::Candidate(id) => Some(id),
            AnswerColumn::Best => self.run.as_ref()?.state.best,
            AnswerColumn::Hand => None,
        }
    }

    /// Heading of a column.
    #[must_use]
    pub fn column_name(&self, who: AnswerColumn) -> String {
        match who {
            AnswerColumn::Best => messages::best_name().to_owned(),
            AnswerColumn::Hand => messages::by_hand().to_owned(),
            AnswerColumn::Candidate(id) => {
                let entry = self.run.as_ref().and_then(|r| r.state.entry(id));
                match entry.map(|e| &e.candidate) {
                    Some(c) if c.origin == Origin::Grid => messages::global_named(&c.label),
                    Some(c) => c.label.clone(),
                    None => format!("#{id}"),
                }
            }
        }
    }

    /// The answers of a column, once they have arrived.
    #[must_use]
    pub fn column_answers(&self, who: AnswerColumn) -> Option<&Answers> {
        if who == AnswerColumn::Hand {
            return self.preview.now.as_ref();
        }
        let id = self.candidate_of(who)?;
        match self.answers.fetched.get(&(id, self.answers.split)) {
            Some(FetchedAnswers::Here(answers)) => Some(answers),
            _ => None,
        }
    }

    /// A column's answer to a question.
    #[must_use]
    pub fn answer(&self, who: AnswerColumn, question: usize) -> Option<&Answer> {
        let answers = &self.column_answers(who)?.answers;
        let there = answers.get(question).filter(|a| a.index == question);
        there.or_else(|| answers.iter().find(|a| a.index == question))
    }

    /// The column under the cursor.
    #[must_use]
    pub fn current_column(&self) -> Option<AnswerColumn> {
        let columns = self.answer_columns();
        let there = |who: &AnswerColumn| columns.contains(who);
        let best = Some(AnswerColumn::Best).filter(there);
        self.answers.current.filter(there).or(best).or_else(|| columns.first().copied())
    }

    /// Index of the column under the cursor.
    #[must_use]
    pub fn current_place(&self) -> usize {
        let current = self.current_column();
        self.answer_columns().iter().position(|who| Some(*who) == current).unwrap_or(0)
    }

    /// The pinned column, with which the others are compared.
    #[must_use]
    pub fn pinned_column(&self) -> Option<AnswerColumn> {
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
        all.into_iter()
            .filter(|q| filter == QuestionFilter::All || self.passes(filter, here, pinned, *q))
            .collect()
    }

    fn passes(
        &self,
        filter: QuestionFilter,
        here: AnswerColumn,
        pinned: AnswerColumn,
        question: usize,
    ) -> bool {
        let (Some(a), Some(b)) = (self.answer(here, question), self.answer(pinned, question)) else {
            return false;
        };
        match filter {
            QuestionFilter::All => true,
            QuestionFilter::Different => {
                (a.correct, &a.language, &a.number) != (b.correct, &b.language, &b.number)
            }
            QuestionFilter::Gained => a.counts() && !b.counts(),
            QuestionFilter::Lost => !a.counts() && b.counts(),
        }
    }

    /// Requests the answers that the open columns lack.
    pub(in crate::workbench) fn want_answers(&mut self) {
        let Some(run) = &self.run else { return };
        if !run.caught_up {
            return;
        }
        let session = run.state.name.clone();
        let columns = match self.pane {
            Pane::Answers => self.answer_columns(),
            // If nothing streams (the session does not run, its task is multiple choice, or its candidates finish
            // too fast), Evolve shows the best candidate's stored answers.
            Pane::Evolve if run.streams.is_empty() => vec![AnswerColumn::Best],
            _ => return,
        };
        let split = if self.pane == Pane::Answers { self.answers.split } else { Split::Train };
        for who in columns {
            let Some(candidate) = self.candidate_of(who) else { continue };
            if self.answers.fetched.contains_key(&(candidate, split)) {
                continue;
            }
            self.answers.fetched.insert((candidate, split), FetchedAnswers::Waiting);
            let command = Command::Answers { session: session.clone(), candidate, split };
            self.ask(Ask::Answers { session: session.clone(), candidate, split }, command);
        }
    }
}
