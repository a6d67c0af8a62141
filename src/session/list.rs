//! All sessions of a home.

use super::home::Home;
use super::journal::{Reader, has_begun};
use super::lock::is_locked;
use super::protocol::{SessionRow, Status};

/// One line a session, the latest first. A journal that can't be read is left out.
#[must_use]
pub fn rows(home: &Home) -> Vec<SessionRow> {
    let mut rows: Vec<SessionRow> = home.session_names().iter().filter_map(|name| row(home, name)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.updated_ms));
    rows
}

fn row(home: &Home, name: &str) -> Option<SessionRow> {
    let state = Reader::open(home, name).ok()?.state().ok()?;
    if state.seq == 0 {
        return None;
    }
    let mut row = state.row();
    // The folder's name is what commands take, also after it has been renamed.
    name.clone_into(&mut row.name);
    if row.status == Status::Running && !is_locked(home, name) {
        // Its process was killed: it stands still and can be resumed.
        row.status = Status::Stopped;
        row.interrupted = true;
    }
    Some(row)
}

/// Whether a session's process was killed while it ran: nobody runs it and its journal has no end.
#[must_use]
pub fn is_interrupted(home: &Home, name: &str) -> bool {
    row(home, name).is_some_and(|row| row.interrupted)
}

/// Whether a session of this name has begun. One whose journal can't be read counts.
#[must_use]
pub fn exists(home: &Home, name: &str) -> bool {
    home.session(name).is_ok_and(|folder| has_begun(&folder.join("journal.db")))
}

/// `name`, or the first of `name-2`, `name-3`, … that no session has.
#[must_use]
pub fn fresh_name(home: &Home, name: &str) -> String {
    let numbered = |i: u32| if i == 1 { name.to_owned() } else { format!("{name}-{i}") };
    (1..u32::MAX).map(numbered).find(|name| !exists(home, name)).unwrap_or_else(|| name.to_owned())
}
