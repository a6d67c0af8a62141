//! Takes stored hand work up into the state, and stores it again at every change.

use std::path::Path;

use super::desk::{Damaged, Desk, Whose};
use crate::workbench::app::App;
use crate::workbench::config::Pool;
use crate::workbench::editor;
use crate::workbench::editor::Hand;
use crate::workbench::effect::Effect;
use crate::workbench::messages;

impl App {
    /// Takes up what lay on the home's desk. Models named by hand stay listed; the recipe and the
    /// picks come back where no session is asked for. `last` is the desk of the session with which
    /// the last recipe lies.
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

    /// What lay on the shown session's desk is here.
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
            // The recipe in the editor is this session's already.
        } else if let Some(hand) = desk.hand.clone() {
            // What was in the editor lies with its own desk.
            self.desks.foreign = false;
            self.take_hand(hand);
            self.say(messages::hand_is_back());
        }
        self.desks.owner = owner;
        self.desks.session = Some((session.to_owned(), desk));
    }

    /// Says that a desk's file is damaged.
    pub fn desk_unreadable(&mut self, path: &Path, why: Option<&str>) {
        let why = why.unwrap_or(messages::newer_file());
        let text = messages::desk_unreadable(&path.display().to_string(), why);
        self.log.add(0, "warn", &text);
        self.complain(text);
    }

    /// A session is opened: its desk is read.
    pub(in crate::workbench) fn ask_desk(&mut self, session: &str) {
        self.desks.session = None;
        self.desks.foreign =
            self.editor.is_taken_up() && self.desks.owner != Some(Whose::Session(session.to_owned()));
        self.effects.push(Effect::ReadDesk(session.to_owned()));
    }

    /// Whether the recipe in the editor is of other models and lies with another desk, unchanged in
    /// this sitting: the session's own models take its place.
    pub(in crate::workbench) fn gives_way(&mut self, pool: &Pool) -> bool {
        let foreign = std::mem::take(&mut self.desks.foreign);
        foreign && self.editor.is_taken_up() && self.models.pool != *pool
    }

    /// Stores what has changed on the desks.
    pub fn keep_desks(&mut self) {
        if self.replay.is_some() {
            return;
        }
        let hand = self.editor.hand();
        let shown = self.session().map(str::to_owned);
        let ready = self.desks.session.as_ref().filter(|(name, _)| Some(name) == shown.as_ref());
        if let (Some((name, before)), Some(run)) = (ready, &self.run) {
            let now = Desk {
                hand: hand.clone(),
                kept: run.kept.iter().copied().collect(),
                opened: self.answers.opened.clone(),
                ..Desk::default()
            };
            if now != *before {
                let (name, whose) = (name.clone(), Whose::Session(name.clone()));
                self.effects.push(Effect::Keep { whose, desk: Box::new(now.clone()) });
                self.desks.session = Some((name, now));
            }
        }
        let mut now = Desk { added: self.models.added.clone(), ..self.desks.home.clone() };
        match &self.desks.owner {
            Some(Whose::Home) => {
                now.last = None;
                if shown.is_none() {
                    let picked = self.models.pool != self.config.pool();
                    now.pool = (hand.is_none() && picked).then(|| self.models.pool.clone());
                    now.hand = hand;
                }
            }
            Some(Whose::Session(name)) if hand.is_some() => now.last = Some(name.clone()),
            Some(Whose::Session(_)) | None => {}
        }
        if now != self.desks.home {
            self.effects.push(Effect::Keep { whose: Whose::Home, desk: Box::new(now.clone()) });
            self.desks.home = now;
        }
    }

    /// A desk could not be stored: said once.
    pub fn not_kept(&mut self, path: &Path, why: &str) {
        if !std::mem::replace(&mut self.desks.failed, true) {
            let text = messages::desk_not_kept(&path.display().to_string(), why);
            self.log.add(0, "warn", &text);
            self.complain(text);
        }
    }
}
