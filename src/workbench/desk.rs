//! What lies on a person's desk and is in no file of theirs: the recipe made by hand, the models
//! picked and added, the candidates kept. It is stored at every change, in one file for the home and
//! in one for each session, and taken up again at the next start.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::app::App;
use super::config::Pool;
use super::editor::Hand;
use super::effect::Effect;
use super::messages;
use super::write::write_over;
use crate::limits;
use crate::session::Home;
use crate::session::protocol::CandidateId;

/// Version of the file.
const VERSION: u32 = 1;
/// Name of the file, in the home and in a session's folder.
const FILE: &str = "workbench.json";

/// Whose desk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The home's: what was made while no session was shown, and the models added.
    Home,
    Session(String),
}

/// A file that can't be read, and why; none where a newer version wrote it.
pub type Damaged = (PathBuf, Option<String>);

/// What is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Desk {
    pub version: u32,
    /// The recipe made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<Hand>,
    /// Of the home: the models picked, where no recipe says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// Of the home: models named by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Of the home: the session with whose desk the last recipe lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Of a session: candidates kept in sight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<CandidateId>,
    /// Of a session: columns opened in Answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<CandidateId>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            version: VERSION,
            hand: None,
            pool: None,
            added: Vec::new(),
            last: None,
            kept: Vec::new(),
            opened: Vec::new(),
        }
    }
}

impl Desk {
    /// Where a desk is stored.
    #[must_use]
    pub fn path(home: &Home, whose: &Whose) -> PathBuf {
        match whose {
            Whose::Home => home.root().join(FILE),
            Whose::Session(name) => home.sessions().join(name).join(FILE),
        }
    }

    /// Reads what is stored; an empty desk where nothing is. A file that can't be read is put
    /// aside, so that the next change doesn't write over it.
    ///
    /// # Errors
    /// The file's path and what is wrong with it.
    pub fn read(home: &Home, whose: &Whose) -> Result<Self, Damaged> {
        let path = Self::path(home, whose);
        let text = match limits::read_text(&path, limits::TEXT_FILE) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(|e| e.to_string()),
        };
        let read = text.and_then(|text| serde_json::from_str::<Self>(&text).map_err(|e| e.to_string()));
        let why = match read {
            Ok(desk) if desk.version <= VERSION => return Ok(desk),
            Ok(_) => None,
            Err(why) => Some(why),
        };
        let _ = fs::rename(&path, path.with_extension("json.aside"));
        Err((path, why))
    }

    /// Stores it; an empty desk has no file.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if *self == Self::default() {
            return match fs::remove_file(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            };
        }
        let mut text = serde_json::to_string(self)?;
        text.push('\n');
        write_over(path, text.as_bytes())
    }
}

/// What of the desks is known to be stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desks {
    home: Desk,
    /// The shown session's, once it has been read.
    session: Option<(String, Desk)>,
    /// With whose desk the recipe in the editor lies; none until one is at hand.
    owner: Option<Whose>,
    /// A session was opened while a recipe of another desk lay there, taken up and not changed.
    foreign: bool,
    /// Told once that it can't be stored.
    pub failed: bool,
}

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
                self.editor = super::editor::Editor::new(&pool.base, &pool.sources, 0);
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
        self.models.pool.sources = super::editor::sources_of(&self.editor.recipe);
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
    pub(super) fn ask_desk(&mut self, session: &str) {
        self.desks.session = None;
        self.desks.foreign =
            self.editor.is_taken_up() && self.desks.owner != Some(Whose::Session(session.to_owned()));
        self.effects.push(Effect::ReadDesk(session.to_owned()));
    }

    /// Whether the recipe in the editor is of other models and lies with another desk, unchanged in
    /// this sitting: the session's own models take its place.
    pub(super) fn gives_way(&mut self, pool: &Pool) -> bool {
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
