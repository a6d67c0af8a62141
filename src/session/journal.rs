//! The journal: one `SQLite` file a session, an append-only table of events and the answers.
//!
//! It is the only truth; every view is a fold over it. A candidate's answers and the event that
//! tells of them are written in one transaction, so that a run killed at any moment has lost at
//! most the candidate in flight. WAL with `synchronous = NORMAL`: a killed process loses no
//! commit; a power cut may lose the last few, never the file, and the resumed run computes the
//! same ones again. `FULL` would add a disk flush to every candidate and save nothing but that.
//!
//! One process writes (an exclusive lock on `lock` beside the file); any number may read.

mod reader;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rusqlite::{Connection, OpenFlags, params};
use serde::{Deserialize, Serialize};

use super::error::BadInput;
use super::home::Home;
use super::protocol::{Answer, CandidateId, Cost, Detail, Event, Record, Split, VERSION};
use reader::Db;
pub use reader::Reader;

/// Marks the file as a journal of Yosegi (`PRAGMA application_id`: "YOSG").
const APPLICATION_ID: i64 = 0x594f_5347;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS events (
    seq     INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL,
    cost    TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS questions (
    split TEXT NOT NULL, idx INTEGER NOT NULL, id TEXT NOT NULL, question TEXT NOT NULL, gold TEXT NOT NULL,
    PRIMARY KEY (split, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    candidate INTEGER NOT NULL, split TEXT NOT NULL, idx INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (candidate, split, idx)
) STRICT, WITHOUT ROWID;
";

/// A question as the journal keeps it, once for all candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredQuestion {
    pub split: Split,
    pub index: usize,
    pub id: String,
    pub question: String,
    pub gold: String,
}

/// What is stored of an answer; question and gold stand in `questions`.
#[derive(Serialize, Deserialize)]
struct Body {
    text: String,
    number: Option<String>,
    correct: bool,
    language: String,
    p_ja: f64,
    tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lenient_correct: Option<bool>,
    #[serde(flatten)]
    detail: Detail,
}

/// A journal open for writing. Nobody else can open it so until this one is dropped.
pub struct Journal {
    db: Connection,
    path: PathBuf,
    next: u64,
    _lock: File,
}

impl Journal {
    /// Starts the journal of a new session. A session of that name that has any event is an
    /// error; a folder left by a process that died before its first event is taken over.
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

    /// Opens the journal of an existing session for writing on.
    pub fn open(home: &Home, name: &str) -> anyhow::Result<Self> {
        let dir = home.session(name)?;
        if !dir.join("journal.db").is_file() {
            return Err(BadInput::error(missing_sentence(home, name)));
        }
        Self::open_dir(home, &dir, name, false)
    }

    fn open_dir(home: &Home, dir: &Path, name: &str, fresh: bool) -> anyhow::Result<Self> {
        let lock = super::lock::lock(home, dir, name)?;
        let path = dir.join("journal.db");
        let db = Connection::open(&path).with_context(|| format!("{}", path.display()))?;
        prepare(&db, &path, fresh)?;
        let last: u64 = db
            .query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))
            .map_err(|e| unreadable(&path, &e))?;
        Ok(Self { db, path, next: last + 1, _lock: lock })
    }

    /// Sequence number of the next event.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// Stores an event. What comes back is read from the stored text, so that a run and its
    /// replay fold over the very same values.
    pub fn append(&mut self, event: &Event, cost: Option<Cost>) -> anyhow::Result<Record> {
        self.append_with(event, cost, 0, &[])
    }

    /// Stores an event together with a candidate's answers, in one transaction.
    pub fn append_with(
        &mut self,
        event: &Event,
        cost: Option<Cost>,
        candidate: CandidateId,
        answers: &[(Split, &[Answer])],
    ) -> anyhow::Result<Record> {
        let at_ms = now_ms();
        let body = serde_json::to_string(event)?;
        let cost_text = cost.as_ref().map(serde_json::to_string).transpose()?;
        let full = |e: rusqlite::Error| {
            anyhow::anyhow!(
                "cannot write {}: {e}; free some space there, then resume the session",
                self.path.display()
            )
        };
        let tx = self.db.transaction().map_err(full)?;
        tx.prepare_cached(
            "INSERT INTO events (seq, at_ms, version, kind, body, cost) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut s| s.execute(params![self.next, at_ms, VERSION, kind(event), body, cost_text]))
        .map_err(full)?;
        for (split, answers) in answers {
            for answer in *answers {
                let body = serde_json::to_string(&Body {
                    text: answer.text.clone(),
                    number: answer.number.clone(),
                    correct: answer.correct,
                    language: answer.language.clone(),
                    p_ja: answer.p_ja,
                    tokens: answer.tokens,
                    lenient_correct: answer.lenient_correct,
                    detail: answer.detail.clone(),
                })?;
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO answers (candidate, split, idx, body) VALUES (?, ?, ?, ?)",
                )
                .and_then(|mut s| s.execute(params![candidate, split_name(*split), answer.index, body]))
                .map_err(full)?;
            }
        }
        tx.commit().map_err(full)?;
        let seq = self.next;
        self.next += 1;
        Ok(Record { seq, at_ms, cost, event: serde_json::from_str(&body)? })
    }

    /// Stores the questions, and the first event, in one transaction.
    pub fn begin(&mut self, event: &Event, questions: &[StoredQuestion]) -> anyhow::Result<Record> {
        let broken = |e: rusqlite::Error| unreadable(&self.path, &e);
        let tx = self.db.transaction().map_err(broken)?;
        for q in questions {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO questions (split, idx, id, question, gold) VALUES (?, ?, ?, ?, ?)",
            )
            .and_then(|mut s| s.execute(params![split_name(q.split), q.index, q.id, q.question, q.gold]))
            .map_err(broken)?;
        }
        tx.commit().map_err(broken)?;
        self.append(event, None)
    }

    /// The same file for reading.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader { db: Db::Shared(&self.db), path: self.path.clone() }
    }
}

