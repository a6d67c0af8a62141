//! The tables of a journal: the SQL schema, and the stored names of splits, events and answers. Writer and reader of
//! the journal share it.

use std::path::Path;

use rusqlite::Row;
use rusqlite::types::Type;
use serde::{Deserialize, Serialize};

use crate::evaluate::{ImageRef, StoredQuestion};
use crate::session::protocol::{Answer, Detail, Event, Split};
use crate::task::LanguageProbability;

/// Marks the file as a journal of Yosegi (`PRAGMA application_id`: "YOSG").
pub(super) const APPLICATION_ID: i64 = 0x594f_5347;

pub(super) const SCHEMA: &str = "
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
    images TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (split, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    candidate INTEGER NOT NULL, split TEXT NOT NULL, idx INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (candidate, split, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    file TEXT PRIMARY KEY, hash TEXT NOT NULL, stamp TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// An answer as a row of the table `answers`. Its question and gold answer are stored in `questions`.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct StoredAnswer {
    text: String,
    number: Option<String>,
    correct: bool,
    language: String,
    #[serde(flatten)]
    pub p_language: LanguageProbability,
    tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lenient_correct: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_language: Option<bool>,
    #[serde(flatten)]
    detail: Detail,
}

impl StoredAnswer {
    /// Makes the stored form of an answer.
    pub fn of(answer: &Answer) -> Self {
        Self {
            text: answer.text.clone(),
            number: answer.number.clone(),
            correct: answer.correct,
            language: answer.language.clone(),
            p_language: answer.p_language,
            tokens: answer.tokens,
            lenient_correct: answer.lenient_correct,
            in_language: answer.in_language,
            detail: answer.detail.clone(),
        }
    }

    /// Rebuilds the answer with its question.
    pub fn with_question(self, asked: StoredQuestion) -> Answer {
        let StoredQuestion { split: _, index, id, question, gold, images } = asked;
        Answer {
            index,
            id,
            question,
            images,
            gold,
            text: self.text,
            number: self.number,
            correct: self.correct,
            language: self.language,
            p_language: self.p_language,
            tokens: self.tokens,
            lenient_correct: self.lenient_correct,
            in_language: self.in_language,
            detail: self.detail,
        }
    }
}

/// A question as a row of the table `questions`. Journals of earlier sessions have no column for its pictures.
/// Relative paths begin at the session's folder.
pub(super) fn question(row: &Row<'_>, split: Split, folder: &Path) -> rusqlite::Result<StoredQuestion> {
    let images: String = match row.as_ref().column_index("images") {
        Ok(at) => row.get(at)?,
        Err(_) => String::new(),
    };
    let images = if images.is_empty() { Ok(Vec::new()) } else { serde_json::from_str(&images) };
    let images: Vec<ImageRef> =
        images.map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))?;
    Ok(StoredQuestion {
        split,
        index: row.get("idx")?,
        id: row.get("id")?,
        question: row.get("question")?,
        gold: row.get("gold")?,
        images: images.into_iter().map(|image| image.in_folder(folder)).collect(),
    })
}

/// A question's pictures as text of its row; empty without pictures.
pub(super) fn images_text(images: &[ImageRef]) -> rusqlite::Result<String> {
    if images.is_empty() {
        return Ok(String::new());
    }
    serde_json::to_string(images).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

/// The name of a split in the tables.
pub(super) const fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "test",
    }
}

/// The event's tag in its JSON.
pub(super) const fn kind(event: &Event) -> &'static str {
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
