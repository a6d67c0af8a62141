//! The journal of a session: one `SQLite` file with an append-only table of events, a table of answers, and the
//! fingerprints of all files that the session reads. The engine writes it. State, resume, report and the answers on the
//! screen are computed from it; a session is stored nowhere else.
//!
//! A candidate's answers and its event are written in one transaction, so a killed run loses at most the candidate that
//! is being measured. The journal uses WAL with `synchronous = NORMAL`: a killed process loses no commit. A power cut
//! may lose the last few commits, never the file, and the resumed run computes the same ones again. `FULL` would only
//! save these commits, at the price of a disk flush for every candidate.
//!
//! One process writes, holding an exclusive lock on `lock` beside the file. Any number of processes may read.

mod open;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod trouble;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rusqlite::{Connection, Transaction, params};

use super::home::lock::lock;
use super::home::{Home, access::may_write, exists_sentence, missing_sentence};
use super::protocol::{Answer, CandidateId, Cost, Event, Record, Split, VERSION};
use crate::checkpoint::Fingerprint;
use crate::error::BadInput;
use crate::evaluate::StoredQuestion;
pub(super) use open::has_begun;
use reader::Db;
pub use reader::Reader;
use schema::{StoredAnswer, images_text, kind, split_name};
pub use trouble::{Trouble, TroubleKind};

/// A journal open for writing. Until it is dropped, nobody else can open the journal for writing.
pub struct Journal {
    db: Connection,
    path: PathBuf,
    next: u64,
    _lock: File,
}

impl Journal {
    /// Starts the journal of a new session. It is an error if a session of that name has any event. A folder left by a
    /// process that died before its first event is reused.
    ///
    /// # Errors
    /// The session exists already, another process holds its lock, or the file can't be made.
    pub fn create(home: &Home, name: &str) -> anyhow::Result<Self> {
        home.create()?;
        let dir = home.session(name)?;
        std::fs::create_dir_all(&dir).map_err(|e| {
            BadInput::error(format!("cannot make {}: {e}; free some space or set YOSEGI_HOME", dir.display()))
        })?;
        let journal = Self::open_dir(home, &dir, name, true)?;
        if journal.next > 1 {
            return Err(BadInput::error(exists_sentence(name)));
        }
        Ok(journal)
    }

    /// Opens the journal of an existing session to append to it.
    ///
    /// # Errors
    /// The session does not exist, another process writes to its journal, or the file can't be read or written.
    pub fn open(home: &Home, name: &str) -> anyhow::Result<Self> {
        let dir = home.session(name)?;
        let path = dir.join("journal.db");
        if !path.is_file() {
            return Err(BadInput::error(missing_sentence(home, name)));
        }
        if !(may_write(&path) && may_write(&dir)) {
            return Err(Trouble::read_only(&path).into());
        }
        Self::open_dir(home, &dir, name, false)
    }

