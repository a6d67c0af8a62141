//! Jinja templates from files: chat templates of models and prompt templates of tasks. A template and its variables
//! come in; the text that Jinja2 would render goes out.
//!
//! A template is a program of unknown origin, so it has limits: [`TEMPLATE_STEPS`] for its fuel (every step, every byte
//! and item that it makes) and [`TEMPLATE_TEXT`] for its text. minijinja charges fuel for its own operators, filters
//! and functions; those of this folder charge before they allocate. A template with blocks runs on its own thread, with
//! a stack for the deepest value that the fuel allows. The caller abandons it after [`TEMPLATE_SECONDS`], because
//! comparing two values that hold the same lists many times takes no fuel.

mod clock;
mod filters;
mod json;
mod percent;
mod prepare;
mod text;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Template, UndefinedBehavior};

use crate::limits::{TEMPLATE_SECONDS, TEMPLATE_SOURCE, TEMPLATE_STEPS, TEMPLATE_TEXT};

/// Name of the template that [`Jinja::set`] stores.
const OWN: &str = "template";
/// Maximum nesting depth of loops, macros and blocks.
const DEPTH: usize = 200;
/// Stack of the thread that runs a template. It reserves address space; only the used part takes memory.
const STACK: usize = 256 << 20;

/// The project whose conventions a template follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// transformers' `apply_chat_template`: blocks leave no empty lines, an undefined variable is empty.
    Chat,
    /// lm-evaluation-harness's prompts: text is kept unchanged, an undefined variable is an error.
    Prompt,
}

/// Renders templates and evaluates expressions by one set of rules.
#[derive(Debug)]
pub struct Jinja {
    /// Holds the stored template, if there is one, under the name [`OWN`].
    environment: Arc<Environment<'static>>,
    /// Source of the stored template, rewritten for minijinja.
    source: Arc<str>,
    /// Whether the stored template has blocks or needs a large stack. Such a template runs on a separate thread.
    blocks: bool,
    patience: Duration,
    /// Hashes of the sources that ran out of time. Each may still be running, so it is not started again.
    given_up: Mutex<HashSet<u64>>,
}

