//! Jinja templates from files: chat templates of models and prompt templates of tasks, rendered as Jinja2 renders them,
//! within limits. A template and its variables come in, a text goes out.
//!
//! A template is a program that somebody else wrote. What it may do is bounded by [`TEMPLATE_STEPS`] (every step, and
//! every byte and item that it makes) and its text by [`TEMPLATE_TEXT`]. minijinja charges what its own operators,
//! filters and functions make; those of this folder charge before they make anything. A template of blocks
//! runs on a thread whose stack is large enough for the deepest value that fuel can build, and which is given
//! up after [`TEMPLATE_SECONDS`]: comparing two values that hold the same lists many times takes no fuel.

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

/// The name under which a [`Jinja`] keeps its template.
const OWN: &str = "template";
/// How deep loops, macros and blocks may stand in each other.
const DEPTH: usize = 200;
/// Stack of the thread on which templates run. It is address space: only what is used takes memory.
const STACK: usize = 256 << 20;

/// Whose rules a template follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// transformers' `apply_chat_template`: blocks leave no empty lines, an undefined variable is empty.
    Chat,
    /// lm-evaluation-harness's prompts: text is kept as it is, an undefined variable is an error.
    Prompt,
}

/// Templates and expressions, and the rules that they follow.
#[derive(Debug)]
pub struct Jinja {
    /// With its template, if it has one, under the name [`OWN`].
    environment: Arc<Environment<'static>>,
    /// Its template's source, in minijinja's words.
    source: Arc<str>,
    /// Whether it has blocks, or needs a large stack: then it runs on a thread of its own.
    blocks: bool,
    patience: Duration,
    /// Hashes of the sources that took too long: each may still be running, so none is started again.
    given_up: Mutex<HashSet<u64>>,
}

impl Jinja {
    /// Without a template yet.
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

    /// Adds a filter of the caller's.
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

    /// Takes the template that [`Self::render`] renders.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
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

    /// Renders its template.
    ///
    /// # Errors
    /// What the template does wrong or raises, or the limit that it passes, in one line.
    pub fn render(&self, variables: Value) -> Result<String, String> {
        self.run(&self.source, self.blocks, move |environment| {
            write(&environment.get_template(OWN).map_err(|e| sentence(&e))?, variables)
        })
    }

    /// Renders a template that is given with it.
    ///
    /// # Errors
    /// As [`Self::set`] and [`Self::render`].
    pub fn render_text(&self, source: &str, variables: Value) -> Result<String, String> {
        check_size(source)?;
        let (prepared, deep) = prepare::prepare(source)?;
        let blocks = deep || prepared.contains("{%");
        let key = prepared.clone();
        self.run(&key, blocks, move |environment| {
            write(&environment.template_from_str(&prepared).map_err(|e| sentence(&e))?, variables)
        })
    }

    /// The value of an expression; `None` where it is undefined.
    ///
    /// # Errors
    /// As [`Self::render`].
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

    /// Runs `run` for a `source`, on a thread of its own where it has `blocks`. Without blocks no value can become deep
    /// or hold one list many times.
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
            // Nobody receives it once the template was given up.
            let _ = sender.send(run(&environment));
        });
        let thread = thread.map_err(|e| format!("there is no thread to run it on: {e}"))?;
        match receiver.recv_timeout(self.patience) {
            Ok(out) => {
                // So that a panic while values are dropped is noticed, and no thread is left behind.
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

/// An error in one line: a message that the template raised without minijinja's frame, a limit with its number.
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

/// Pays for `bytes` of text before they are made.
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

/// Python's `+`: of texts and lists one behind the other, of numbers their sum.
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
            // An item of a list.
            pay(state, 64)?;
            all.push(item);
        }
        let tuple = left.is_tuple();
        return Ok(if tuple { Value::from(minijinja::value::Tuple::from(all)) } else { Value::from(all) });
    }
    Err(wrong(format!("+ does not work between {} and {}", left.kind(), right.kind())))
}

/// A whole number, as Python's `+` and `%` see one.
fn integer(value: &Value) -> Option<i128> {
    (value.is_integer() || value.kind() == ValueKind::Bool)
        .then(|| i128::try_from(value.clone()).ok())
        .flatten()
}

/// Python's `%`: of text its format operator, of numbers the remainder with the divisor's sign.
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

/// A filter's arguments by position or by name, as Python takes them; `none` counts as not given.
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

/// An argument as type `T`, or the default.
fn take<T: TryFrom<Value, Error = Error>>(value: Option<Value>, default: T) -> Result<T, Error> {
    value.map_or(Ok(default), T::try_from)
}

#[cfg(test)]
mod tests;
