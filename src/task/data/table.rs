//! The formats of data files ([`FORMATS`]): a file's bytes come in, rows of named columns go out. JSON lines, a JSON
//! list, `SQuAD`'s nesting, TSV, CSV and Parquet. `data/questions.rs` calls it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::parquet;
use super::picture_cells::{self, RowPictures};
use crate::task::TaskError;

/// A data file's bytes, with its name for messages.
pub(in crate::task) struct DataFile {
    pub name: String,
    /// The folder that the file lies in, where its pictures' paths begin; none for data in the binary.
    pub folder: Option<PathBuf>,
    pub bytes: Cow<'static, [u8]>,
}

/// Rows of one file, with their line numbers for messages.
pub(in crate::task) struct Table {
    /// The file's name for messages.
    pub name: String,
    /// Columns have numbers: the file is TSV or CSV without a header.
    pub numbered: bool,
    /// Where paths of pictures begin.
    pub folder: Option<PathBuf>,
    pub rows: Vec<Row>,
}

/// One row. In a numbered table the columns are named `"1"`, `"2"`, ….
#[derive(Debug)]
pub(in crate::task) struct Row {
    /// Line in the file, or the row's number in a format without lines; counts from 1.
    pub line: usize,
    pub cells: Map<String, Value>,
    /// The cells of the columns that hold pictures.
    pub pictures: RowPictures,
}

/// A format of data files.
struct Format {
    extension: &'static str,
    /// The format can have a header; without one its columns are numbered.
    has_header: bool,
    read: ReadRows,
}

/// Turns bytes into rows. The flag means that the first line holds column names.
type ReadRows = fn(&At, &[u8], bool) -> Result<Vec<Row>, TaskError>;

const fn format(extension: &'static str, read: ReadRows) -> Format {
    Format { extension, has_header: false, read }
}

/// The supported formats. A file with another extension is read as JSON.
const FORMATS: [Format; 5] = [
    format("jsonl", json),
    format("json", json),
    Format { has_header: true, ..format("tsv", tsv) },
    Format { has_header: true, ..format("csv", comma_separated) },
    format("parquet", parquet_rows),
];

/// Whether a path names a data file, by its extension.
pub(super) fn is_data_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| FORMATS.iter().any(|f| e == f.extension))
}

/// `.jsonl, .json, .tsv, .csv or .parquet`.
pub(super) fn extensions() -> String {
    let all: Vec<String> = FORMATS.iter().map(|f| format!(".{}", f.extension)).collect();
    let (last, rest) = all.split_last().expect("there are formats");
    format!("{} or {last}", rest.join(", "))
}

/// Reads a file by its extension. `header` means that TSV and CSV begin with column names; the columns `images` hold
/// pictures.
pub(in crate::task) fn read(file: &DataFile, header: bool, images: &[String]) -> Result<Table, TaskError> {
    let extension = Path::new(file.name.trim_end_matches('>')).extension().and_then(|e| e.to_str());
    let format = FORMATS.iter().find(|f| Some(f.extension) == extension).unwrap_or(&FORMATS[0]);
    let at = At { name: &file.name, images };
    let mut rows = (format.read)(&at, &file.bytes, header)?;
    for row in &mut rows {
        row.pictures.extend(picture_cells::take(&mut row.cells, images));
    }
    let (name, folder) = (file.name.clone(), file.folder.clone());
    Ok(Table { name, numbered: format.has_header && !header, folder, rows })
}

/// The file that is read.
struct At<'a> {
    /// Its name for messages.
    name: &'a str,
    /// The columns that hold pictures.
    images: &'a [String],
}

impl Row {
    const fn new(line: usize, cells: Map<String, Value>) -> Self {
        Self { line, cells, pictures: RowPictures::new() }
    }
}

impl At<'_> {
    fn row(&self, line: usize, what: String) -> TaskError {
        TaskError::Row { data: self.name.to_owned(), line, what }
    }

    fn text<'t>(&self, bytes: &'t [u8]) -> Result<&'t str, TaskError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.trim_start_matches('\u{feff}')),
            Err(e) => {
                let line = bytes[..e.valid_up_to()].split(|b| *b == b'\n').count();
                Err(self.row(line, "this is not UTF-8: convert the file".to_owned()))
            }
        }
    }

    fn object(&self, line: usize, value: Value) -> Result<Row, TaskError> {
        match value {
            Value::Object(cells) => Ok(Row::new(line, cells)),
            _ => {
                Err(self
                    .row(line, "this is not a JSON object: write one {\"question\": …} a line".to_owned()))
            }
        }
    }

    fn json(&self, line: usize, error: &serde_json::Error) -> TaskError {
        self.row(line, format!("this is not JSON ({error}): write one object a line"))
    }
}

