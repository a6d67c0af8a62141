//! Rows of a data file become questions, by the columns and expressions of the task file. Rows come in, questions go
//! out; `load.rs` and `shots.rs` call it.

use serde_json::{Map, Value};

use super::builtin::Base;
use super::locate::{self, Places};
use super::picture_cells;
use super::table::{self, Row, Table};
use crate::limits;
use crate::picture::PictureSource;
use crate::task::config::{Choices, Column, Columns, SplitConfig, TaskConfig};
use crate::task::error::{nearest, snippet};
use crate::task::scoring::{FactWords, number};
use crate::task::template::{self, Variables};
use crate::task::{Kind, Question, Scorer, TaskError};

/// The inputs for reading a split.
pub(in crate::task) struct Source<'a> {
    /// The task file's name for messages.
    pub file: &'a str,
    pub task: &'a TaskConfig,
    pub base: &'a Base,
    pub places: &'a Places,
    /// The rows are solved examples: their answers need not be numbers that a scorer can read.
    pub examples: bool,
}

/// The questions of a split, and the name of their file.
pub(in crate::task) struct Loaded {
    pub data: String,
    pub questions: Vec<Question>,
}

impl Source<'_> {
    /// Reads one split.
    pub fn load(&self, split: &SplitConfig) -> Result<Loaded, TaskError> {
        let columns = split.columns.as_ref().unwrap_or(&self.task.columns);
        let header = has_header(columns);
        let images: Vec<String> = self.task.image.all().iter().map(Column::key).collect();
        let found = locate::read(self.file, split, self.base, self.places)?;
        let data = found.first().map(|f| f.name.clone()).unwrap_or_default();
        let mut questions = Vec::new();
        let limit = if split.limit == 0 { usize::MAX } else { split.limit };
        let mut skip = split.skip;
        for found in &found {
            let table = table::read(found, header, &images)?;
            let reader =
                Reader { file: self.file, task: self.task, columns, table: &table, examples: self.examples };
            for row in &table.rows {
                if skip > 0 {
                    skip -= 1;
                } else if questions.len() < limit {
                    questions.push(reader.question(row, questions.len() + 1)?);
                }
            }
        }
        if questions.is_empty() {
            return Err(TaskError::Empty { file: self.file.to_owned(), data });
        }
        Ok(Loaded { data, questions })
    }
}

/// Whether the columns require a header: columns by name do.
fn has_header(Columns { question, answer, id }: &Columns) -> bool {
    [question, answer, id].iter().any(|c| matches!(c, Some(Column::Name(_))))
}

struct Reader<'a> {
    file: &'a str,
    task: &'a TaskConfig,
    columns: &'a Columns,
    table: &'a Table,
    examples: bool,
}