    fn open_dir(home: &Home, dir: &Path, name: &str, fresh: bool) -> anyhow::Result<Self> {
        let lock = lock(home, dir, name)?;
        let path = dir.join("journal.db");
        let db = Connection::open(&path).with_context(|| format!("{}", path.display()))?;
        open::prepare(&db, &path, fresh)?;
        let last: u64 = db
            .query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))
            .map_err(|e| Trouble::of(&path, &e))?;
        Ok(Self { db, path, next: last + 1, _lock: lock })
    }

    /// The session's folder, in which the journal lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Sequence number of the next event.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// Stores an event. The returned record is read back from the stored text, so that a run and its replay apply
    /// exactly the same values.
    ///
    /// # Errors
    /// The disk is full, the file can't be written, or the event can't be read back as it was written.
    pub fn append(&mut self, event: &Event, cost: Option<Cost>) -> anyhow::Result<Record> {
        self.append_with(event, cost, 0, &[])
    }

    /// Stores an event together with a candidate's answers, in one transaction. A value that can't be read back as it
    /// was written (a number that is not finite) is an error, and then nothing is stored.
    ///
    /// # Errors
    /// The disk is full, the file can't be written, or a value can't be read back as it was written.
    pub fn append_with(
        &mut self,
        event: &Event,
        cost: Option<Cost>,
        candidate: CandidateId,
        answers: &[(Split, &[Answer])],
    ) -> anyhow::Result<Record> {
        let (seq, path) = (self.next, self.path.clone());
        let tx = self.db.transaction().map_err(|e| full(&path, &e))?;
        let record = put(&tx, &path, seq, event, cost)?;
        for (split, answers) in answers {
            for answer in *answers {
                let body = StoredAnswer::of(answer);
                let text = serde_json::to_string(&body)?;
                if serde_json::from_str::<StoredAnswer>(&text).ok().as_ref() != Some(&body) {
                    return Err(no_way_back(&path, &format!("the answer to question {}", answer.index + 1)));
                }
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO answers (candidate, split, idx, body) VALUES (?, ?, ?, ?)",
                )
                .and_then(|mut s| s.execute(params![candidate, split_name(*split), answer.index, text]))
                .map_err(|e| full(&path, &e))?;
            }
        }
        tx.commit().map_err(|e| full(&path, &e))?;
        self.next += 1;
        Ok(record)
    }

    /// Stores the questions, the fingerprints of the session's files, and the first event, in one transaction.
    ///
    /// # Errors
    /// As for [`Journal::append_with`].
    pub fn begin(
        &mut self,
        event: &Event,
        questions: &[StoredQuestion],
        prints: &[Fingerprint],
    ) -> anyhow::Result<Record> {
        let (seq, path) = (self.next, self.path.clone());
        let broken = |e: rusqlite::Error| Trouble::of(&path, &e);
        let tx = self.db.transaction().map_err(broken)?;
        for q in questions {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO questions (split, idx, id, question, gold, images) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .and_then(|mut s| {
                let images = images_text(&q.images)?;
                s.execute(params![split_name(q.split), q.index, q.id, q.question, q.gold, images])
            })
            .map_err(broken)?;
        }
        put_prints(&tx, prints).map_err(broken)?;
        let record = put(&tx, &path, seq, event, None)?;
        tx.commit().map_err(broken)?;
        self.next += 1;
        Ok(record)
    }

    /// Stores fingerprints, replacing earlier ones of the same files. An empty list changes nothing.
    ///
    /// # Errors
    /// The disk is full, or the file can't be written.
    pub fn keep_prints(&mut self, prints: &[Fingerprint]) -> anyhow::Result<()> {
        let tx = self.db.transaction().map_err(|e| full(&self.path, &e))?;
        put_prints(&tx, prints).and_then(|()| tx.commit()).map_err(|e| full(&self.path, &e))
    }

    /// Opens the same file for reading.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader { db: Db::Shared(&self.db), path: self.path.clone(), read_only: false, _copy: None }
    }
}

/// Stores an event under its sequence number and reads it back.
fn put(
    tx: &Transaction<'_>,
    path: &Path,
    seq: u64,
    event: &Event,
    cost: Option<Cost>,
) -> anyhow::Result<Record> {
    let at_ms = now_ms();
    let body = serde_json::to_string(event)?;
    let cost_text = cost.as_ref().map(serde_json::to_string).transpose()?;
    tx.prepare_cached("INSERT INTO events (seq, at_ms, version, kind, body, cost) VALUES (?, ?, ?, ?, ?, ?)")
        .and_then(|mut s| s.execute(params![seq, at_ms, VERSION, kind(event), body, cost_text]))
        .map_err(|e| full(path, &e))?;
    let (body, cost_text): (String, Option<String>) = tx
        .prepare_cached("SELECT body, cost FROM events WHERE seq = ?")
        .and_then(|mut s| s.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(|e| full(path, &e))?;
    let back: Option<Event> = serde_json::from_str(&body).ok();
    let cost_back = cost_text.as_deref().map(serde_json::from_str::<Cost>).transpose().ok();
    match (back, cost_back) {
        (Some(back), Some(cost_back)) if back == *event && cost_back == cost => {
            Ok(Record { seq, at_ms, cost, event: back })
        }
        _ => Err(no_way_back(path, &format!("event {seq} ({})", kind(event)))),
    }
}

fn put_prints(tx: &Transaction<'_>, prints: &[Fingerprint]) -> rusqlite::Result<()> {
    for print in prints {
        tx.prepare_cached("INSERT OR REPLACE INTO files (file, hash, stamp) VALUES (?, ?, ?)")?
            .execute(params![print.file, print.hash, print.stamp])?;
    }
    Ok(())
}

fn full(path: &Path, error: &rusqlite::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "cannot write {}: {error}; free some space there, then resume the session",
        path.display()
    )
}

fn no_way_back(path: &Path, what: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{what} holds something that could not be read back from {}, such as a number that is not finite: it was not \
         written, and all before it stands",
        path.display()
    )
}

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