/// Rows of a Parquet file. They are numbered from 1, because the format has no lines.
fn parquet_rows(at: &At, bytes: &[u8], _: bool) -> Result<Vec<Row>, TaskError> {
    let all = parquet::rows(bytes, at.images).map_err(|what| at.row(1, what))?;
    let row = |(i, (cells, pictures))| Row { line: i + 1, cells, pictures };
    Ok(all.into_iter().enumerate().map(row).collect())
}

/// The lines that are not blank, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(_, l)| !l.trim().is_empty())
}

/// JSON lines, a list of objects, or one object.
fn json(at: &At, bytes: &[u8], _: bool) -> Result<Vec<Row>, TaskError> {
    let text = at.text(bytes)?;
    let whole = text.trim_start();
    if whole.starts_with('[') {
        let rows: Vec<Value> = serde_json::from_str(text).map_err(|e| at.json(e.line(), &e))?;
        return rows.into_iter().enumerate().map(|(i, v)| at.object(i + 1, v)).collect();
    }
    // One object with `data` is SQuAD's form. It may be on one line or on many.
    if whole.starts_with('{')
        && let Ok(Value::Object(mut map)) = serde_json::from_str(text)
    {
        return match map.remove("data") {
            Some(Value::Array(data)) => Ok(squad(&data)),
            Some(other) => {
                map.insert("data".to_owned(), other);
                Ok(vec![Row::new(1, map)])
            }
            None => Ok(vec![Row::new(1, map)]),
        };
    }
    lines(text)
        .map(|(n, line)| at.object(n, serde_json::from_str(line).map_err(|e| at.json(n, &e))?))
        .collect()
}

/// Turns articles of paragraphs of questions into one row a question, with the columns of the hub's copies: id, title,
/// context, question, `answers.text`, `answers.answer_start`.
fn squad(data: &[Value]) -> Vec<Row> {
    let list = |v: &Value, key: &str| v[key].as_array().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for article in data {
        for paragraph in list(article, "paragraphs") {
            for question in list(&paragraph, "qas") {
                let Value::Object(mut cells) = question else { continue };
                let answers = cells.remove("answers").unwrap_or_default();
                let answers = answers.as_array().cloned().unwrap_or_default();
                let each = |key: &str| -> Vec<Value> { answers.iter().map(|a| a[key].clone()).collect() };
                let lists = serde_json::json!({ "text": each("text"), "answer_start": each("answer_start") });
                cells.insert("answers".to_owned(), lists);
                cells.insert("title".to_owned(), article["title"].clone());
                cells.insert("context".to_owned(), paragraph["context"].clone());
                rows.push(Row::new(rows.len() + 1, cells));
            }
        }
    }
    rows
}

/// Tab-separated lines without quotes, as in MGSM's files.
fn tsv(at: &At, bytes: &[u8], header: bool) -> Result<Vec<Row>, TaskError> {
    let mut lines = lines(at.text(bytes)?);
    let names: Option<Vec<&str>> =
        if header { lines.next().map(|(_, l)| l.split('\t').collect()) } else { None };
    lines.map(|(line, l)| cells(at, line, l.split('\t'), names.as_deref())).collect()
}

/// Comma-separated values, with quotes as in RFC 4180.
fn comma_separated(at: &At, bytes: &[u8], header: bool) -> Result<Vec<Row>, TaskError> {
    let text = at.text(bytes)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut names: Option<Vec<String>> = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| {
            let line = e.position().map_or(1, csv::Position::line);
            at.row(line as usize, "this is not CSV: check the quotes".to_owned())
        })?;
        let line = record.position().map_or(1, csv::Position::line) as usize;
        if header && names.is_none() {
            names = Some(record.iter().map(str::to_owned).collect());
            continue;
        }
        let known: Option<Vec<&str>> = names.as_ref().map(|n| n.iter().map(String::as_str).collect());
        rows.push(cells(at, line, record.iter(), known.as_deref())?);
    }
    Ok(rows)
}

fn cells<'a>(
    at: &At,
    line: usize,
    fields: impl Iterator<Item = &'a str>,
    names: Option<&[&str]>,
) -> Result<Row, TaskError> {
    let mut cells = Map::new();
    for (i, field) in fields.enumerate() {
        let name = match names.map(|names| names.get(i)) {
            None => (i + 1).to_string(),
            Some(Some(name)) => (*name).to_owned(),
            Some(None) => {
                let what = "the row has more fields than the header: check it".to_owned();
                return Err(at.row(line, what));
            }
        };
        cells.insert(name, Value::String(field.to_owned()));
    }
    Ok(Row::new(line, cells))
}