impl Jinja {
    /// A renderer without a stored template.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let mut environment = Environment::new();
        let builder = match rules {
            Rules::Chat => SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build(),
            Rules::Prompt => SyntaxConfig::builder().keep_trailing_newline(true).build(),
        };
        environment.set_syntax(builder.expect("the default delimiters are valid"));
        if rules == Rules::Prompt {
            environment.set_undefined_behavior(UndefinedBehavior::Strict);
        }
        environment.set_fuel(Some(TEMPLATE_STEPS));
        environment.set_recursion_limit(DEPTH);
        environment.set_unknown_method_callback(text::method);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_function(prepare::MODULO, modulo);
        environment.add_function(prepare::ITEMS, items);
        environment.add_function(prepare::SUM, sum);
        filters::add(&mut environment);
        environment.add_function("strftime_now", |format: String| {
            clock::strftime(&format, std::time::SystemTime::now())
        });
        environment.add_filter("tojson", json::to_json);
        environment.set_formatter(|out, state, value| match text::float(value) {
            Some(text) => out.write_str(&text).map_err(Error::from),
            None => minijinja::escape_formatter(out, state, value),
        });
        Self {
            environment: Arc::new(environment),
            source: Arc::from(""),
            blocks: false,
            patience: Duration::from_secs(TEMPLATE_SECONDS),
            given_up: Mutex::default(),
        }
    }

    /// Adds a filter that the caller defines.
    pub fn with_filter<F, Rv, Args>(mut self, name: &'static str, filter: F) -> Self
    where
        F: minijinja::functions::Function<Rv, Args>,
        Rv: minijinja::value::FunctionResult,
        Args: for<'a> minijinja::value::FunctionArgs<'a>,
    {
        if let Some(environment) = Arc::get_mut(&mut self.environment) {
            environment.add_filter(name, filter);
        }
        self
    }

    /// Stores the template that [`Self::render`] renders.
    ///
    /// # Errors
    /// What is wrong with the template, in one line.
    pub fn set(&mut self, source: &str) -> Result<(), String> {
        check_size(source)?;
        let (prepared, deep) = prepare::prepare(source)?;
        self.blocks = deep || prepared.contains("{%");
        self.source = Arc::from(prepared.as_str());
        let compiled = self.run(&self.source, self.blocks, move |environment| {
            let mut environment = environment.clone();
            environment.add_template_owned(OWN, prepared).map_err(|e| sentence(&e))?;
            Ok(environment)
        })?;
        self.environment = Arc::new(compiled);
        Ok(())
    }

    /// Renders the stored template.
    ///
    /// # Errors
    /// What the template does wrong or raises, or the limit that it exceeds, in one line.
    pub fn render(&self, variables: Value) -> Result<String, String> {
        self.run(&self.source, self.blocks, move |environment| {
            write(&environment.get_template(OWN).map_err(|e| sentence(&e))?, variables)
        })
    }

    /// Renders the template in `source`.
    ///
    /// # Errors
    /// The same as for [`Self::set`] and [`Self::render`].
    pub fn render_text(&self, source: &str, variables: Value) -> Result<String, String> {
        check_size(source)?;
        let (prepared, deep) = prepare::prepare(source)?;
        let blocks = deep || prepared.contains("{%");
        let key = prepared.clone();
        self.run(&key, blocks, move |environment| {
            write(&environment.template_from_str(&prepared).map_err(|e| sentence(&e))?, variables)
        })
    }

    /// Evaluates an expression; `None` if its value is undefined.
    ///
    /// # Errors
    /// The same as for [`Self::render`].
    pub fn evaluate(&self, expression: &str, variables: Value) -> Result<Option<serde_json::Value>, String> {
        check_size(expression)?;
        let (prepared, deep) = prepare::prepare_expression(expression)?;
        let key = prepared.clone();
        self.run(&key, deep, move |environment| {
            let compiled = environment.compile_expression(&prepared).map_err(|e| sentence(&e))?;
            let value = compiled.eval(variables).map_err(|e| sentence(&e))?;
            if value.is_undefined() {
                return Ok(None);
            }
            serde_json::to_value(value).map(Some).map_err(|e| e.to_string())
        })
    }

    /// Calls `run` for a `source`; if the source has `blocks`, on a separate thread. Without blocks no value can become
    /// deep or hold one list many times.
    fn run<T: Send + 'static>(
        &self,
        source: &str,
        blocks: bool,
        run: impl FnOnce(&Environment<'static>) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        if !blocks {
            return run(&self.environment);
        }
        let late = || format!("it takes more than {} seconds and was given up", self.patience.as_secs_f64());
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        let key = hasher.finish();
        let given_up = || self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        if given_up().contains(&key) {
            return Err(late());
        }
        let environment = Arc::clone(&self.environment);
        let (sender, receiver) = sync_channel(1);
        let thread = std::thread::Builder::new().name("template".to_owned()).stack_size(STACK);
        let thread = thread.spawn(move || {
            // Nobody receives the result if the caller has abandoned the template.
            let _ = sender.send(run(&environment));
        });
        let thread = thread.map_err(|e| format!("there is no thread to run it on: {e}"))?;
        match receiver.recv_timeout(self.patience) {
            Ok(out) => {
                // Joining notices a panic while values are dropped, and leaves no thread behind.
                thread.join().map_err(|_| "it makes the template library fail".to_owned())?;
                out
            }
            Err(RecvTimeoutError::Timeout) => {
                given_up().insert(key);
                Err(late())
            }
            Err(RecvTimeoutError::Disconnected) => Err("it makes the template library fail".to_owned()),
        }
    }
}

fn check_size(source: &str) -> Result<(), String> {
    if source.len() > TEMPLATE_SOURCE {
        return Err(format!(
            "it has {} bytes, more than the {TEMPLATE_SOURCE} that a template may have",
            source.len()
        ));
    }
    Ok(())
}

