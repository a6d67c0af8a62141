//! The task file: TOML comes in, a checked [`TaskConfig`] goes out. Every key and its default is declared here;
//! `load.rs` calls it.

mod check;
mod decoding;
mod facts;

use serde::Deserialize;

use self::check::{check_columns, check_keys, check_values};
pub use self::decoding::{Decoding, EarlyStopping};
use self::facts::FACT_KEYS;
pub(in crate::task) use self::facts::FactsConfig;
use super::{Kind, Metric, Scorer, TaskError};
use crate::toml_text::{self, Problem};

const KEYS: [&str; 22] = [
    "name",
    "version",
    "kind",
    "description",
    "prompt",
    "chat",
    "question",
    "choices",
    "gold",
    "image",
    "target",
    "encode",
    "stop",
    "max_new_tokens",
    "extract",
    "scorer",
    "metrics",
    "language",
    "weight",
    "columns",
    "train",
    "test",
];
const SPLIT_KEYS: [&str; 6] = ["data", "config", "split", "columns", "skip", "limit"];
const SHOT_KEYS: [&str; 11] = [
    "count",
    "data",
    "config",
    "split",
    "columns",
    "skip",
    "limit",
    "seed",
    "draw",
    "stratified",
    "separator",
];
const COLUMN_KEYS: [&str; 3] = ["question", "answer", "id"];

/// A task file.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::task) struct TaskConfig {
    pub name: String,
    /// The task's version for reports, as in lm-evaluation-harness.
    #[serde(default)]
    pub version: Option<toml::Value>,
    #[serde(default)]
    pub kind: Kind,
    /// The text before the examples.
    #[serde(default)]
    pub description: String,
    /// The template of one question; its variables are the row's columns.
    #[serde(default)]
    pub prompt: String,
    /// Wraps the prompt in the model's chat template.
    #[serde(default)]
    pub chat: bool,
    /// Template of the question that a person is shown. Without it the column `question` is shown, else the prompt.
    pub question: Option<String>,
    pub choices: Option<Choices>,
    /// An expression for the right answer, for a list of accepted answers, or for the right choice's index.
    pub gold: Option<String>,
    /// The columns of the pictures that a question is about: `<image>` in the prompt stands for one.
    #[serde(default)]
    pub image: ImageColumns,
    /// Template of an example's answer. Without it the answer is the right answer or the right choice.
    pub target: Option<String>,
    #[serde(default)]
    pub encode: Encode,
    #[serde(default)]
    pub stop: Vec<String>,
    pub max_new_tokens: Option<Length>,
    /// `[decoding]`; greedy decoding without it.
    #[serde(default)]
    pub decoding: Decoding,
    #[serde(default)]
    pub extract: Extract,
    /// `[facts]`, for the scorer of that name.
    pub facts: Option<FactsConfig>,
    pub scorer: Option<Scorer>,
    /// The metrics to report; the first is the task's score.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    pub language: Option<String>,
    #[serde(default = "one")]
    pub weight: f64,
    #[serde(default)]
    pub columns: Columns,
    pub shots: Option<ShotConfig>,
    pub train: Option<SplitConfig>,
    pub test: Option<SplitConfig>,
}

/// Where one split's questions come from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in crate::task) struct SplitConfig {
    pub data: Data,
    /// The configuration of a dataset in the hub's cache.
    pub config: Option<String>,
    /// The split of a dataset in the hub's cache.
    pub split: Option<String>,
    /// Columns of this split, if they differ from the task's.
    pub columns: Option<Columns>,
    /// Skips this many rows.
    #[serde(default)]
    pub skip: usize,
    /// Takes at most this many questions; 0 takes all.
    #[serde(default)]
    pub limit: usize,
}

/// A path, or `hf:org/dataset[@revision][:file]` from the hub's cache. With several, the first that exists is read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a path or a list of paths")]
pub(in crate::task) enum Data {
    #[default]
    None,
    One(String),
    Any(Vec<String>),
}

impl Data {
    pub fn all(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Any(all) => all,
        }
    }
}

/// `[shots]`: solved examples before the question.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::task) struct ShotConfig {
    pub count: usize,
    /// The examples' data; by default the training split's.
    pub data: Option<Data>,
    pub config: Option<String>,
    pub split: Option<String>,
    pub columns: Option<Columns>,
    #[serde(default)]
    pub skip: usize,
    #[serde(default)]
    pub limit: usize,
    #[serde(default = "forty_two")]
    pub seed: u64,
    #[serde(default)]
    pub draw: Draw,
    /// Draws examples of each answer in proportion to that answer's share in the data.
    #[serde(default)]
    pub stratified: bool,
    #[serde(default = "blank_line")]
    pub separator: String,
}

