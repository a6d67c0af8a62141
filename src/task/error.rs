//! Errors of a task. Each variant is one sentence: what is wrong, where, and what to do.

use super::template::Variables;
use crate::limits::shown;
use crate::toml_text;

/// Why a task can't be used. File names are written as the person gave them; `<zoo.toml>` is a built-in file.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A reference that is neither a built-in name nor a file.
    #[error(
        "there is no built-in {what} {name:?} and no such file: did you mean \"{nearest}\"? \
         Built in are {known}"
    )]
    UnknownTask { what: &'static str, name: String, nearest: &'static str, known: String },
    /// A file that can't be read.
    #[error("{} can't be read ({source}): check the path and its permissions", shown(path))]
    Read { path: String, source: std::io::Error },
    /// A task file that is not valid TOML.
    #[error("{file}, line {line}: {}", shown(message))]
    Syntax { file: String, line: usize, message: String },
    /// A key that no task file has.
    #[error("{file}, line {line}: unknown key \"{}\", did you mean \"{nearest}\"?", shown(key))]
    UnknownKey { file: String, line: usize, key: String, nearest: &'static str },
    /// A value that is missing or can't be used.
    #[error("{file}: {key} {}", shown(what))]
    Value { file: String, key: &'static str, what: String },
    /// A template or expression that fails.
    #[error(
        "{file}: the {key} does not work ({}): it may use the data's columns, here {}",
        shown(message),
        shown(columns)
    )]
    Template { file: String, key: &'static str, message: String, columns: String },
    /// Data that is not on this machine.
    #[error("{file} needs {}: {}", shown(what), shown(todo))]
    Absent { file: String, what: String, todo: String },
    /// A `MeCab` dictionary that can't be read.
    #[error(
        "the MeCab dictionary in {folder} can't be used: {why}; give a folder with sys.dic, unk.dic, \
         char.bin and matrix.bin, such as the Python package unidic_lite's"
    )]
    Dictionary { folder: String, why: String },
    /// A row of data that can't be used.
    #[error("{data}, line {line}: {}", shown(what))]
    Row { data: String, line: usize, what: String },
    /// A question whose prompt and pictures do not go together.
    #[error("{}, question {}: {what}", shown(task), shown(id))]
    Marks { task: String, id: String, what: String },
    /// A picture that can't be used.
    #[error("{}", shown(what))]
    Picture { what: String },
    /// A column that the data does not have.
    #[error("{data}, line {line}: there is no column \"{}\"{hint}: set `columns` in {file}", shown(column))]
    Column { file: String, data: String, line: usize, column: String, hint: String },
    /// Data without a question.
    #[error("{data} holds no questions: {file} needs at least one in each split")]
    Empty { file: String, data: String },
    /// A split that the task does not have.
    #[error("{file} has no [{split}] questions: add a [{split}] section that says where they come from")]
    NoSplit { file: String, split: &'static str },
    /// More examples are requested than the data holds.
    #[error("{file}: {count} examples are asked for and {data} has {found}: lower `shots.count`")]
    Shots { file: String, data: String, count: usize, found: usize },
    /// Questions that both splits contain.
    #[error(
        "{file}: {count} question(s) stand in both train and test (the first: {example:?}): \
         take them out of one, or held-out scores mean nothing"
    )]
    Overlap { file: String, count: usize, example: String },
    /// A fitness expression that can't be parsed.
    #[error("fitness \"{}\", character {column}: {}", shown(expression), shown(what))]
    FitnessSyntax { expression: String, column: usize, what: String },
    /// A name that fitness expressions do not know.
    #[error(
        "fitness \"{}\": unknown name \"{}\", did you mean \"{nearest}\"?",
        shown(expression),
        shown(name)
    )]
    FitnessName { expression: String, name: String, nearest: &'static str },
}

impl TaskError {
    /// The error for a failed template or expression, with the columns that it may use.
    pub(super) fn template(file: &str, key: &'static str, message: &str, variables: &Variables) -> Self {
        let columns: Vec<String> = variables.keys().map(|k| snippet(k)).collect();
        Self::Template {
            file: file.to_owned(),
            key,
            message: message.to_owned(),
            columns: columns.join(", "),
        }
    }

    /// The error for a question whose prompt and pictures do not go together.
    pub(super) fn marks(task: &str, id: &str, what: String) -> Self {
        Self::Marks { task: task.to_owned(), id: snippet(id), what }
    }

    /// Adds the task file's name to an error that lacks one.
    pub(super) fn in_file(mut self, name: &str) -> Self {
        if let Self::Template { file, .. } = &mut self {
            name.clone_into(file);
        }
        self
    }
}

/// A short piece of text from a file for a message. `{:?}` then makes its control characters visible.
pub(super) fn snippet(text: &str) -> String {
    const LENGTH: usize = 40;
    let mut out: String = text.chars().take(LENGTH).collect();
    if text.chars().nth(LENGTH).is_some() {
        out.push('…');
    }
    out
}

/// The known name nearest to a mistyped one; empty where none is known.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> &'a str {
    toml_text::closest(name, known.iter().copied()).map_or("", |(_, near)| near)
}
