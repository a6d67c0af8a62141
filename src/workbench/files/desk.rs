//! A desk holds the hand work that the user has not saved to a file: the recipe in the editor, the models picked and
//! added, the candidates kept. The home has one desk and every session has one, each a JSON file that is written at
//! every change and read at the next start. `keep.rs` fills and restores them.

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

/// Version of the file's format.
const VERSION: u32 = 1;
/// Name of the file, in the home and in a session's folder.
const FILE: &str = "workbench.json";

/// Which desk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The home's desk: work done while no session was shown, and the models added.
    Home,
    Session(String),
}

/// The path of a file that can't be read, and the reason. The reason is `None` if a newer version wrote the file.
pub type Damaged = (PathBuf, Option<String>);

/// The file's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Desk {
    pub version: u32,
    /// The hand-made recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<Hand>,
    /// Home only: the models picked, if no stored recipe names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// Home only: models that the user named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Home only: the session whose desk holds the recipe edited last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Session only: candidates kept in the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<CandidateId>,
    /// Session only: candidates opened as columns in Answers.
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

    /// Reads a stored desk; the desk is empty if none is stored. A file that can't be read is moved aside, so that the
    /// next change does not overwrite it.
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

    /// Stores the desk. An empty desk has no file.
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

/// The desks as last stored, and the one that the recipe in the editor belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desks {
    pub(super) home: Desk,
    /// The shown session's desk, once it has been read.
    pub(super) session: Option<(String, Desk)>,
    /// The desk that the recipe in the editor belongs to; `None` until a desk has been read.
    pub(super) owner: Option<Whose>,
    /// A session was opened while the editor showed another desk's restored recipe, which is still unchanged.
    pub(super) foreign: bool,
    /// The user has been told that storing fails.
    pub failed: bool,
}