/// A buffer that refuses text beyond the limit.
struct Limited<'a>(&'a mut Vec<u8>);

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > TEMPLATE_TEXT {
            return Err(std::io::Error::other(format!("it gives more than {TEMPLATE_TEXT} bytes of text")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write(template: &Template<'_, '_>, variables: Value) -> Result<String, String> {
    let mut out = Vec::new();
    template.render_captured_to(variables, Limited(&mut out)).map_err(|e| sentence(&e))?;
    String::from_utf8(out).map_err(|e| e.to_string())
}

/// An error in one line: a message that the template raised without minijinja's prefix, a limit with its number.
fn sentence(error: &Error) -> String {
    let line = error.line().map_or(String::new(), |line| format!(", line {line}"));
    let mut at: &dyn std::error::Error = error;
    loop {
        if let Some(inner) = at.downcast_ref::<Error>()
            && inner.kind() == ErrorKind::OutOfFuel
        {
            return format!(
                "it takes more than {TEMPLATE_STEPS} steps or makes more than {} MB of text and lists: it loops or grows \
                 without need{line}",
                TEMPLATE_STEPS * 64 / 1_000_000
            );
        }
        match at.source() {
            Some(next) => at = next,
            None => break,
        }
    }
    let text = match (error.kind(), error.detail()) {
        (ErrorKind::WriteFailure, _) => at.to_string(),
        (_, Some(detail)) => detail.to_owned(),
        _ => error.to_string(),
    };
    format!("{}{line}", text.replace(['\n', '\r'], ", "))
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

/// Charges for `bytes` of text before the text is made.
fn pay(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(bytes as u64 / 64)
}

/// What a loop iterates over: a text's characters, or several values as a list.
fn items(state: &mut State, mut args: Rest<Value>) -> Result<Value, Error> {
    match (args.len(), args.first().and_then(Value::as_str)) {
        (1, Some(text)) => {
            // Each character becomes an item of a list.
            pay(state, text.len().saturating_mul(32))?;
            Ok(text.chars().map(|c| Value::from(c.to_string())).collect::<Vec<_>>().into())
        }
        (1, None) => Ok(args.0.remove(0)),
        _ => Ok(Value::from(args.0)),
    }
}

/// Python's `+`: concatenates texts or lists, adds numbers.
fn sum(state: &mut State, parts: Rest<Value>) -> Result<Value, Error> {
    let mut parts = parts.0.into_iter();
    let first = parts.next().unwrap_or(Value::UNDEFINED);
    parts.try_fold(first, |left, right| plus(state, &left, &right))
}

fn plus(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        pay(state, a.len().saturating_add(b.len()))?;
        return Ok(Value::from(format!("{a}{b}")));
    }
    if left.is_number() && right.is_number()
        || left.kind() == ValueKind::Bool
        || right.kind() == ValueKind::Bool
    {
        if let (Some(a), Some(b)) = (integer(left), integer(right)) {
            let sum = a.checked_add(b).ok_or_else(|| wrong("the sum is too large"))?;
            return Ok(i64::try_from(sum).map_or_else(|_| Value::from(sum), Value::from));
        }
        if let (Ok(a), Ok(b)) = (f64::try_from(left.clone()), f64::try_from(right.clone())) {
            return Ok(Value::from(a + b));
        }
    }
    let list = |v: &Value| matches!(v.kind(), ValueKind::Seq | ValueKind::Iterable);
    if list(left) && list(right) && left.is_tuple() == right.is_tuple() {
        let mut all = Vec::new();
        for item in left.try_iter()?.chain(right.try_iter()?) {
            // The cost of one list item.
            pay(state, 64)?;
            all.push(item);
        }
        let tuple = left.is_tuple();
        return Ok(if tuple { Value::from(minijinja::value::Tuple::from(all)) } else { Value::from(all) });
    }
    Err(wrong(format!("+ does not work between {} and {}", left.kind(), right.kind())))
}

/// A value as a whole number for Python's `+` and `%`.
fn integer(value: &Value) -> Option<i128> {
    (value.is_integer() || value.kind() == ValueKind::Bool)
        .then(|| i128::try_from(value.clone()).ok())
        .flatten()
}

/// Python's `%`: formats a text, or gives the remainder of two numbers, with the divisor's sign.
#[expect(clippy::needless_pass_by_value, reason = "a function takes its arguments so")]
fn modulo(state: &mut State, left: Value, right: Value) -> Result<Value, Error> {
    if let Some(format) = left.as_str() {
        return percent::format(state, format, &right);
    }
    if let (Some(a), Some(b)) = (integer(&left), integer(&right)) {
        if b == 0 {
            return Err(wrong("integer modulo by zero"));
        }
        let rest = a.wrapping_rem(b);
        let rest = if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest };
        return Ok(i64::try_from(rest).map_or_else(|_| Value::from(rest), Value::from));
    }
    let float = |v: &Value| f64::try_from(v.clone()).ok().filter(|_| v.is_number());
    match (float(&left), float(&right)) {
        (Some(_), Some(0.0)) => Err(wrong("float modulo by zero")),
        (Some(a), Some(b)) => {
            let rest = a % b;
            Ok(Value::from(if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }))
        }
        _ => Err(wrong(format!("% does not work between {} and {}", left.kind(), right.kind()))),
    }
}

/// Assigns a filter's arguments, given by position or by name, to `names` as Python does; `none` counts as not given.
fn arguments<const N: usize>(args: All, names: [&str; N]) -> Result<[Option<Value>; N], Error> {
    let mut placed: Vec<Value> = args.0.into_iter().map(ValueOrKwargs::into_value).collect();
    let named = match placed.last().filter(|v| v.is_kwargs()).cloned() {
        Some(last) => {
            placed.pop();
            Some(Kwargs::try_from(last)?)
        }
        None => None,
    };
    if placed.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut out = names.map(|_| None);
    for (place, name) in names.iter().enumerate() {
        let by_name: Option<Value> = match &named {
            Some(named) => named.get(name)?,
            None => None,
        };
        out[place] = placed.get(place).cloned().or(by_name).filter(|v| !v.is_none() && !v.is_undefined());
    }
    named.map_or(Ok(()), |named| named.assert_all_used())?;
    Ok(out)
}

/// All arguments of a filter.
type All = Rest<ValueOrKwargs>;

/// Converts an argument to type `T`; takes the default if the argument is missing.
fn take<T: TryFrom<Value, Error = Error>>(value: Option<Value>, default: T) -> Result<T, Error> {
    value.map_or(Ok(default), T::try_from)
}

#[cfg(test)]
mod tests;
