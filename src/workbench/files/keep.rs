//! Restores hand work from the desks into the state, and requests that it is stored after every change. Start-up,
//! opening a session and `App::settle` call it.

use std::path::Path;

use super::desk::{Damaged, Desk, Whose};
use crate::workbench::app::App;
use crate::workbench::config::Pool;
use crate::workbench::editor;
use crate::workbench::editor::Hand;
use crate::workbench::effect::Effect;
use crate::workbench::messages;

impl App {
    /// Restores the home's desk. Models that the user named are listed again. The recipe and the picks are restored
    /// only if no session is requested (`alone`). `last` is the desk of the session that the last recipe belongs to.
    pub fn take_home_desk(&mut self, desk: Desk, last: Option<Desk>, alone: bool) {
        self.models.added.clone_from(&desk.added);
        if alone {
            self.desks.owner = Some(Whose::Home);
            let session = desk.last.clone().zip(last.and_then(|d| d.hand));
            if let Some(pool) = &desk.pool {
                self.models.pool = pool.clone();
                self.editor = editor::Editor::new(&pool.base, &pool.sources, 0);
            }
            if let Some((name, hand)) = session {
                self.desks.owner = Some(Whose::Session(name));
                self.take_hand(hand);
            } else if let Some(hand) = desk.hand.clone() {
                self.take_hand(hand);
            }
        }
        self.desks.home = desk;
    }

    fn take_hand(&mut self, hand: Hand) {
        self.editor.take_up(hand);
        self.editor.recipe.donor().clone_into(&mut self.models.pool.base);
        self.models.pool.sources = editor::sources_of(&self.editor.recipe);
    }

    /// Restores the desk of the shown session.
    pub fn take_desk(&mut self, session: &str, read: Result<Desk, Damaged>) {
        if self.session() != Some(session) {
            return;
        }
        let desk = match read {
            Ok(desk) => desk,
            Err((path, why)) => {
                self.desk_unreadable(&path, why.as_deref());
                Desk::default()
            }
        };
        let owner = Some(Whose::Session(session.to_owned()));
        if let Some(run) = &mut self.run {
            run.kept.extend(&desk.kept);
        }
        for id in &desk.opened {
            if !self.answers.opened.contains(id) {
                self.answers.opened.push(*id);
            }
        }
        if self.desks.owner == owner {
            // The recipe in the editor already belongs to this session.
        } else if let Some(hand) = desk.hand.clone() {
            // The editor's previous recipe is stored on its own desk.
            self.desks.foreign = false;
            self.take_hand(hand);
            self.say(messages::hand_is_back());
        }
        self.desks.owner = owner;
        self.desks.session = Some((session.to_owned(), desk));
    }

    /// Reports that a desk's file is damaged.
    pub fn desk_unreadable(&mut self, path: &Path, why: Option<&str>) {
        let why = why.unwrap_or(messages::newer_file());
        let text = messages::desk_unreadable(&path.display().to_string(), why);
        self.log.add(0, "warn", &text);
        self.complain(text);
    }

    /// Requests the desk of a session that is being opened.
    pub(in crate::workbench) fn ask_desk(&mut self, session: &str) {
        self.desks.session = None;
        self.desks.foreign =
            self.editor.is_taken_up() && self.desks.owner != Some(Whose::Session(session.to_owned()));
        self.effects.push(Effect::ReadDesk(session.to_owned()));
    }

    /// Whether a newly opened session's models replace the recipe in the editor. They do if the recipe was restored
    /// from another desk, merges other models, and has not been changed since.
    pub(in crate::workbench) fn gives_way(&mut self, pool: &Pool) -> bool {
        let foreign = std::mem::take(&mut self.desks.foreign);
        foreign && self.editor.is_taken_up() && self.models.pool != *pool
    }

    /// Requests that changed desks are stored. Called before every frame; an unchanged desk is not copied.
    pub fn keep_desks(&mut self) {
        if self.replay.is_some() {
            return;
        }
        if let Some((name, desk)) = self.changed_session_desk() {
            let whose = Whose::Session(name.clone());
            self.effects.push(Effect::Keep { whose, desk: Box::new(desk.clone()) });
            self.desks.session = Some((name, desk));
        }
        if let Some(desk) = self.changed_home_desk() {
            self.effects.push(Effect::Keep { whose: Whose::Home, desk: Box::new(desk.clone()) });
            self.desks.home = desk;
        }
    }

    /// The shown session's desk, if it differs from the stored one.
    fn changed_session_desk(&self) -> Option<(String, Desk)> {
        let run = self.run.as_ref()?;
        let (name, before) = self.desks.session.as_ref().filter(|(name, _)| *name == run.state.name)?;
        let same = self.editor.is_hand(before.hand.as_ref())
            && before.kept.iter().eq(&run.kept)
            && before.opened == self.answers.opened;
        let now = || Desk {
            hand: self.editor.hand(),
            kept: run.kept.iter().copied().collect(),
            opened: self.answers.opened.clone(),
            ..Desk::default()
        };
        (!same).then(|| (name.clone(), now()))
    }

    /// The home's desk, if it differs from the stored one.
    fn changed_home_desk(&self) -> Option<Desk> {
        let before = &self.desks.home;
        let mut last = before.last.as_ref();
        // Work done while no session was shown: the recipe, else the picks.
        let mut work = None;
        match &self.desks.owner {
            Some(Whose::Home) => {
                last = None;
                if self.run.is_none() {
                    let picked = !self.editor.is_touched() && self.models.pool != self.config.pool();
                    work = Some(picked.then_some(&self.models.pool));
                }
            }
            Some(Whose::Session(name)) if self.editor.is_touched() => last = Some(name),
            Some(Whose::Session(_)) | None => {}
        }
        let same = before.added == self.models.added
            && before.last.as_ref() == last
            && work
                .is_none_or(|pool| before.pool.as_ref() == pool && self.editor.is_hand(before.hand.as_ref()));
        if same {
            return None;
        }
        let mut now = Desk { added: self.models.added.clone(), last: last.cloned(), ..before.clone() };
        if let Some(pool) = work {
            now.pool = pool.cloned();
            now.hand = self.editor.hand();
        }
        Some(now)
    }

    /// Reports that a desk could not be stored. The user is told only once.
    pub fn not_kept(&mut self, path: &Path, why: &str) {
        if !std::mem::replace(&mut self.desks.failed, true) {
            let text = messages::desk_not_kept(&path.display().to_string(), why);
            self.log.add(0, "warn", &text);
            self.complain(text);
        }
    }
}
