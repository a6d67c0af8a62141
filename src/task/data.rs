//! Rows of a data file → questions.

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::Value;

use super::error::snippet;
use super::file::{Column, Columns, SplitConfig, TaskConfig};
use super::place::{Base, Found, Places};
use super::{Question, TaskError, nearest, number, place};

/// Reads one split. `file` is the task file's name for messages.
pub(super) fn load(
    file: &str,
    task: &TaskConfig,
    split: &SplitConfig,
    base: &Base,
    places: &Places,
) -> Result<Vec<Question>, TaskError> {
    let found = place::read(file, &split.data, base, places)?;
    let reader = Reader { file, data: &found.name, columns: split.columns.as_ref().unwrap_or(&task.columns) };
    let limit = if split.limit == 0 { usize::MAX } else { split.limit };
    let rows = reader.rows(&split.data, &found)?;
    let mut questions = Vec::new();
    for (line, row) in rows.take(limit) {
        questions.push(reader.question(line, questions.len() + 1, &row?)?);
    }
    if questions.is_empty() {
        return Err(TaskError::Empty { file: file.to_owned(), data: found.name });
    }
    Ok(questions)
}

/// No question may stand in both splits.
pub(super) fn check_overlap(file: &str, train: &[Question], test: &[Question]) -> Result<(), TaskError> {
    let seen: HashSet<&str> = train.iter().map(|q| q.question.trim()).collect();
    let both: Vec<&Question> = test.iter().filter(|q| seen.contains(q.question.trim())).collect();
    match both.first() {
        None => Ok(()),
        Some(first) => Err(TaskError::Overlap {
            file: file.to_owned(),
            count: both.len(),
            example: snippet(&first.question),
        }),
    }
}

struct Reader<'a> {
    file: &'a str,
    data: &'a str,
    columns: &'a Columns,
}

/// One row before its columns are picked.
enum Row<'a> {
    Json(serde_json::Map<String, Value>),
    /// Fields, and the header's names where there is one.
    Tsv(Vec<&'a str>, Rc<[&'a str]>),
}

type Rows<'a> = Box<dyn Iterator<Item = (usize, Result<Row<'a>, TaskError>)> + 'a>;

impl<'a> Reader<'a> {
    /// Rows with their line numbers from 1.
    fn rows(&'a self, path: &str, found: &'a Found) -> Result<Rows<'a>, TaskError> {
        let text = found.text.trim_start_matches('\u{feff}');
        let lines =
            || text.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(_, l)| !l.trim().is_empty());
        let tsv = std::path::Path::new(path).extension().is_some_and(|e| e == "tsv")
            || std::path::Path::new(self.data).extension().is_some_and(|e| e == "tsv");
        if tsv {
            let mut lines = lines();
            let first = if self.has_header() { lines.next() } else { None };
            let header: Rc<[&str]> = first.map_or_else(Vec::new, |(_, l)| l.split('\t').collect()).into();
            let row = move |(n, l): (usize, &'a str)| {
                (n, Ok(Row::Tsv(l.split('\t').collect(), Rc::clone(&header))))
            };
            return Ok(Box::new(lines.map(row)));
        }
        if text.trim_start().starts_with('[') {
            let rows: Vec<Value> = serde_json::from_str(text).map_err(|e| self.json_error(e.line(), &e))?;
            return Ok(Box::new(rows.into_iter().enumerate().map(|(i, v)| (i + 1, self.object(i + 1, v)))));
        }
        Ok(Box::new(lines().map(|(n, line)| {
            let value = serde_json::from_str(line).map_err(|e| self.json_error(n, &e));
            (n, value.and_then(|v| self.object(n, v)))
        })))
    }

    fn has_header(&self) -> bool {
        let Columns { question, answer, id } = self.columns;
        [question, answer, id].iter().any(|c| matches!(c, Some(Column::Name(_))))
    }

    fn question(&self, line: usize, number: usize, row: &Row) -> Result<Question, TaskError> {
        let Columns { question, answer, id } = self.columns;
        let text = self.cell(line, row, question.as_ref(), "question", 1)?;
        let gold = self.cell(line, row, answer.as_ref(), "answer", 2)?;
        let gold = gold.rsplit("####").next().unwrap_or(&gold).trim().to_owned();
        if text.trim().is_empty() {
            return Err(self.row(line, "the question is empty: fill it in or take the row out".to_owned()));
        }
        if number::gold(&gold).is_none() {
            let what =
                format!("the answer {:?} is not a number: the task's scorer needs one", snippet(&gold));
            return Err(self.row(line, what));
        }
        let id = match (id, row) {
            (Some(column), _) => self.cell(line, row, Some(column), "id", 3)?,
            (None, Row::Json(map)) if map.contains_key("id") => self.cell(line, row, None, "id", 3)?,
            (None, _) => number.to_string(),
        };
        Ok(Question { id, question: text, gold })
    }

    /// A row's text in a column; `name` and `number` say where it is unless the file says otherwise.
    fn cell(
        &self,
        line: usize,
        row: &Row,
        column: Option<&Column>,
        name: &str,
        number: usize,
    ) -> Result<String, TaskError> {
        match row {
            Row::Json(map) => {
                let key = match column {
                    None => name.to_owned(),
                    Some(Column::Name(key)) => key.clone(),
                    Some(Column::Number(n)) => n.to_string(),
                };
                match map.get(&key) {
                    Some(Value::String(text)) => Ok(text.clone()),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
                    Some(_) => Err(self.row(line, format!("{key:?} is neither text nor a number"))),
                    None => Err(self.column(line, key, &map.keys().map(String::as_str).collect::<Vec<_>>())),
                }
            }
            Row::Tsv(fields, header) => {
                let named = |key: &str| header.iter().position(|h| *h == key);
                let index = match column {
                    Some(Column::Number(n)) => n.checked_sub(1),
                    Some(Column::Name(key)) => named(key),
                    None if header.is_empty() => Some(number - 1),
                    None => named(name),
                };
                let Some(index) = index else {
                    let key = match column {
                        Some(Column::Name(key)) => key.clone(),
                        Some(Column::Number(n)) => n.to_string(),
                        None => name.to_owned(),
                    };
                    return Err(self.column(line, key, header));
                };
                let missing = || {
                    let (has, wants) = (fields.len(), index + 1);
                    self.row(
                        line,
                        format!("the row has {has} tab-separated fields, no field {wants}: check the tabs"),
                    )
                };
                fields.get(index).map(|text| (*text).to_owned()).ok_or_else(missing)
            }
        }
    }

    fn object(&self, line: usize, value: Value) -> Result<Row<'a>, TaskError> {
        match value {
            Value::Object(map) => Ok(Row::Json(map)),
            _ => {
                Err(self
                    .row(line, "this is not a JSON object: write one {\"question\": …} a line".to_owned()))
            }
        }
    }

    fn json_error(&self, line: usize, error: &serde_json::Error) -> TaskError {
        self.row(line, format!("this is not JSON ({error}): write one object a line"))
    }

    fn row(&self, line: usize, what: String) -> TaskError {
        TaskError::Row { data: self.data.to_owned(), line, what }
    }

    fn column(&self, line: usize, column: String, known: &[&str]) -> TaskError {
        let hint = match nearest(&column, known) {
            "" => String::new(),
            nearest => format!(", did you mean {:?}", snippet(nearest)),
        };
        TaskError::Column { file: self.file.to_owned(), data: self.data.to_owned(), line, column, hint }
    }
}
