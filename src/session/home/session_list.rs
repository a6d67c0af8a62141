//! The list of all sessions of a home, and free session names. `yosegi sessions`, the workbench's list and the engine
//! call it.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::Home;
use super::lock::is_locked;
use crate::session::journal::{Reader, Trouble, TroubleKind, has_begun};
use crate::session::protocol::{SessionRow, Status};
use crate::session::state::SessionState;

/// One row per session, the latest first. The row of a journal that can't be read completely says so.
///
/// # Errors
/// The folder of all sessions exists and can't be read.
pub fn rows(home: &Home) -> anyhow::Result<Vec<SessionRow>> {
    let mut rows: Vec<SessionRow> =
        home.session_folders()?.iter().filter_map(|name| row(home, name)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.updated_ms));
    Ok(rows)
}

fn row(home: &Home, name: &str) -> Option<SessionRow> {
    let path = home.session(name).ok()?.join("journal.db");
    let read = Reader::open(home, name).and_then(|reader| {
        let (state, lost) = reader.legible_state()?;
        Ok((state, lost.or_else(|| reader.read_only_trouble())))
    });
    let (state, problem) = match read {
        Ok((state, None)) if state.seq == 0 => {
            // Its process is about to write the first event.
            if is_locked(home, name) {
                return None;
            }
            (state, Some(Trouble::empty(&path)))
        }
        Ok(found) => found,
        Err(_) if is_locked(home, name) && !has_begun(&path) => return None,
        Err(why) => {
            let trouble = why
                .downcast::<Trouble>()
                .unwrap_or_else(|why| Trouble { kind: TroubleKind::Unreadable, what: format!("{why:#}") });
            (SessionState::default(), Some(trouble))
        }
    };
    let mut row = SessionRow { problem, ..state.row() };
    if row.updated_ms == 0 {
        row.updated_ms = changed_ms(&path);
    }
    // Commands use the folder's name, which may have been changed.
    name.clone_into(&mut row.name);
    let whole = row.problem.as_ref().is_none_or(|p| p.kind == TroubleKind::ReadOnly);
    if whole && row.status == Status::Running && !is_locked(home, name) {
        // The session's process was killed; the session can be resumed.
        row.status = Status::Stopped;
        row.interrupted = true;
    }
    Some(row)
}

/// When a file was last written, for a journal that can't be read.
fn changed_ms(path: &Path) -> u64 {
    let changed = std::fs::symlink_metadata(path).and_then(|about| about.modified());
    let since = changed.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| d.as_millis() as u64)
}

/// Whether a session's process was killed during the run: no process runs it and its journal has no end.
#[must_use]
pub fn is_interrupted(home: &Home, name: &str) -> bool {
    row(home, name).is_some_and(|row| row.interrupted)
}

/// Whether a session of this name has begun. A session whose journal can't be read counts too.
#[must_use]
pub fn exists(home: &Home, name: &str) -> bool {
    home.session(name).is_ok_and(|folder| has_begun(&folder.join("journal.db")))
}

/// `name` if it is free, or the first free one of `name-2`, `name-3`, ….
#[must_use]
pub fn fresh_name(home: &Home, name: &str) -> String {
    let numbered = |i: u32| if i == 1 { name.to_owned() } else { format!("{name}-{i}") };
    (1..u32::MAX).map(numbered).find(|name| !exists(home, name)).unwrap_or_else(|| name.to_owned())
}
