//! Answers with their verdicts come in; a table for other programs (CSV or Parquet, one row for each question) goes
//! out. `yosegi eval` and `yosegi score` call it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::cli::answers::Judged;
use crate::error::BadInput;
use crate::evaluate::{Answer, SplitResult};
use crate::task::LanguageProbability;
use crate::text::as_cell;

/// One row.
pub struct Line {
    /// The task's name.
    pub task: String,
    pub id: String,
    pub question: String,
    pub gold: String,
    pub text: String,
    /// What the scorer found in the text, and its byte positions there.
    pub found: Option<String>,
    pub span: Option<(usize, usize)>,
    /// Whether the answer is right by the task's scorer, and as a person would read it.
    pub correct: bool,
    pub lenient_correct: Option<bool>,
    /// Whether it is right by the published rule, if the task's scorer is the lenient one.
    pub reference_correct: Option<bool>,
    pub language: String,
    /// Written to the column `p_ja` or `p_language`.
    pub p_language: LanguageProbability,
    /// Tokens generated, and seconds from the start until the answer was complete, if known.
    pub tokens: Option<u64>,
    pub seconds: Option<f64>,
}

impl Line {
    /// The rows of a task's measured answers.
    pub fn all(task: &str, measured: &SplitResult) -> Vec<Self> {
        let seconds = |i: usize| measured.seconds.get(i).copied();
        measured.answers.iter().enumerate().map(|(i, a)| Self::of(task, a, seconds(i))).collect()
    }

    fn of(task: &str, answer: &Answer, seconds: Option<f64>) -> Self {
        Self {
            task: task.to_owned(),
            id: answer.id.clone(),
            question: answer.question.clone(),
            gold: answer.gold.clone(),
            text: answer.text.clone(),
            found: answer.number.clone(),
            span: answer.detail.span,
            correct: answer.correct,
            lenient_correct: answer.lenient_correct,
            reference_correct: answer.detail.reference_correct,
            language: answer.language.clone(),
            p_language: answer.p_language,
            tokens: Some(answer.tokens),
            seconds,
        }
    }

    /// The row of an answer made elsewhere.
    pub fn judged(task: &str, judged: &Judged) -> Self {
        let (question, v) = (&judged.question, &judged.verdict);
        Self {
            task: task.to_owned(),
            id: question.id.clone(),
            question: question.question.clone(),
            gold: question.gold.clone(),
            text: judged.text.clone(),
            found: v.number.clone(),
            span: v.detail.span,
            correct: v.correct,
            lenient_correct: Some(v.lenient_correct),
            reference_correct: v.detail.reference_correct,
            language: v.language.clone(),
            p_language: v.p_language,
            tokens: None,
            seconds: None,
        }
    }

    const fn p_japanese(&self) -> Option<f64> {
        match self.p_language {
            LanguageProbability::Japanese(p) => Some(p),
            LanguageProbability::Other(_) => None,
        }
    }

    const fn p_other(&self) -> Option<f64> {
        match self.p_language {
            LanguageProbability::Japanese(_) => None,
            LanguageProbability::Other(p) => Some(p),
        }
    }
}

/// A format of the table of answers.
#[derive(Clone, Copy)]
pub enum Format {
    Csv,
    Parquet,
}

/// The format given by a file's name, if the file can be written. Commands call this before they spend time on answers.
pub fn check(path: &Path) -> anyhow::Result<Format> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(BadInput::error(format!("{} is no folder: make it first", parent.display())));
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => Ok(Format::Csv),
        Some("parquet") => Ok(Format::Parquet),
        _ => Err(BadInput::error(format!(
            "{}: the name must end in .csv or .parquet, which says what is written",
            path.display()
        ))),
    }
}

/// Writes a table in the format given by the file's name: the whole table or nothing.
pub fn write(path: &Path, lines: &[Line]) -> anyhow::Result<()> {
    let bytes = match check(path)? {
        Format::Csv => as_csv(lines)?,
        Format::Parquet => as_parquet(lines)?,
    };
    crate::checkpoint::write_whole(path, &bytes)
        .map_err(|why| BadInput::error(format!("{} can't be written: {why}", path.display())))
}

