//! A journal open for reading: its events in order, the session that they make, the answers.

use std::path::PathBuf;

use anyhow::{Context, bail};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Body, StoredQuestion, check, missing_sentence, newer, split_name, unreadable};
use crate::session::error::BadInput;
use crate::session::home::Home;
use crate::session::protocol::{Answer, Answers, CandidateId, Outcome, Record, Score, Split, VERSION};
use crate::session::state::SessionState;

/// A journal open for reading, while another process may be writing it.
pub struct Reader<'a> {
    pub(super) db: Db<'a>,
    pub(super) path: PathBuf,
}

pub(super) enum Db<'a> {
    Own(Connection),
    Shared(&'a Connection),
}

impl Reader<'static> {
    /// Opens a session's journal for reading.
    pub fn open(home: &Home, name: &str) -> anyhow::Result<Self> {
        let path = home.session(name)?.join("journal.db");
        if !path.is_file() {
            return Err(BadInput::error(missing_sentence(home, name)));
        }
        // Read-write flags without writing: a reader of a WAL file must be able to make its
        // shared-memory file when the writer was killed.
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|e| unreadable(&path, &e))?;
        check(&db, &path)?;
        db.pragma_update(None, "query_only", true).map_err(|e| unreadable(&path, &e))?;
        Ok(Self { db: Db::Own(db), path })
    }
}

impl Reader<'_> {
    fn db(&self) -> &Connection {
        match &self.db {
            Db::Own(db) => db,
            Db::Shared(db) => db,
        }
    }

    /// Events from sequence number `since` on, in order.
    pub fn records(&self, since: u64) -> anyhow::Result<Vec<Record>> {
        self.some_records(since, u32::MAX)
    }

    /// Number of the last event; 0 where there is none.
    pub fn last_seq(&self) -> anyhow::Result<u64> {
        self.db()
            .query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))
            .map_err(|e| unreadable(&self.path, &e))
    }

    /// The first events, `most` at most, from sequence number `since` on.
    pub fn some_records(&self, since: u64, most: u32) -> anyhow::Result<Vec<Record>> {
        let broken = |e: rusqlite::Error| unreadable(&self.path, &e);
        let mut statement = self
            .db()
            .prepare_cached(
                "SELECT seq, at_ms, version, body, cost FROM events WHERE seq >= ? ORDER BY seq LIMIT ?",
            )
            .map_err(broken)?;
        let mut rows = statement.query(params![since, most]).map_err(broken)?;
        let mut out: Vec<Record> = Vec::new();
        // What a damaged file still holds comes first: it is told how far it goes.
        let damaged = |e: rusqlite::Error, read: usize| match read {
            0 => unreadable(&self.path, &e),
            n => BadInput::error(format!(
                "{} is damaged ({e}): {n} events from number {} on can be read and the rest is lost; copy it back \
                 from a backup",
                self.path.display(),
                since.max(1)
            )),
        };
        while let Some(row) = rows.next().map_err(|e| damaged(e, out.len()))? {
            let seq: u64 = row.get(0).map_err(broken)?;
            let version: u32 = row.get(2).map_err(broken)?;
            if version > VERSION {
                return Err(newer(&self.path, i64::from(version)));
            }
            let expected = out.last().map_or_else(|| since.max(1), |r| r.seq + 1);
            if seq != expected {
                bail!(
                    "{}: event {expected} is missing; copy the file back from a backup",
                    self.path.display()
                );
            }
            let body: String = row.get(3).map_err(broken)?;
            let cost: Option<String> = row.get(4).map_err(broken)?;
            let event = serde_json::from_str(&body).map_err(|e| {
                let why = crate::limits::shown(&e.to_string());
                anyhow::anyhow!("{}: event {seq} cannot be read: {why}", self.path.display())
            })?;
            let cost = cost.as_deref().map(serde_json::from_str).transpose()?;
            out.push(Record { seq, at_ms: row.get(1).map_err(broken)?, cost, event });
        }
        Ok(out)
    }

    /// The session as it stands.
    pub fn state(&self) -> anyhow::Result<SessionState> {
        let mut state = SessionState::default();
        for record in self.records(1)? {
            state.apply(&record);
        }
        Ok(state)
    }

    /// The stored answers of a candidate; empty where it has none on that split.
    pub fn answers(&self, candidate: CandidateId, split: Split) -> anyhow::Result<Vec<Answer>> {
        let broken = |e: rusqlite::Error| unreadable(&self.path, &e);
        let mut statement = self
            .db()
            .prepare_cached(
                "SELECT a.idx, a.body, q.id, q.question, q.gold FROM answers a
                 JOIN questions q ON q.split = a.split AND q.idx = a.idx
                 WHERE a.candidate = ? AND a.split = ? ORDER BY a.idx",
            )
            .map_err(broken)?;
        let mut rows = statement.query(params![candidate, split_name(split)]).map_err(broken)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(broken)? {
            let body: String = row.get(1).map_err(broken)?;
            let body: Body = serde_json::from_str(&body)
                .with_context(|| format!("{}: an answer cannot be read", self.path.display()))?;
            out.push(Answer {
                index: row.get(0).map_err(broken)?,
                id: row.get(2).map_err(broken)?,
                question: row.get(3).map_err(broken)?,
                gold: row.get(4).map_err(broken)?,
                text: body.text,
                number: body.number,
                correct: body.correct,
                language: body.language,
                p_ja: body.p_ja,
                tokens: body.tokens,
                lenient_correct: body.lenient_correct,
                detail: body.detail,
            });
        }
        Ok(out)
    }

    /// The answers of a candidate with its label and score, as a face shows them.
    pub fn labelled_answers(&self, candidate: CandidateId, split: Split) -> anyhow::Result<Answers> {
        let state = self.state()?;
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
    pub fn question(&self, split: Split, index: usize) -> anyhow::Result<Option<StoredQuestion>> {
        self.db()
            .query_row(
                "SELECT id, question, gold FROM questions WHERE split = ? AND idx = ?",
                params![split_name(split), index],
                |row| {
                    Ok(StoredQuestion {
                        split,
                        index,
                        id: row.get(0)?,
                        question: row.get(1)?,
                        gold: row.get(2)?,
                    })
                },
            )
            .optional()
            .map_err(|e| unreadable(&self.path, &e))
    }
}
