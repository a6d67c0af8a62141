//! Templates and expressions of task files, in Jinja with lm-evaluation-harness's conventions. The columns of a row
//! come in; a text or a value goes out. The data reader and the prompts call it.

use std::sync::OnceLock;

use minijinja::value::Serde;
use minijinja::{Error, ErrorKind, Value};
use serde_json::Map;

use super::jinja::{Jinja, Rules};

/// The variables of a template: a row's columns, and the variables that the task adds.
pub(super) type Variables = Map<String, serde_json::Value>;

fn jinja() -> &'static Jinja {
    static JINJA: OnceLock<Jinja> = OnceLock::new();
    JINJA.get_or_init(|| Jinja::new(Rules::Prompt).with_filter("from_json", from_json))
}

/// `column | from_json`: parses a cell of a text table that holds a list or an object.
fn from_json(text: &str) -> Result<Value, Error> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("from_json: {e}")))?;
    Ok(Value::from(Serde(value)))
}

/// Renders a template. An error is one line.
pub(super) fn render(template: &str, variables: &Variables) -> Result<String, String> {
    jinja().render_text(template, Value::from(Serde(variables)))
}

/// Evaluates an expression such as `label` or `answers.text`.
pub(super) fn evaluate(expression: &str, variables: &Variables) -> Result<serde_json::Value, String> {
    let value = jinja().evaluate(expression, Value::from(Serde(variables)))?;
    value.ok_or_else(|| format!("{expression:?} is undefined"))
}
