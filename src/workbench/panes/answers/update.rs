//! Carries out the actions of the Answers pane: filter, comparison, zoom, copying, moving the cursor.
//!
//! `update/mod.rs` calls it with an action; the cursor keys and the mouse call it to move the cursor.

use crate::session::protocol::Split;
use crate::workbench::action::AnswersAction;
use crate::workbench::app::App;
use crate::workbench::effect::Effect;
use crate::workbench::messages;
use crate::workbench::overlays::Purpose;
use crate::workbench::panes::answers::state::AnswerColumn;

impl App {
    /// Index, in the split, of the question under the cursor.
    #[must_use]
    pub fn current_question(&self) -> Option<usize> {
        let shown = self.shown_questions();
        let chosen = self.answers.question?;
        // If the filter hides the chosen question, the cursor is on the next one shown.
        shown.iter().copied().find(|q| *q >= chosen).or_else(|| shown.last().copied())
    }

    /// Moves the cursor over questions and columns. In zoom it scrolls the texts.
    pub(in crate::workbench) fn move_answers(&mut self, rows: isize, columns: isize) {
        if columns != 0 {
            let all = self.answer_columns();
            let at = self.current_place().saturating_add_signed(columns);
            self.answers.current = all.get(at.min(all.len().saturating_sub(1))).copied();
            self.answers.scroll = 0;
        }
        if rows == 0 {
            return;
        }
        if self.answers.zoom {
            self.answers.scroll = self.answers.scroll.saturating_add_signed(rows);
            return;
        }
        let shown = self.shown_questions();
        let current = self.current_question().or_else(|| shown.first().copied());
        let at = shown.iter().position(|q| Some(*q) == current).unwrap_or(0);
        let at = at.saturating_add_signed(rows).min(shown.len().saturating_sub(1));
        self.answers.question = shown.get(at).copied();
        self.answers.scroll = 0;
    }

    /// Carries out an action of this pane.
    pub(in crate::workbench) fn act_answers(&mut self, action: AnswersAction) {
        match action {
            AnswersAction::Filter => {
                self.answers.filter = self.answers.filter.next();
                let shown = self.shown_questions().len();
                self.say(messages::questions_filtered(shown, self.answers.filter.name()));
            }
            AnswersAction::PinBaseline => {
                self.answers.pinned = self.current_column();
                if let Some(who) = self.answers.pinned {
                    self.say(messages::compared_with(&self.column_name(who)));
                }
            }
            AnswersAction::SwitchSplit => {
                self.answers.split = match self.answers.split {
                    Split::Train => Split::Test,
                    Split::Test => Split::Train,
                };
                self.answers.question = None;
                self.answers.scroll = 0;
            }
            AnswersAction::CopyAnswer => self.copy_answer(),
            AnswersAction::Export => {
                let name = self.session().unwrap_or("yosegi").to_owned();
                let text = format!("{name}-answers.csv");
                self.prompt(Purpose::Export, text);
            }
            AnswersAction::CloseColumn => match self.current_column() {
                Some(AnswerColumn::Candidate(id)) if self.answers.opened.contains(&id) => {
                    self.answers.opened.retain(|o| *o != id);
                }
                _ => self.say(messages::close_opened_only()),
            },
            AnswersAction::Zoom => {
                self.answers.zoom = !self.answers.zoom;
                self.answers.scroll = 0;
            }
        }
    }

    /// Copies the answer under the cursor to the clipboard.
    fn copy_answer(&mut self) {
        let question = self.current_question().or_else(|| self.shown_questions().first().copied());
        let answer = self.current_column().zip(question).and_then(|(who, q)| self.answer(who, q));
        if let Some(text) = answer.map(|a| a.text.clone()) {
            let letters = text.chars().count();
            self.effects.push(Effect::Copy(text));
            self.say(messages::letters_sent(letters));
        } else {
            self.say(messages::no_answer_here());
        }
    }
}