impl Reader<'_> {
    fn question(&self, row: &Row, number: usize) -> Result<Question, TaskError> {
        let Columns { question, answer, id } = self.columns;
        let mut variables = self.variables(row);
        let images = self.images(row)?;
        if !self.task.image.all().is_empty() {
            variables.entry("images").or_insert_with(|| images.len().into());
        }
        let asked = match (&self.task.question, question) {
            (Some(template), _) => self.render("question", template, row, &variables)?,
            (None, None) if self.task.kind != Kind::Generate && !variables.contains_key("question") => {
                String::new()
            }
            // Without a column `question`, the prompt is shown as the question.
            (None, None) if self.task.gold.is_some() && !variables.contains_key("question") => {
                self.render("prompt", &self.task.prompt, row, &variables)?
            }
            _ => self.cell(row, question.as_ref(), "question", 1)?,
        };
        if self.task.question.is_none() && question.is_some() {
            variables.insert("question".to_owned(), Value::String(asked.clone()));
        }
        let mut out = Question { question: asked, images, ..Question::default() };
        out.choices = self.choices(row, &variables)?;
        self.gold(&mut out, row, answer.as_ref(), &variables)?;
        if out.question.is_empty() && self.task.kind != Kind::Generate {
            out.question = match self.task.kind {
                Kind::Sentence => out.choices.join(" / "),
                _ => self.render("prompt", &self.task.prompt, row, &variables)?,
            };
        }
        if out.question.trim().is_empty() {
            let what = "the question is empty: fill it in or take the row out".to_owned();
            return Err(self.row(row, what));
        }
        out.id = match (id, variables.contains_key("id")) {
            (Some(column), _) => self.cell(row, Some(column), "id", 3)?,
            (None, true) => self.cell(row, None, "id", 3)?,
            (None, false) => number.to_string(),
        };
        if self.task.scorer() == Scorer::Facts && !self.examples {
            out.facts = self.facts(row, &variables)?;
        }
        out.row = variables;
        Ok(out)
    }

    /// The pictures in the row's image columns, in their order.
    fn images(&self, row: &Row) -> Result<Vec<PictureSource>, TaskError> {
        let mut out = Vec::new();
        for key in self.task.image.all().iter().map(Column::key) {
            let Some(cells) = row.pictures.get(&key) else { return Err(self.no_column(row, key)) };
            for cell in cells {
                let name = format!("{}, line {}, picture {}", self.table.name, row.line, out.len() + 1);
                let source = picture_cells::source(cell, &name, self.table.folder.as_deref());
                out.push(source.map_err(|what| self.row(row, what))?);
            }
        }
        if out.len() > limits::PICTURES {
            let what = format!("the question has {} pictures: give {} or less", out.len(), limits::PICTURES);
            return Err(self.row(row, what));
        }
        Ok(out)
    }

    /// The facts that the answer must name, each by its spellings. A word that the task knows stands for its fact.
    fn facts(&self, row: &Row, variables: &Variables) -> Result<Vec<Vec<String>>, TaskError> {
        let config = self.task.facts.clone().unwrap_or_default();
        let value = self.evaluate("facts", &config.of, row, variables)?;
        let listed = value.as_array().and_then(|all| all.iter().map(texts).collect::<Option<Vec<_>>>());
        let facts = listed.filter(|facts| facts.iter().all(|spellings| !spellings.is_empty()));
        let Some(facts) = facts else {
            let what = "the facts are no list of words, or of lists of spellings: check them".to_owned();
            return Err(self.row(row, what));
        };
        let words = FactWords::new(&config.words).unwrap_or_default();
        words.of_question(&facts).map_err(|why| self.row(row, format!("the facts can't be told: {why}")))?;
        Ok(facts)
    }

    /// The columns of a row as template variables. A table without a header gets the names `c1`, `c2`, …, because a
    /// template can't use a number as a name.
    fn variables(&self, row: &Row) -> Variables {
        if !self.table.numbered {
            return row.cells.clone();
        }
        let mut named: Map<String, Value> =
            row.cells.iter().map(|(key, value)| (format!("c{key}"), value.clone())).collect();
        for (name, column, number) in
            [("question", &self.columns.question, "1"), ("answer", &self.columns.answer, "2")]
        {
            if let (None, Some(cell)) = (column, row.cells.get(number)) {
                named.insert(name.to_owned(), cell.clone());
            }
        }
        named
    }

    fn choices(&self, row: &Row, variables: &Variables) -> Result<Vec<String>, TaskError> {
        let list = match &self.task.choices {
            None => return Ok(Vec::new()),
            Some(Choices::Templates(all)) => {
                return all.iter().map(|t| self.render("choices", t, row, variables)).collect();
            }
            Some(Choices::Expression(expression)) => self.evaluate("choices", expression, row, variables)?,
        };
        match texts(&list) {
            Some(all) if all.len() >= 2 && list.is_array() => Ok(all),
            _ => Err(self.row(row, "the choices are no list of two or more texts: check them".to_owned())),
        }
    }

    fn gold(
        &self,
        out: &mut Question,
        row: &Row,
        column: Option<&Column>,
        variables: &Variables,
    ) -> Result<(), TaskError> {
        let value = match &self.task.gold {
            Some(expression) => self.evaluate("gold", expression, row, variables)?,
            None => Value::String(self.cell(row, column, "answer", 2)?),
        };
        if self.task.kind == Kind::Generate {
            let golds = texts(&value).filter(|all| !all.is_empty()).ok_or_else(|| {
                self.row(row, "the answer is neither text, a number nor a list of them: check it".to_owned())
            })?;
            let solved = |gold: &String| gold.rsplit("####").next().unwrap_or(gold).trim().to_owned();
            out.golds = golds.iter().map(solved).collect();
            out.gold = out.golds[0].clone();
            let numeric = self.task.scorer().is_number() && !self.examples;
            if numeric && number::gold(&out.gold).is_none() {
                let what = format!(
                    "the answer {:?} is not a number: the task's scorer needs one",
                    snippet(&out.gold)
                );
                return Err(self.row(row, what));
            }
            return Ok(());
        }
        let index = match &value {
            Value::Number(n) => n.as_u64().map(|n| n as usize),
            Value::String(text) => {
                out.choices.iter().position(|c| c == text).or_else(|| text.trim().parse().ok())
            }
            _ => None,
        };
        match index.filter(|i| *i < out.choices.len()) {
            Some(index) => {
                out.gold.clone_from(&out.choices[index]);
                out.golds = vec![out.gold.clone()];
                out.gold_choice = Some(index);
                Ok(())
            }
            None => Err(self.row(
                row,
                format!(
                    "the right answer {} is none of the {} choices: give its index from 0, or its text",
                    snippet(&value.to_string()),
                    out.choices.len()
                ),
            )),
        }
    }

    /// The text of a row in one column: the column that the task file gives, else `name`, or `number` without a header.
    fn cell(
        &self,
        row: &Row,
        column: Option<&Column>,
        name: &str,
        number: usize,
    ) -> Result<String, TaskError> {
        let key = match column {
            None if self.table.numbered => number.to_string(),
            None => name.to_owned(),
            Some(Column::Name(key)) => key.clone(),
            Some(Column::Number(n)) => n.to_string(),
        };
        match row.cells.get(&key) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            Some(_) => Err(self.row(row, format!("{key:?} is neither text nor a number"))),
            None if self.table.numbered => Err(self.row(
                row,
                format!(
                    "the row has {} tab-separated fields, no field {key}: check the tabs",
                    row.cells.len()
                ),
            )),
            None => Err(self.no_column(row, key)),
        }
    }

    fn no_column(&self, row: &Row, column: String) -> TaskError {
        let known: Vec<&str> = row.cells.keys().map(String::as_str).collect();
        let hint = match nearest(&column, &known) {
            "" => String::new(),
            nearest => format!(", did you mean {:?}", snippet(nearest)),
        };
        let (file, data) = (self.file.to_owned(), self.table.name.clone());
        TaskError::Column { file, data, line: row.line, column, hint }
    }

    fn render(
        &self,
        key: &'static str,
        text: &str,
        row: &Row,
        variables: &Variables,
    ) -> Result<String, TaskError> {
        template::render(text, variables).map_err(|e| self.broken(key, row, variables, &e))
    }

    fn evaluate(
        &self,
        key: &'static str,
        text: &str,
        row: &Row,
        variables: &Variables,
    ) -> Result<Value, TaskError> {
        template::evaluate(text, variables).map_err(|e| self.broken(key, row, variables, &e))
    }

    fn broken(&self, key: &'static str, row: &Row, variables: &Variables, error: &str) -> TaskError {
        let message = format!("{}, line {}: {error}", self.table.name, row.line);
        TaskError::template(self.file, key, &message, variables)
    }

    fn row(&self, row: &Row, what: String) -> TaskError {
        TaskError::Row { data: self.table.name.clone(), line: row.line, what }
    }
}

/// A text, a number, or a list of texts and numbers, as a list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Number(_) | Value::Bool(_) => Some(vec![value.to_string()]),
        Value::Array(all) => {
            all.iter().map(|v| texts(v).filter(|_| !v.is_array()).map(|mut t| t.remove(0))).collect()
        }
        _ => None,
    }
}
