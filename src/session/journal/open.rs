//! Opens a journal's file for writing or for reading, also in a folder that this user can't write. A path comes in; a
//! `SQLite` connection or an error goes out. The journal and its reader call it.

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

/// How long to wait for another connection's transaction.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that reads a journal.
pub(super) struct Looking {
    pub db: Connection,
    /// This user can't write the file or its folder.
    pub read_only: bool,
    /// The temporary folder with the copy that is read, if a copy was needed.
    pub copy: Option<TempDir>,
}

/// Opens a journal's file for reading.
pub(super) fn look(path: &Path) -> Result<Looking, Trouble> {
    // The file's permissions are checked first, since SQLite reports missing permissions in many ways. The check does
    // not open the file: closing it would release every lock that this process has on it. The next reader in another
    // process would then take itself for the last one and remove the write-ahead log of the writer here.
    limits::regular_file(path).and_then(|()| may_read(path)).map_err(|e| Trouble::unreadable(path, &e))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let found = if may_write(path) && may_write(folder) {
        // Opened read-write although nothing is written: if the writer was killed, a reader of a WAL file must be able
        // to create its shared-memory file.
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

/// Opens a journal that this user can't write. If a write-ahead log lies beside the file, both are copied and the copy
/// is opened: reading the log needs a shared-memory file beside it.
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
    // The copies have the permissions of the originals.
    for file in ["journal.db", "journal.db-wal"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(copy.path().join(file), fs::Permissions::from_mode(0o600))?;
    }
    let db = Connection::open_with_flags(&inside, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    Ok(Looking { db, read_only: true, copy: Some(copy) })
}

/// The path as a URI with `immutable=1`, which tells `SQLite` not to look for changes.
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

/// Whether a journal's file holds anything. A process killed before its first event leaves a file without tables or
/// with empty ones. A file that is no journal counts as holding something.
pub(in crate::session) fn has_begun(path: &Path) -> bool {
    // A broken link counts too.
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

/// Prepares a connection for writing and creates the tables of a new file.
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

/// Refuses a file that is no journal, or a journal of a newer program.
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

    /// File locks belong to the process: closing the file anywhere in the process releases all of its locks.
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

    /// A user without write permission finds either the file alone, or the file with the log that a killed process
    /// left.
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
