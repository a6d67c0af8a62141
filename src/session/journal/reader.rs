//! Reads a journal: its events in order, the session state that they give, questions and answers. A home and a
//! session's name come in. State, reports, the engine and both faces call it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use tempfile::TempDir;

use super::open::{self, Looking};
use super::schema::{self, StoredAnswer, split_name};
use super::trouble::Trouble;
use crate::checkpoint::Fingerprint;
use crate::error::BadInput;
use crate::evaluate::StoredQuestion;
use crate::session::home::{Home, missing_sentence};
use crate::session::protocol::{Answer, Answers, CandidateId, Outcome, Record, Score, Split, VERSION};
use crate::session::state::SessionState;

/// A journal open for reading. Another process may be writing it at the same time.
pub struct Reader<'a> {
    pub(super) db: Db<'a>,
    pub(super) path: PathBuf,
    pub(super) read_only: bool,
    pub(super) _copy: Option<TempDir>,
}

/// Why an event can't be read.
enum Illegible {
    /// A newer program has written it.
    Version(i64),
    /// The file is damaged at this place.
    Row(rusqlite::Error),
    /// Its content is not a valid event.
    Event(String),
}

impl From<rusqlite::Error> for Illegible {
    fn from(error: rusqlite::Error) -> Self {
        Self::Row(error)
    }
}

pub(super) enum Db<'a> {
    Own(Connection),
    Shared(&'a Connection),
}

impl Reader<'static> {
    /// Opens a session's journal for reading.
    ///
    /// # Errors
    /// The session does not exist, or its file can't be opened. The sentence says why and what to do.
    pub fn open(home: &Home, name: &str) -> anyhow::Result<Self> {
        let path = home.session(name)?.join("journal.db");
        if std::fs::symlink_metadata(&path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Err(BadInput::error(missing_sentence(home, name)));
        }
        let Looking { db, read_only, copy } = open::look(&path)?;
        Ok(Self { db: Db::Own(db), path, read_only, _copy: copy })
    }
}

