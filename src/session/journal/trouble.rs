//! Reasons why a journal can't be read, or only in part. `SQLite` and file errors come in; a sentence with what to do
//! goes out. The journal's files raise them, and the sessions list shows their names.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::session::protocol::VERSION;

/// The kind of trouble. Its name appears in the list of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// A part of the file can't be read.
    Damaged,
    /// A newer Yosegi has written the journal.
    Newer,
    /// The file is not a journal.
    Foreign,
    /// The file is empty.
    Empty,
    /// This user may not read the file, or the disk fails.
    Unreadable,
    /// The journal can be read but not written, so the session can't be resumed.
    ReadOnly,
}

impl TroubleKind {
    /// The name in the list of sessions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Newer => "newer",
            Self::Foreign => "foreign",
            Self::Empty => "empty",
            Self::Unreadable => "unreadable",
            Self::ReadOnly => "read-only",
        }
    }
}

/// The kind and the sentence: which file, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    pub kind: TroubleKind,
    pub what: String,
}

impl Trouble {
    fn new(kind: TroubleKind, what: &str) -> Self {
        // The text may contain words from the damaged file.
        Self { kind, what: crate::limits::shown(what) }
    }

    pub(super) fn newer(path: &Path, version: i64) -> Self {
        let what = format!(
            "{} was written by a newer Yosegi (journal version {version}, this one knows {VERSION}): update yosegi",
            path.display()
        );
        Self::new(TroubleKind::Newer, &what)
    }

    pub(super) fn foreign(path: &Path) -> Self {
        let what = format!(
            "{} is no journal of Yosegi: move it away or choose another session name",
            path.display()
        );
        Self::new(TroubleKind::Foreign, &what)
    }

    pub(crate) fn empty(path: &Path) -> Self {
        let what = format!(
            "{} holds no events: its process was killed before it began, or the file was emptied; start the session \
             again under this name, copy the file back from a backup, or delete the session's folder",
            path.display()
        );
        Self::new(TroubleKind::Empty, &what)
    }

    pub(super) fn read_only(path: &Path) -> Self {
        let what = format!(
            "{} cannot be written by this user: the session can be looked at; to go on with it, make the file and its \
             folder writable, or copy the session's folder into another YOSEGI_HOME",
            path.display()
        );
        Self::new(TroubleKind::ReadOnly, &what)
    }

    pub(super) fn unreadable(path: &Path, error: &impl std::fmt::Display) -> Self {
        let what = format!(
            "{} cannot be read ({error}): check who may read the file and its folder, or copy it back from a backup",
            path.display()
        );
        Self::new(TroubleKind::Unreadable, &what)
    }

    /// The file is damaged after `read` readable events, counted from number `since` on.
    pub(super) fn damaged_after(
        path: &Path,
        error: &impl std::fmt::Display,
        read: usize,
        since: u64,
    ) -> Self {
        let what = format!(
            "{} is damaged ({error}): {read} events from number {} on can be read and the rest is lost; copy it back \
             from a backup, or begin another session at its best with search.start = \"session:{}\"",
            path.display(),
            since.max(1),
            path.parent()
                .and_then(Path::file_name)
                .map_or_else(|| "NAME".into(), |name| name.to_string_lossy())
        );
        Self::new(TroubleKind::Damaged, &what)
    }

    pub(super) fn answer(path: &Path, candidate: u64, error: &impl std::fmt::Display) -> Self {
        let what = format!(
            "{}: an answer of candidate {candidate} cannot be read ({error}): copy the file back from a backup",
            path.display()
        );
        Self::new(TroubleKind::Damaged, &what)
    }

    /// A sentence for an error that `SQLite` reports about a file.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure,
        };
        if let Some(DatabaseBusy | DatabaseLocked) = error.sqlite_error_code() {
            let what = format!("{} is in use by another program ({error}): try again", path.display());
            return Self::new(TroubleKind::Unreadable, &what);
        }
        if let Some(CannotOpen | DiskFull | PermissionDenied | ReadOnly | SystemIoFailure) =
            error.sqlite_error_code()
        {
            let what = format!(
                "{} cannot be read or written ({error}): free some space there, or set YOSEGI_HOME to another folder",
                path.display()
            );
            return Self::new(TroubleKind::Unreadable, &what);
        }
        let what = format!(
            "{} cannot be read as a journal ({error}): copy it back from a backup, or delete the session's folder",
            path.display()
        );
        Self::new(TroubleKind::Damaged, &what)
    }
}
