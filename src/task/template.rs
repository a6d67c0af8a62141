//! Templates and expressions of task files, in minijinja with Python's string methods.

use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde_json::Map;

/// A row's columns, and what a task adds to them.
pub(super) type Variables = Map<String, serde_json::Value>;

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        environment.set_syntax(syntax.expect("the default delimiters are valid"));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("from_json", from_json);
        environment
    })
}

/// `column | from_json`: a cell of a text table that holds a list or an object.
fn from_json(text: &str) -> Result<Value, Error> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("from_json: {e}")))?;
    Ok(Value::from(Serde(value)))
}

/// Fills in a template. The error is minijinja's, in one line.
pub(super) fn render(template: &str, variables: &Variables) -> Result<String, String> {
    environment().render_str(template, Serde(variables)).map_err(|e| one_line(&e))
}

/// Value of an expression such as `label` or `answers.text`.
pub(super) fn evaluate(expression: &str, variables: &Variables) -> Result<serde_json::Value, String> {
    let value = environment()
        .compile_expression(expression)
        .and_then(|e| e.eval(Serde(variables)))
        .map_err(|e| one_line(&e))?;
    if value.is_undefined() {
        return Err(format!("{expression:?} is undefined"));
    }
    serde_json::to_value(value).map_err(|e| e.to_string())
}

fn one_line(error: &Error) -> String {
    error.to_string().replace('\n', ", ")
}
