//! What lies on a person's desk and is in no file of theirs: the recipe made by hand, the models
//! picked and added, the candidates kept. It is stored at every change, in one file for the home and
//! in one for each session, and taken up again at the next start.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::session::Home;
use crate::session::protocol::CandidateId;
use crate::workbench::config::Pool;
use crate::workbench::editor::Hand;
use crate::workbench::files::write::write_over;

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
    pub(super) home: Desk,
    /// The shown session's, once it has been read.
    pub(super) session: Option<(String, Desk)>,
    /// With whose desk the recipe in the editor lies; none until one is at hand.
    pub(super) owner: Option<Whose>,
    /// A session was opened while a recipe of another desk lay there, taken up and not changed.
    pub(super) foreign: bool,
    /// Told once that it can't be stored.
    pub failed: bool,
}