impl Reader<'_> {
    fn db(&self) -> &Connection {
        match &self.db {
            Db::Own(db) => db,
            Db::Shared(db) => db,
        }
    }

    /// Fails if the journal can only be read.
    ///
    /// # Errors
    /// The file or its folder can't be written.
    pub fn must_be_writable(&self) -> anyhow::Result<()> {
        self.read_only_trouble().map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    /// The sentence for a journal that can only be read; `None` for one that can be written.
    #[must_use]
    pub fn read_only_trouble(&self) -> Option<Trouble> {
        self.read_only.then(|| Trouble::read_only(&self.path))
    }

    /// Events from sequence number `since` on, in order. It is an error if one of them can't be read.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn records(&self, since: u64) -> anyhow::Result<Vec<Record>> {
        let (records, lost) = self.legible(since)?;
        lost.map_or(Ok(records), |trouble| Err(trouble.into()))
    }

    /// Sequence number of the last event; 0 if there is none. In a damaged file it is the number of the first event
    /// that can't be read, so that a caller who reads up to it gets the error.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn last_seq(&self) -> anyhow::Result<u64> {
        let found =
            self.db().query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get::<_, u64>(0));
        match found {
            Ok(last) => Ok(last),
            Err(e) => match self.legible(1)?.0.last() {
                Some(last) => Ok(last.seq + 1),
                None => Err(Trouble::of(&self.path, &e).into()),
            },
        }
    }

    /// At most `most` events from sequence number `since` on. It is an error if one of them can't be read.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn some_records(&self, since: u64, most: u32) -> anyhow::Result<Vec<Record>> {
        let (records, lost) = self.legible_some(since, most)?;
        lost.map_or(Ok(records), |trouble| Err(trouble.into()))
    }

    /// Events from sequence number `since` on, in order, up to the first that can't be read, with the error of that
    /// one.
    ///
    /// # Errors
    /// The journal can't be opened. The error of an unreadable event is part of the result.
    pub fn legible(&self, since: u64) -> anyhow::Result<(Vec<Record>, Option<Trouble>)> {
        self.legible_some(since, u32::MAX)
    }

    /// Like [`Self::legible`], for at most `most` events.
    ///
    /// # Errors
    /// The journal can't be opened. The error of an unreadable event is part of the result.
    pub fn legible_some(&self, since: u64, most: u32) -> anyhow::Result<(Vec<Record>, Option<Trouble>)> {
        let broken = |e: rusqlite::Error| Trouble::of(&self.path, &e);
        let mut statement = self
            .db()
            .prepare_cached(
                "SELECT seq, at_ms, version, body, cost FROM events WHERE seq >= ? ORDER BY seq LIMIT ?",
            )
            .map_err(broken)?;
        let mut rows = statement.query(params![since, most]).map_err(broken)?;
        let mut out: Vec<Record> = Vec::new();
        loop {
            let expected = out.last().map_or_else(|| since.max(1), |r| r.seq + 1);
            match Self::next(&mut rows, expected) {
                Ok(Some(record)) => out.push(record),
                Ok(None) => return Ok((out, None)),
                Err(Illegible::Version(version)) => {
                    return Ok((out, Some(Trouble::newer(&self.path, version))));
                }
                Err(Illegible::Row(e)) if out.is_empty() => return Err(broken(e).into()),
                Err(Illegible::Row(e)) => {
                    let trouble = Trouble::damaged_after(&self.path, &e, out.len(), since);
                    return Ok((out, Some(trouble)));
                }
                Err(Illegible::Event(e)) => {
                    let trouble = Trouble::damaged_after(&self.path, &e, out.len(), since);
                    return Ok((out, Some(trouble)));
                }
            }
        }
    }

    fn next(rows: &mut rusqlite::Rows<'_>, expected: u64) -> Result<Option<Record>, Illegible> {
        let Some(row) = rows.next()? else { return Ok(None) };
        let (seq, at_ms, version): (u64, u64, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if version > VERSION {
            return Err(Illegible::Version(i64::from(version)));
        }
        if seq != expected {
            return Err(Illegible::Event(format!("event {expected} is missing")));
        }
        let (body, cost): (String, Option<String>) = (row.get(3)?, row.get(4)?);
        let illegible = |e: serde_json::Error| {
            let null = if body.contains("null") { "; a number in it may not have been finite" } else { "" };
            let why = crate::limits::shown(&e.to_string());
            Illegible::Event(format!("event {seq} cannot be read: {why}{null}"))
        };
        let event = serde_json::from_str(&body).map_err(illegible)?;
        let cost = cost.as_deref().map(serde_json::from_str).transpose().map_err(illegible)?;
        Ok(Some(Record { seq, at_ms, cost, event }))
    }

    /// The session's state after all events. It is an error if one of them can't be read.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn state(&self) -> anyhow::Result<SessionState> {
        let (state, lost) = self.legible_state()?;
        lost.map_or(Ok(state), |trouble| Err(trouble.into()))
    }

    /// The session's state as far as the journal can be read, and the error if it can't be read to its end.
    ///
    /// # Errors
    /// The journal can't be opened. The error of an unreadable event is part of the result.
    pub fn legible_state(&self) -> anyhow::Result<(SessionState, Option<Trouble>)> {
        let (records, lost) = self.legible(1)?;
        let mut state = SessionState::default();
        for record in &records {
            state.apply(record);
        }
        Ok((state, lost))
    }

    /// Fingerprints of the files that the session reads; empty in journals of earlier versions.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn prints(&self) -> anyhow::Result<Vec<Fingerprint>> {
        let broken = |e: rusqlite::Error| Trouble::of(&self.path, &e);
        let known = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'files')";
        if !self.db().query_row(known, [], |row| row.get::<_, bool>(0)).map_err(broken)? {
            return Ok(Vec::new());
        }
        let mut statement =
            self.db().prepare_cached("SELECT file, hash, stamp FROM files ORDER BY file").map_err(broken)?;
        let print = |row: &rusqlite::Row<'_>| {
            Ok(Fingerprint { file: row.get(0)?, hash: row.get(1)?, stamp: row.get(2)? })
        };
        Ok(statement.query_map([], print).and_then(Iterator::collect).map_err(broken)?)
    }

    /// The session's folder, where relative paths of pictures begin.
    fn folder(&self) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
    }

    /// All stored questions.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn questions(&self) -> anyhow::Result<Vec<StoredQuestion>> {
        let broken = |e: rusqlite::Error| Trouble::of(&self.path, &e);
        let sql = "SELECT * FROM questions WHERE split = ? ORDER BY idx";
        let mut out = Vec::new();
        for split in [Split::Train, Split::Test] {
            let mut statement = self.db().prepare_cached(sql).map_err(broken)?;
            let found = statement
                .query_map([split_name(split)], |row| schema::question(row, split, &self.folder()))
                .and_then(Iterator::collect);
            out.extend(found.map_err(broken).map(|all: Vec<_>| all)?);
        }
        Ok(out)
    }

    /// The stored answers of a candidate on a split; empty if it has none.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn answers(&self, candidate: CandidateId, split: Split) -> anyhow::Result<Vec<Answer>> {
        let broken = |e: rusqlite::Error| Trouble::of(&self.path, &e);
        let mut statement = self
            .db()
            .prepare_cached(
                "SELECT a.body, q.* FROM answers a
                 JOIN questions q ON q.split = a.split AND q.idx = a.idx
                 WHERE a.candidate = ? AND a.split = ? ORDER BY a.idx",
            )
            .map_err(broken)?;
        let mut rows = statement.query(params![candidate, split_name(split)]).map_err(broken)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(broken)? {
            let body: String = row.get(0).map_err(broken)?;
            let body: StoredAnswer =
                serde_json::from_str(&body).map_err(|e| Trouble::answer(&self.path, candidate, &e))?;
            out.push(body.with_question(schema::question(row, split, &self.folder()).map_err(broken)?));
        }
        Ok(out)
    }

    /// The answers of a candidate with its label and score, as a face shows them.
    ///
    /// # Errors
    /// There is no such candidate, or the journal can't be read.
    pub fn labelled_answers(&self, candidate: CandidateId, split: Split) -> anyhow::Result<Answers> {
        let (state, _) = self.legible_state()?;
        let Some(entry) = state.entry(candidate) else {
            return Err(BadInput::error(format!("the session has no candidate {candidate}")));
        };
        let score: Option<Score> = match (split, &entry.outcome) {
            (Split::Train, Some(Outcome::Scored(score))) => Some(*score),
            (Split::Train, _) => None,
            (Split::Test, _) => entry.test,
        };
        Ok(Answers {
            label: entry.candidate.label.clone(),
            score: score.unwrap_or_default(),
            answers: self.answers(candidate, split)?,
        })
    }

    /// A stored question.
    ///
    /// # Errors
    /// The journal can't be read; the sentence says why and what to do.
    pub fn question(&self, split: Split, index: usize) -> anyhow::Result<Option<StoredQuestion>> {
        self.db()
            .query_row(
                "SELECT * FROM questions WHERE split = ? AND idx = ?",
                params![split_name(split), index],
                |row| schema::question(row, split, &self.folder()),
            )
            .optional()
            .map_err(|e| Trouble::of(&self.path, &e).into())
    }
}
