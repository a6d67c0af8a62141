//! Keys of the Evolve pane.

use crate::session::protocol::{CandidateId, Command, Status};
use crate::workbench::action::Action;
use crate::workbench::answers::Who;
use crate::workbench::app::{App, Pane};
use crate::workbench::effect::Ask;
use crate::workbench::overlays::{Confirm, Overlay, Prompt, Purpose};
use crate::workbench::words;

impl App {
    /// The candidate that keys act on.
    #[must_use]
    pub fn current_candidate(&self) -> Option<CandidateId> {
        let run = self.run.as_ref()?;
        let listed = run.listed();
        let there = |id: &CandidateId| listed.iter().any(|e| e.candidate.id == *id);
        self.candidate.filter(there).or_else(|| listed.first().map(|e| e.candidate.id))
    }

    pub(super) fn move_candidate(&mut self, rows: isize) {
        let current = self.current_candidate();
        let Some(run) = &self.run else { return };
        let listed: Vec<CandidateId> = run.listed().iter().map(|e| e.candidate.id).collect();
        let at = listed.iter().position(|id| Some(*id) == current).unwrap_or(0);
        let at = at.saturating_add_signed(rows).min(listed.len().saturating_sub(1));
        self.candidate = listed.get(at).copied();
    }

    pub(super) fn act_evolve(&mut self, action: Action) {
        if action == Action::Watch {
            let text: Vec<String> = self.trial.questions.iter().map(usize::to_string).collect();
            self.overlay = Some(Overlay::Prompt(Prompt::new(Purpose::Watch, text.join(" "))));
            return;
        }
        let Some(run) = &mut self.run else {
            self.complain(words::no_session());
            return;
        };
        let session = run.state.name.clone();
        match action {
            Action::PauseResume => match run.status() {
                Status::New | Status::Running => {
                    let done = words::pauses(&session);
                    self.ask(Ask::Order(done), Command::Pause { session });
                }
                Status::Paused | Status::Stopped => self.resume(&session),
                Status::Finished => self.say(words::is_finished()),
            },
            Action::Stop => match run.status() {
                Status::Finished | Status::Stopped => self.say(words::does_not_run()),
                _ => {
                    let question = words::stop_question(&session);
                    self.overlay = Some(Overlay::Confirm(Confirm::new(question, Confirm::STOP)));
                }
            },
            Action::NextSample => {
                run.first_sample = (run.first_sample + 1) % run.watching.len().max(1);
            }
            Action::EditCandidate => {
                if let Some(id) = self.current_candidate() {
                    self.edit_candidate(id);
                }
            }
            _ => self.open_candidate(),
        }
    }

    /// Asks for a session to go on.
    pub(super) fn resume(&mut self, session: &str) {
        let done = words::goes_on(session);
        self.ask(Ask::Order(done), Command::Resume { session: session.to_owned() });
    }

    /// Asks for the session on the screen to end.
    pub(super) fn stop(&mut self) {
        if let Some(session) = self.session().map(str::to_owned) {
            let done = words::is_stopped(&session);
            self.ask(Ask::Order(done), Command::Stop { session });
        }
    }

    fn open_candidate(&mut self) {
        let Some(id) = self.current_candidate() else { return };
        let known = self.answer_columns();
        let there = known.into_iter().find(|who| self.candidate_of(*who) == Some(id));
        if there.is_none() {
            self.answers.opened.push(id);
        }
        self.answers.current = Some(there.unwrap_or(Who::Candidate(id)));
        self.pane = Pane::Answers;
    }

    /// Changes the sample questions to those in `text`.
    pub(super) fn watch(&mut self, text: &str) {
        let numbers: Result<Vec<usize>, _> =
            text.split([' ', ',']).filter(|w| !w.is_empty()).map(str::parse).collect();
        let of = self.run.as_ref().map_or(usize::MAX, |r| r.state.train_questions);
        match numbers {
            Ok(list) if list.is_empty() => self.complain(words::name_a_question()),
            Ok(list) if list.iter().any(|q| *q >= of) => {
                self.complain(words::question_range(of.saturating_sub(1)));
            }
            Ok(mut list) => {
                list.truncate(8);
                let task = self.trial.task.clone();
                self.trial.ask_others(task, list.clone());
                if let Some(session) = self.session().map(str::to_owned) {
                    let done = words::watching_others().to_owned();
                    self.ask(Ask::Order(done), Command::Watch { session, questions: list });
                }
            }
            Err(_) => self.complain(words::not_question_numbers(text)),
        }
    }
}