/// Whether there is anything in a journal's file. A process killed before its first event leaves
/// a file without tables, or with empty ones; a file that is no journal counts as something.
pub(super) fn has_begun(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let look = || -> rusqlite::Result<bool> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.busy_timeout(Duration::from_secs(10))?;
        let is = |sql: &str| db.query_row(sql, [], |row| row.get::<_, bool>(0));
        Ok(!is("SELECT count(*) = 0 FROM sqlite_master")? && is("SELECT EXISTS (SELECT 1 FROM events)")?)
    };
    look().unwrap_or(true)
}

/// Sets a connection up for writing and makes the tables of a new file.
fn prepare(db: &Connection, path: &Path, fresh: bool) -> anyhow::Result<()> {
    let broken = |e: rusqlite::Error| unreadable(path, &e);
    db.busy_timeout(Duration::from_secs(10)).map_err(broken)?;
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
fn check(db: &Connection, path: &Path) -> anyhow::Result<()> {
    let broken = |e: rusqlite::Error| unreadable(path, &e);
    db.busy_timeout(Duration::from_secs(10)).map_err(broken)?;
    let id: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(broken)?;
    if id != APPLICATION_ID {
        return Err(BadInput::error(format!(
            "{} is no journal of Yosegi: move it away or choose another session name",
            path.display()
        )));
    }
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(broken)?;
    if version > i64::from(VERSION) {
        return Err(newer(path, version));
    }
    Ok(())
}

fn newer(path: &Path, version: i64) -> anyhow::Error {
    BadInput::error(format!(
        "{} was written by a newer Yosegi (journal version {version}, this one knows {VERSION}): update yosegi",
        path.display()
    ))
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> anyhow::Error {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    if let Some(CannotOpen | DiskFull | PermissionDenied | ReadOnly | SystemIoFailure) =
        error.sqlite_error_code()
    {
        return BadInput::error(format!(
            "{} cannot be written ({error}): free some space there, or set YOSEGI_HOME to another folder",
            path.display()
        ));
    }
    BadInput::error(format!(
        "{} cannot be read as a journal ({error}): copy it back from a backup, or delete the session's folder",
        path.display()
    ))
}

/// What to say when a session is already there.
#[must_use]
pub fn exists_sentence(name: &str) -> String {
    format!(
        "session `{name}` exists already: go on with it by --resume, or take another --name \
         (see `yosegi sessions`)"
    )
}

fn missing_sentence(home: &Home, name: &str) -> String {
    let names = home.session_names();
    let near = names
        .iter()
        .map(|n| (strsim::damerau_levenshtein(n, name), n))
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4)
        .min()
        .map_or(String::new(), |(_, n)| format!(" (did you mean `{n}`?)"));
    format!(
        "there is no session `{name}` in {}{near}: `yosegi sessions` lists them",
        home.sessions().display()
    )
}

const fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "test",
    }
}

/// The event's name in its JSON.
const fn kind(event: &Event) -> &'static str {
    match event {
        Event::Created { .. } => "created",
        Event::Baseline { .. } => "baseline",
        Event::GenerationStarted { .. } => "generation_started",
        Event::StageStarted { .. } => "stage_started",
        Event::Evaluated { .. } => "evaluated",
        Event::Block { .. } => "block",
        Event::Questions { .. } => "questions",
        Event::Estimated { .. } => "estimated",
        Event::Injected { .. } => "injected",
        Event::GenerationFinished { .. } => "generation_finished",
        Event::HeldOut { .. } => "held_out",
        Event::Ended { .. } => "ended",
        Event::Extended { .. } => "extended",
        Event::Paused => "paused",
        Event::Resumed => "resumed",
        Event::Stopped { .. } => "stopped",
        Event::Finished { .. } => "finished",
    }
}

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
