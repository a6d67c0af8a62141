//! A suite: tasks that are reported together, with the mean of their scores. A name or a path comes in, task names go
//! out; `eval` and `compare` load one.

use std::path::Path;

use serde::Deserialize;

use super::data::builtin;
use super::{BUILTIN, TaskError, config};
use crate::limits::TASKS;

/// Tasks by name or path, in the order of the report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Suite {
    pub name: String,
    pub tasks: Vec<String>,
}

const KEYS: [&str; 2] = ["name", "tasks"];

impl Suite {
    /// Loads a built-in suite by name (`ja8`) or a suite file by path. Task paths in the file are relative to the file.
    ///
    /// # Errors
    /// A suite that is unknown, can't be read, or names no tasks or too many.
    pub fn load(reference: &str) -> Result<Self, TaskError> {
        let (file, text, folder) = builtin::find_suite(reference)?;
        let mut suite: Self = config::read(&file, &text, &KEYS)?;
        if suite.tasks.is_empty() {
            return Err(TaskError::Value { file, key: "tasks", what: "is empty: name tasks".to_owned() });
        }
        if suite.tasks.len() > TASKS {
            let what = format!("names {} tasks: name {TASKS} or less", suite.tasks.len());
            return Err(TaskError::Value { file, key: "tasks", what });
        }
        if let Some(folder) = folder {
            suite.tasks = suite.tasks.iter().map(|task| placed(task, &folder)).collect();
        }
        Ok(suite)
    }

    /// Makes a suite of the tasks named on a command line, `a,b,c`.
    #[must_use]
    pub fn of(list: &str) -> Self {
        let tasks: Vec<String> =
            list.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
        Self { name: tasks.join(","), tasks }
    }
}

/// Makes a task's path relative to the suite's folder.
fn placed(task: &str, folder: &Path) -> String {
    if BUILTIN.contains(&task) {
        return task.to_owned();
    }
    folder.join(task).display().to_string()
}
