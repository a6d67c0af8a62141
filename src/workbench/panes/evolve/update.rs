//! Carries out the actions of the Evolve pane: commands to the session, and work with a candidate.
//!
//! `update/mod.rs` calls it with an action; `update/choices.rs` and the recipe overlay call it with the user's choice.

use crate::session::protocol::{CandidateId, Command, Split, Status, Target};
use crate::workbench::action::EvolveAction;
use crate::workbench::action::row::Needs;
use crate::workbench::app::{App, Pane};
use crate::workbench::effect::Ask;
use crate::workbench::messages;
use crate::workbench::overlays::{Confirm, Does, Look, Overlay};
use crate::workbench::panes::answers::state::AnswerColumn;

/// The greatest number of sample questions. Further picks are left out.
const MOST_WATCHED: usize = 8;

impl App {
    /// The candidate that keys act on.
    #[must_use]
    pub fn current_candidate(&self) -> Option<CandidateId> {
        let run = self.run.as_ref()?;
        let listed = run.listed();
        let there = |id: &CandidateId| listed.iter().any(|e| e.candidate.id == *id);
        self.candidate.filter(there).or_else(|| listed.first().map(|e| e.candidate.id))
    }

    /// Moves the cursor through the population.
    pub(in crate::workbench) fn move_candidate(&mut self, rows: isize) {
        let current = self.current_candidate();
        let Some(run) = &self.run else { return };
        let listed: Vec<CandidateId> = run.listed().iter().map(|e| e.candidate.id).collect();
        let at = listed.iter().position(|id| Some(*id) == current).unwrap_or(0);
        let at = at.saturating_add_signed(rows).min(listed.len().saturating_sub(1));
        self.candidate = listed.get(at).copied();
    }

    /// Carries out an action of this pane.
    pub(in crate::workbench) fn act_evolve(&mut self, action: EvolveAction) {
        // The hand-made recipe is a column of Answers and can be shown without a session.
        let needs_session = action.row().needs == Needs::Session && action != EvolveAction::ShowRecipe;
        if needs_session && self.run.is_none() {
            return self.complain(messages::no_session());
        }
        match action {
            EvolveAction::StartEvolution => self.start_asked(),
            EvolveAction::ShowPlan => self.show_plan(),
            EvolveAction::PauseResume => self.pause_or_resume(),
            EvolveAction::Stop => self.ask_to_stop(),
            EvolveAction::OpenCandidate => self.open_candidate(),
            EvolveAction::EditCandidate => {
                if let Some(id) = self.current_candidate() {
                    self.edit_candidate(id);
                }
            }
            EvolveAction::Keep => self.keep(),
            EvolveAction::ShowRecipe => self.show_recipe(),
            EvolveAction::Watch => self.ask_questions(),
            EvolveAction::NextSample => {
                if let Some(run) = &mut self.run {
                    run.first_sample = (run.first_sample + 1) % run.watching.len().max(1);
                }
            }
        }
    }

    /// Pauses the session if it runs, else resumes it.
    fn pause_or_resume(&mut self) {
        let Some(run) = &self.run else { return };
        let session = run.state.name.clone();
        match run.status() {
            Status::New | Status::Running => {
                let done = messages::pauses(&session);
                self.ask(Ask::Order(done), Command::Pause { session });
            }
            Status::Paused | Status::Stopped => self.resume(&session),
            Status::Finished => self.say(messages::is_finished()),
        }
    }

    /// Asks the user whether to stop the session.
    fn ask_to_stop(&mut self) {
        let Some(run) = &self.run else { return };
        match run.status() {
            Status::Finished | Status::Stopped => self.say(messages::does_not_run()),
            Status::New | Status::Running | Status::Paused => {
                let question = messages::stop_question(&run.state.name);
                self.overlay = Some(Overlay::Confirm(Confirm::new(question, Does::Stop)));
            }
        }
    }

    /// Requests the training questions, so that the user can choose samples.
    fn ask_questions(&mut self) {
        let task = self.preview.task.clone();
        self.say(messages::reading_questions());
        self.ask(Ask::Questions, Command::Questions { task, split: Split::Train });
    }

    /// Requests that a session continues.
    pub(in crate::workbench) fn resume(&mut self, session: &str) {
        let done = messages::goes_on(session);
        self.ask(Ask::Order(done), Command::Resume { session: session.to_owned() });
    }

    /// Requests that the session on the screen stops.
    pub(in crate::workbench) fn stop(&mut self) {
        if let Some(session) = self.session().map(str::to_owned) {
            let done = messages::is_stopped(&session);
            self.ask(Ask::Order(done), Command::Stop { session });
        }
    }

    /// Opens the candidate under the cursor as a column of Answers.
    fn open_candidate(&mut self) {
        let Some(id) = self.current_candidate() else { return };
        let known = self.answer_columns();
        let there = known.into_iter().find(|who| self.candidate_of(*who) == Some(id));
        if there.is_none() {
            self.answers.opened.push(id);
        }
        self.answers.current = Some(there.unwrap_or(AnswerColumn::Candidate(id)));
        self.pane = Pane::Answers;
    }

    /// Keeps the candidate in the list and as a column of Answers, or stops keeping it.
    fn keep(&mut self) {
        let Some(id) = self.current_candidate() else { return };
        let Some(run) = &mut self.run else { return };
        let label = run.state.entry(id).map_or_else(String::new, |e| e.candidate.label.clone());
        if run.kept.remove(&id) {
            self.answers.opened.retain(|o| *o != id);
            self.say(messages::let_go(&label));
        } else {
            run.kept.insert(id);
            if !self.answers.opened.contains(&id) {
                self.answers.opened.push(id);
            }
            self.say(messages::kept(&label));
        }
    }

    /// Opens the recipe of the candidate, or of the column, under the cursor.
    fn show_recipe(&mut self) {
        let candidate = match self.pane {
            Pane::Answers => match self.current_column() {
                Some(AnswerColumn::Hand) => None,
                Some(who) => self.candidate_of(who),
                None => return,
            },
            Pane::Models | Pane::Recipe | Pane::Evolve => match self.current_candidate() {
                Some(id) => Some(id),
                None => return,
            },
        };
        let layers = self.run.as_ref().map_or(self.editor.layers, |r| r.state.layers);
        let look = match candidate {
            None => Look {
                candidate,
                label: messages::by_hand().to_owned(),
                recipe: Some(Box::new(self.editor.recipe.clone())),
                layers: self.editor.layers,
            },
            Some(id) => {
                let Some(entry) = self.run.as_ref().and_then(|r| r.state.entry(id)) else { return };
                let recipe = match &entry.candidate.target {
                    Target::Recipe(recipe) => Some(recipe.clone()),
                    Target::Model(_) => None,
                };
                Look { candidate, label: entry.candidate.label.clone(), recipe, layers }
            }
        };
        self.overlay = Some(Overlay::Look(look));
    }

    /// Changes the sample questions.
    pub(in crate::workbench) fn watch(&mut self, mut questions: Vec<usize>) {
        questions.truncate(MOST_WATCHED);
        let task = self.preview.task.clone();
        self.preview.ask_others(task, questions.clone());
        if let Some(session) = self.session().map(str::to_owned) {
            let done = messages::watching_others().to_owned();
            self.ask(Ask::Order(done), Command::Watch { session, questions });
        }
    }
}