/// How examples are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::task) enum Draw {
    /// For each question in turn, with Python's `random.Random(seed).sample`, as lm-evaluation-harness does.
    #[default]
    Each,
    /// As [`Self::Each`], after shuffling the questions with the same generator, as jp-stable's harness does.
    Shuffled,
    /// The first rows, the same for every question.
    First,
}

/// The columns of question, answer and id; the defaults depend on the data's format.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in crate::task) struct Columns {
    pub question: Option<Column>,
    pub answer: Option<Column>,
    pub id: Option<Column>,
}

/// A column by number from 1 (of TSV or CSV without a header) or by name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a column by name or by number")]
pub(in crate::task) enum Column {
    Number(usize),
    Name(String),
}

/// The columns of a question's pictures. A cell holds a picture, a list of pictures, or none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a column or a list of columns, each by name or by number")]
pub(in crate::task) enum ImageColumns {
    #[default]
    None,
    One(Column),
    Several(Vec<Column>),
}

impl ImageColumns {
    pub fn all(&self) -> &[Column] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(all) => all,
        }
    }
}

impl Column {
    /// Its name among a row's cells.
    pub fn key(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The choices of a question: an expression that gives a list, or one template a choice.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected an expression or a list of templates")]
pub(in crate::task) enum Choices {
    Expression(String),
    Templates(Vec<String>),
}

/// How a choice is joined to its prompt as tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encode {
    /// Both as one text, minus the prompt's tokens (lm-evaluation-harness).
    #[default]
    Joined,
    /// Each is tokenised alone, without special tokens such as the start token (jp-stable's harness).
    Apart,
}

/// Maximum number of tokens of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a number, or { rule = \"longest_gold\", plus = N }")]
pub enum Length {
    Tokens(usize),
    /// The number of tokens of the longest accepted answer, plus `plus`.
    Rule {
        rule: LengthRule,
        #[serde(default)]
        plus: usize,
    },
}

/// A rule for [`Length`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthRule {
    LongestGold,
}

/// The part of an answer that is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::task) enum Extract {
    /// The whole answer.
    #[default]
    None,
    /// The last number, as the scorer reads numbers.
    Number,
    /// The last match of this regular expression, or its first group if it has groups.
    Regex(String),
}

const fn one() -> f64 {
    1.0
}

const fn forty_two() -> u64 {
    42
}

fn blank_line() -> String {
    "\n\n".to_owned()
}

/// Reads a task file; messages call it `file`.
pub(in crate::task) fn parse(file: &str, text: &str) -> Result<TaskConfig, TaskError> {
    let keys: Vec<&'static str> = KEYS.into_iter().chain(["shots", "decoding", "facts"]).collect();
    let document = document(file, text)?;
    let root = document.as_table();
    check_columns(file, text, root)?;
    for (table, known) in
        [("train", SPLIT_KEYS.as_slice()), ("test", SPLIT_KEYS.as_slice()), ("shots", SHOT_KEYS.as_slice())]
    {
        if let Some(table) = root.get(table).and_then(toml_edit::Item::as_table_like) {
            check_keys(file, text, table, known)?;
            check_columns(file, text, table)?;
        }
    }
    if let Some(table) = root.get("decoding").and_then(toml_edit::Item::as_table_like) {
        check_keys(file, text, table, &Decoding::KEYS)?;
    }
    if let Some(table) = root.get("facts").and_then(toml_edit::Item::as_table_like) {
        check_keys(file, text, table, &FACT_KEYS)?;
    }
    let config: TaskConfig = read(file, text, &keys)?;
    check_values(file, &config)?;
    Ok(config)
}

/// Reads a TOML file whose top-level keys must be among these.
pub(in crate::task) fn read<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
    known: &[&'static str],
) -> Result<T, TaskError> {
    check_keys(file, text, document(file, text)?.as_table(), known)?;
    toml_text::read(text).map_err(|problem| syntax(file, &problem))
}

fn document<'t>(file: &str, text: &'t str) -> Result<toml_edit::Document<&'t str>, TaskError> {
    toml_text::document(text).map_err(|problem| syntax(file, &problem))
}

fn syntax(file: &str, problem: &Problem) -> TaskError {
    TaskError::Syntax {
        file: file.to_owned(),
        line: problem.line.unwrap_or(1),
        message: problem.message.replace('\n', ", "),
    }
}
