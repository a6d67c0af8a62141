//! Filters, tests and functions of Jinja2 that minijinja lacks. `jinja/mod.rs` adds them to every environment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minijinja::value::{Object, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::text::{self, Place};
use super::{All, arguments, pay, take, wrong};

/// Longest message that a template can raise, in characters.
const MESSAGE: usize = 2000;

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_function(
        "raise_exception",
        |state: &mut State, message: Value| -> Result<Value, Error> {
            let message: String = text::string(state, &message)?.chars().take(MESSAGE).collect();
            Err(Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    environment.add_function("joiner", |separator: Option<String>| {
        Value::from_object(Joiner {
            separator: separator.unwrap_or_else(|| ", ".to_owned()),
            used: AtomicBool::new(false),
        })
    });
    environment.add_function("cycler", |items: Rest<Value>| -> Result<Value, Error> {
        if items.is_empty() {
            return Err(wrong("cycler: no items are given"));
        }
        Ok(Value::from_object(Cycler { items: items.0, place: AtomicUsize::new(0) }))
    });
    environment.add_filter("center", |state: &mut State, value: &Value, width: Option<i64>| {
        let text = text::string(state, value)?;
        text::pad(state, &text, width.unwrap_or(80), ' ', Place::Center)
    });
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordcount", |state: &mut State, value: &Value| -> Result<usize, Error> {
        let text = text::string(state, value)?;
        Ok(text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).count())
    });
    environment.add_filter("wordwrap", wordwrap);
    environment.add_filter("filesizeformat", file_size);
    environment.add_filter("striptags", strip_tags);
    environment.add_test("callable", |value: &Value| {
        value.kind() == ValueKind::Plain && value.as_object().is_some()
    });
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
    });
    // An entry of a dict is not an attribute.
    environment.add_filter("attr", |value: &Value, name: &str| -> Result<Value, Error> {
        if value.kind() == ValueKind::Map { Ok(Value::UNDEFINED) } else { value.get_attr(name) }
    });
}

/// `joiner(", ")`: empty the first time it is called, then the separator.
#[derive(Debug)]
struct Joiner {
    separator: String,
    used: AtomicBool,
}

impl Object for Joiner {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let () = minijinja::value::from_args(args)?;
        let used = self.used.swap(true, Ordering::Relaxed);
        Ok(Value::from(if used { self.separator.as_str() } else { "" }))
    }
}

/// `cycler("a", "b")`: its items in turn, again and again.
#[derive(Debug)]
struct Cycler {
    items: Vec<Value>,
    place: AtomicUsize,
}

impl Object for Cycler {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("current")).then(|| self.items[self.place.load(Ordering::Relaxed)].clone())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let () = minijinja::value::from_args(args)?;
        let place = self.place.load(Ordering::Relaxed);
        match method {
            "next" => {
                self.place.store((place + 1) % self.items.len(), Ordering::Relaxed);
                Ok(self.items[place].clone())
            }
            "reset" => {
                self.place.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// `text | truncate(255, killwords=false, end='...', leeway=5)`.
fn truncate(state: &mut State, value: &Value, args: All) -> Result<String, Error> {
    let [length, kill, end, leeway] = arguments(args, ["length", "killwords", "end", "leeway"])?;
    let (length, leeway): (usize, usize) = (take(length, 255)?, take(leeway, 5)?);
    let (kill, end) = (take(kill, false)?, end.map_or_else(|| "...".to_owned(), |v| v.to_string()));
    let text = text::string(state, value)?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let room = length.checked_sub(end.chars().count());
    let room =
        room.ok_or_else(|| wrong(format!("truncate: {length} characters have no room for {end:?}")))?;
    let cut: String = text.chars().take(room).collect();
    let kept = if kill { cut.as_str() } else { cut.rsplit_once(' ').map_or(cut.as_str(), |(kept, _)| kept) };
    Ok(format!("{kept}{end}"))
}

/// `text | wordwrap(79, break_long_words=true, wrapstring='\n')`: each line is wrapped by itself.
fn wordwrap(state: &mut State, value: &Value, args: All) -> Result<String, Error> {
    let names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let [width, break_long, wrap, _] = arguments(args, names)?;
    let (width, break_long): (usize, bool) = (take(width, 79)?, take(break_long, true)?);
    let wrap = wrap.map_or_else(|| "\n".to_owned(), |v| v.to_string());
    if width == 0 {
        return Err(wrong("wordwrap: the width must be above 0"));
    }
    let text = text::string(state, value)?;
    pay(state, text.len().saturating_mul(1 + wrap.len()))?;
    let wrapped = text.lines().map(|line| wrap_line(line, width, break_long).join(&wrap));
    Ok(wrapped.collect::<Vec<_>>().join(&wrap))
}

/// Wraps one line into lines of at most `width` characters; a longer word is cut only with `break_long`.
fn wrap_line(line: &str, width: usize, break_long: bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let (mut now, mut size, mut gap) = (String::new(), 0, String::new());
    for part in line.split_inclusive(' ') {
        let word = part.trim_end_matches(' ');
        let mut rest: Vec<char> = word.chars().collect();
        if !rest.is_empty() && size > 0 && size + gap.len() + rest.len() > width {
            out.push(std::mem::take(&mut now));
            size = 0;
        } else if size > 0 || out.is_empty() && gap.len() < width {
            now.push_str(&gap);
            size += gap.len();
        }
        gap.clear();
        while break_long && size + rest.len() > width && !rest.is_empty() {
            now.extend(rest.drain(..width - size));
            out.push(std::mem::take(&mut now));
            size = 0;
        }
        size += rest.len();
        now.extend(rest);
        gap.push_str(&part[word.len()..]);
    }
    if !now.is_empty() {
        out.push(now);
    }
    out
}

/// `bytes | filesizeformat(binary=false)`.
fn file_size(value: &Value, binary: Option<bool>) -> Result<String, Error> {
    let bytes = f64::try_from(value.clone())
        .ok()
        .or_else(|| value.as_str().and_then(|t| t.trim().parse().ok()))
        .ok_or_else(|| wrong("filesizeformat: not a number"))?;
    let binary = binary.unwrap_or(false);
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if bytes < base {
        let unit = if (bytes - 1.0).abs() < f64::EPSILON { "Byte" } else { "Bytes" };
        return Ok(if (bytes - 1.0).abs() < f64::EPSILON {
            format!("1 {unit}")
        } else {
            format!("{} {unit}", bytes.trunc())
        });
    }
    let units = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let power = (1..units.len()).find(|i| bytes < base.powi(*i as i32 + 1)).unwrap_or(units.len());
    let unit = if binary {
        format!("{}iB", units[power - 1].to_uppercase())
    } else {
        format!("{}B", units[power - 1])
    };
    Ok(format!("{:.1} {unit}", bytes / base.powi(power as i32)))
}

/// Removes tags and comments from a text, and turns every run of white space into one space.
fn strip_tags(state: &mut State, value: &Value) -> Result<String, Error> {
    let text = text::string(state, value)?;
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let end = if rest[open..].starts_with("<!--") {
            rest[open..].find("-->").map(|i| i + 3)
        } else {
            rest[open..].find('>').map(|i| i + 1)
        };
        match end {
            Some(end) => rest = &rest[open + end..],
            None => break,
        }
    }
    out.push_str(rest);
    Ok(out.split_whitespace().collect::<Vec<_>>().join(" "))
}