fn as_csv(lines: &[Line]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let maybe = |value: Option<String>| value.unwrap_or_default();
    for l in lines {
        let text = |value: &str| as_cell(value).into_owned();
        writer.write_record([
            text(&l.task),
            text(&l.id),
            text(&l.question),
            text(&l.gold),
            text(&l.text),
            maybe(l.found.as_deref().map(text)),
            maybe(l.span.map(|s| s.0.to_string())),
            maybe(l.span.map(|s| s.1.to_string())),
            l.correct.to_string(),
            maybe(l.lenient_correct.map(|v| v.to_string())),
            maybe(l.reference_correct.map(|v| v.to_string())),
            l.language.clone(),
            maybe(l.p_japanese().map(|v| v.to_string())),
            maybe(l.p_other().map(|v| v.to_string())),
            maybe(l.tokens.map(|v| v.to_string())),
            maybe(l.seconds.map(|v| v.to_string())),
        ])?;
    }
    Ok(writer.into_inner()?)
}

const COLUMNS: [&str; 16] = [
    "task",
    "id",
    "question",
    "gold",
    "text",
    "extraction",
    "span_start",
    "span_end",
    "correct",
    "lenient_correct",
    "reference_correct",
    "language",
    "p_ja",
    "p_language",
    "tokens",
    "seconds",
];

const SCHEMA: &str = "message answers {
    required binary task (utf8);
    required binary id (utf8);
    required binary question (utf8);
    required binary gold (utf8);
    required binary text (utf8);
    optional binary extraction (utf8);
    optional int64 span_start;
    optional int64 span_end;
    required boolean correct;
    optional boolean lenient_correct;
    optional boolean reference_correct;
    required binary language (utf8);
    optional double p_ja;
    optional double p_language;
    optional int64 tokens;
    optional double seconds;
}";

fn as_parquet(lines: &[Line]) -> anyhow::Result<Vec<u8>> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties)?;
    let mut group = writer.next_row_group()?;
    let text = |s: &String| Some(ByteArray::from(s.as_str()));
    let count = |n: usize| n as i64;
    column::<ByteArrayType>(&mut group, lines, false, |l| text(&l.task))?;
    column::<ByteArrayType>(&mut group, lines, false, |l| text(&l.id))?;
    column::<ByteArrayType>(&mut group, lines, false, |l| text(&l.question))?;
    column::<ByteArrayType>(&mut group, lines, false, |l| text(&l.gold))?;
    column::<ByteArrayType>(&mut group, lines, false, |l| text(&l.text))?;
    column::<ByteArrayType>(&mut group, lines, true, |l| l.found.as_ref().and_then(text))?;
    column::<Int64Type>(&mut group, lines, true, |l| l.span.map(|s| count(s.0)))?;
    column::<Int64Type>(&mut group, lines, true, |l| l.span.map(|s| count(s.1)))?;
    column::<BoolType>(&mut group, lines, false, |l| Some(l.correct))?;
    column::<BoolType>(&mut group, lines, true, |l| l.lenient_correct)?;
    column::<BoolType>(&mut group, lines, true, |l| l.reference_correct)?;
    column::<ByteArrayType>(&mut group, lines, false, |l| text(&l.language))?;
    column::<DoubleType>(&mut group, lines, true, Line::p_japanese)?;
    column::<DoubleType>(&mut group, lines, true, Line::p_other)?;
    column::<Int64Type>(&mut group, lines, true, |l| l.tokens.map(|t| t as i64))?;
    column::<DoubleType>(&mut group, lines, true, |l| l.seconds)?;
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

/// Writes the next column of the schema. In an optional column, each value's definition level says whether the value is
/// present.
fn column<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<&mut Vec<u8>>,
    lines: &[Line],
    optional: bool,
    value: impl Fn(&Line) -> Option<T::T>,
) -> anyhow::Result<()> {
    let all: Vec<Option<T::T>> = lines.iter().map(value).collect();
    let levels: Vec<i16> = all.iter().map(|v| i16::from(v.is_some())).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    let mut column = group.next_column()?.context("the schema has a column for each value")?;
    column.typed::<T>().write_batch(&values, optional.then_some(levels.as_slice()), None)?;
    Ok(column.close()?)
}
