//! Opening a journal's file: for writing, or for looking at it, also where nothing may be written.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::schema::{APPLICATION_ID, SCHEMA};
use super::trouble::Trouble;
use crate::limits;
use crate::session::home::access::{may_read, may_write};
use crate::session::protocol::VERSION;

/// How long another's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection for looking at a journal.
pub(super) struct Looking {
    pub db: Connection,
    /// Nothing may be written there.
    pub read_only: bool,
    /// Holds the copy that is looked at, where it is one.
    pub copy: Option<TempDir>,
}

/// Opens a journal's file to look at it.
pub(super) fn look(path: &Path) -> Result<Looking, Trouble> {
    // The file first: SQLite tells a missing right in many ways. It is not opened for that: closing it would
    // let go of every lock that this process has on it, and the next reader elsewhere, taking itself for the last,
    // would remove the log from under the writer here.
    limits::regular_file(path).and_then(|()| may_read(path)).map_err(|e| Trouble::unreadable(path, &e))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let found = if may_write(path) && may_write(folder) {
        // Read-write flags without writing: a reader of a WAL file must be able to make its shared-memory file
        // when the writer was killed.
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|e| Trouble::of(path, &e))?;
        Looking { db, read_only: false, copy: None }
    } else {
        look_only(path).map_err(|e| Trouble::unreadable(path, &e))?
    };
    check(&found.db, path)?;
    found.db.pragma_update(None, "query_only", true).map_err(|e| Trouble::of(path, &e))?;
    Ok(found)
}

/// Where nothing may be written. A log of changes beside the file can't be read in place then (it needs shared
/// memory beside it): a copy of both can.
fn look_only(path: &Path) -> Result<Looking, Box<dyn std::error::Error>> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    let has_log = match fs::metadata(&log) {
        Ok(about) => about.len() > 0,
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(e) => return Err(e.into()),
    };
    if !has_log {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(unchanging(path), flags)?;
        return Ok(Looking { db, read_only: true, copy: None });
    }
    let copy = tempfile::Builder::new().prefix("yosegi-").tempdir()?;
    let inside = copy.path().join("journal.db");
    fs::copy(path, &inside)?;
    fs::copy(&log, copy.path().join("journal.db-wal"))?;
    // A copy has the rights of what it was copied from.
    for file in ["journal.db", "journal.db-wal"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(copy.path().join(file), fs::Permissions::from_mode(0o600))?;
    }
    let db = Connection::open_with_flags(&inside, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    Ok(Looking { db, read_only: true, copy: Some(copy) })
}

/// The path as an address that tells `SQLite` not to look for changes.
fn unchanging(path: &Path) -> std::ffi::OsString {
    let mut out = b"file:".to_vec();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'?' | b'#' | b'%' => out.extend(format!("%{byte:02x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.extend(b"?immutable=1");
    std::os::unix::ffi::OsStringExt::from_vec(out)
}

/// Whether there is anything in a journal's file. A process killed before its first event leaves
/// a file without tables, or with empty ones; a file that is no journal counts as something.
pub(in crate::session) fn has_begun(path: &Path) -> bool {
    // A link that leads nowhere is something too.
    let Ok(about) = fs::symlink_metadata(path) else { return false };
    if !about.is_file() {
        return true;
    }
    let begun = || -> rusqlite::Result<bool> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.busy_timeout(PATIENCE)?;
        let is = |sql: &str| db.query_row(sql, [], |row| row.get::<_, bool>(0));
        Ok(!is("SELECT count(*) = 0 FROM sqlite_master")? && is("SELECT EXISTS (SELECT 1 FROM events)")?)
    };
    begun().unwrap_or(true)
}

/// Sets a connection up for writing and makes the tables of a new file.
pub(super) fn prepare(db: &Connection, path: &Path, fresh: bool) -> Result<(), Trouble> {
    let broken = |e: rusqlite::Error| Trouble::of(path, &e);
    db.busy_timeout(PATIENCE).map_err(broken)?;
    let empty: bool =
        db.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get(0)).map_err(broken)?;
    if empty && fresh {
        db.pragma_update(None, "application_id", APPLICATION_ID).map_err(broken)?;
        db.pragma_update(None, "user_version", VERSION).map_err(broken)?;
    } else {
        check(db, path)?;
    }
    db.pragma_update(None, "journal_mode", "WAL").map_err(broken)?;
    db.pragma_update(None, "synchronous", "NORMAL").map_err(broken)?;
    db.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;")).map_err(broken)
}

/// Refuses what is no journal, or one of a newer program.
fn check(db: &Connection, path: &Path) -> Result<(), Trouble> {
    let broken = |e: rusqlite::Error| Trouble::of(path, &e);
    db.busy_timeout(PATIENCE).map_err(broken)?;
    let id: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(broken)?;
    if id != APPLICATION_ID {
        let empty = fs::metadata(path).is_ok_and(|about| about.len() == 0);
        return Err(if empty { Trouble::empty(path) } else { Trouble::foreign(path) });
    }
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(broken)?;
    if version > i64::from(VERSION) { Err(Trouble::newer(path, version)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::{Journal, Reader};
    use super::*;
    use crate::session::Home;
    use crate::session::protocol::Event;

    fn count(db: &Connection) -> u64 {
        db.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap()
    }

    /// Locks of a file are a process's: who closes it in any place lets go of them in all.
    #[test]
    fn looking_at_a_journal_leaves_its_writer_the_locks() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let mut journal = Journal::create(&home, "s").unwrap();
        journal.append(&Event::Paused, None).unwrap();
        let path = home.session("s").unwrap().join("journal.db");
        let locks = || {
            let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
            let own = format!(" {} ", std::process::id());
            let all = fs::read_to_string("/proc/locks").unwrap_or_default();
            all.lines().filter(|l| l.contains(&own) && l.contains(&format!(":{inode} "))).count()
        };
        let before = locks();
        let reader = Reader::open(&home, "s").unwrap();
        assert_eq!(count_of(&reader), 1);
        drop(reader);
        assert!(before > 0 && locks() == before, "{before} locks before, {} after", locks());
    }

    fn count_of(reader: &Reader) -> u64 {
        reader.last_seq().unwrap()
    }

    /// What a user finds who may not write: the file alone, or with the log that a killed process left.
    #[test]
    fn a_journal_is_looked_at_where_nothing_may_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("a #home?"));
        let mut journal = Journal::create(&home, "s").unwrap();
        for i in 0..20 {
            journal.append(&Event::Stopped { reason: i.to_string() }, None).unwrap();
        }
        let path = home.session("s").unwrap().join("journal.db");
        let seen = look_only(&path).unwrap();
        assert!(seen.read_only && seen.copy.is_some());
        assert_eq!(count(&seen.db), 20);
        drop(journal);
        let seen = look_only(&path).unwrap();
        assert!(seen.read_only && seen.copy.is_none(), "the log went into the file when it was closed");
        assert_eq!(count(&seen.db), 20);
        assert!(Reader::open(&home, "s").unwrap().must_be_writable().is_ok());
        assert!(may_write(&path) && !may_write(&path.with_file_name("none")));
    }
}
