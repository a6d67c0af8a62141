//! The task file: TOML in, a checked [`TaskConfig`] out, and its prompt template rendered.

use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Deserialize;

use super::{Question, Scorer, TaskError, nearest};

const KEYS: [&str; 9] =
    ["name", "prompt", "stop", "max_new_tokens", "scorer", "language", "columns", "train", "test"];
const SPLIT_KEYS: [&str; 3] = ["data", "columns", "limit"];
const COLUMN_KEYS: [&str; 3] = ["question", "answer", "id"];

/// A task file as it stands.
#[derive(Debug, Deserialize)]
pub(super) struct TaskConfig {
    pub name: String,
    pub prompt: String,
    #[serde(default)]
    pub stop: Vec<String>,
    pub max_new_tokens: usize,
    #[serde(default)]
    pub scorer: Scorer,
    #[serde(default = "japanese")]
    pub language: String,
    #[serde(default)]
    pub columns: Columns,
    pub train: SplitConfig,
    pub test: SplitConfig,
}

/// Where one split's questions come from.
#[derive(Debug, Deserialize)]
pub(super) struct SplitConfig {
    /// A path beside the task file, or `hf:org/dataset[@revision][:file]` from the hub's cache.
    pub data: String,
    /// Where they differ from the task's.
    pub columns: Option<Columns>,
    /// The first so many questions; 0 takes all.
    #[serde(default)]
    pub limit: usize,
}

/// Which columns hold what; a default depends on the data's format.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Columns {
    pub question: Option<Column>,
    pub answer: Option<Column>,
    pub id: Option<Column>,
}

/// A column by number from 1 (of TSV without a header) or by name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Column {
    Number(usize),
    Name(String),
}

fn japanese() -> String {
    "ja".to_owned()
}

/// Reads a task file; `file` is its name for messages.
pub(super) fn parse(file: &str, text: &str) -> Result<TaskConfig, TaskError> {
    let syntax = |message: &str, span: Option<std::ops::Range<usize>>| TaskError::Syntax {
        file: file.to_owned(),
        line: line_of(text, span.map_or(0, |s| s.start)),
        message: message.replace('\n', ", "),
    };
    let document = toml_edit::Document::parse(text).map_err(|e| syntax(e.message(), e.span()))?;
    let root = document.as_table();
    check_keys(file, text, root, &KEYS)?;
    check_columns(file, text, root)?;
    for split in ["train", "test"] {
        if let Some(table) = root.get(split).and_then(toml_edit::Item::as_table_like) {
            check_keys(file, text, table, &SPLIT_KEYS)?;
            check_columns(file, text, table)?;
        }
    }
    let config: TaskConfig = toml::from_str(text).map_err(|e| syntax(e.message(), e.span()))?;
    check_values(file, &config)?;
    Ok(config)
}

fn check_values(file: &str, config: &TaskConfig) -> Result<(), TaskError> {
    let wrong = |key, what: &str| Err(TaskError::Value { file: file.to_owned(), key, what: what.to_owned() });
    if config.max_new_tokens == 0 {
        return wrong("max_new_tokens", "is 0: give the most tokens that an answer may have");
    }
    if config.language != "ja" {
        return wrong("language", "must be \"ja\": other languages are not judged yet");
    }
    if config.stop.iter().any(String::is_empty) {
        return wrong("stop", "holds an empty string, which would end every answer at once: take it out");
    }
    let columns = [Some(&config.columns), config.train.columns.as_ref(), config.test.columns.as_ref()];
    for Columns { question, answer, id } in columns.into_iter().flatten() {
        if [question, answer, id].into_iter().flatten().any(|c| *c == Column::Number(0)) {
            return wrong("columns", "names column 0: columns are numbered from 1");
        }
    }
    Ok(())
}

fn check_columns(file: &str, text: &str, table: &dyn toml_edit::TableLike) -> Result<(), TaskError> {
    match table.get("columns").and_then(toml_edit::Item::as_table_like) {
        Some(columns) => check_keys(file, text, columns, &COLUMN_KEYS),
        None => Ok(()),
    }
}

fn check_keys(
    file: &str,
    text: &str,
    table: &dyn toml_edit::TableLike,
    known: &[&'static str],
) -> Result<(), TaskError> {
    for (key, _) in table.iter() {
        if !known.contains(&key) {
            let at = table.get_key_value(key).and_then(|(key, _)| key.span()).map_or(0, |s| s.start);
            return Err(TaskError::UnknownKey {
                file: file.to_owned(),
                line: line_of(text, at),
                key: key.to_owned(),
                nearest: nearest(key, known),
            });
        }
    }
    Ok(())
}

fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count() + 1
}

/// Fills in a prompt template.
pub(super) fn render(template: &str, question: &Question) -> Result<String, TaskError> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    let environment = ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        environment.set_syntax(syntax.expect("the default delimiters are valid"));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
    });
    environment.render_str(template, context! { question => &question.question, id => &question.id }).map_err(
        |e| TaskError::Prompt { file: "the task".to_owned(), message: e.to_string().replace('\n', ", ") },
    )
}
